"""Many members trained side by side, stage by stage: between two stages some leave and the others are packed anew.

Whoever stays goes on with its own weights, optimizer state, states of techniques and schedules, bit for bit. Who leaves
is somebody else's decision (`study/halving.py`).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import torch

from ..history import History
from . import checkpoint
from .epochs import Training
from .fit import TRAIN_SAMPLE
from .fitted import Fitted
from .pack import Pack
from .plan import PackPlan, threads
from .problem import Member, Problem
from .run import start

CUT = "cut"
"""The outcome of a member that others decided to train no further."""


class Race:
    """members: all that ever set out. packs: how they train until the next stage. Its members are known by their
    positions in `members`."""

    def __init__(self, problem: Problem, members: Sequence[Member], packs: Sequence[PackPlan]) -> None:
        self.problem, self.members = problem, members
        self.epoch = 0
        self.done: dict[int, Fitted] = {}
        self.trainings = [self._training(pack) for pack in packs]

    @property
    def running(self) -> list[int]:
        return [index for training in self.trainings for index in training.run.pack.indexes]

    def to(
        self,
        epoch: int,
        watch: Callable[[int, float], None] | None = None,
        arrived: Callable[[dict[int, dict[str, float]]], None] | None = None,
    ) -> None:
        """Train every pack to this epoch. watch is called after every epoch of a pack with how many members it
        had and the seconds it took; arrived after every pack, with metric and loss on the validation part of what each
        member would hand over now."""
        for training in self.trainings:
            with torch.no_grad(), threads(training.plan.threads):
                while training.epoch < epoch and len(training.run.pack):
                    running, began = len(training.run.pack), time.perf_counter()
                    training.one_epoch()
                    if watch is not None:
                        watch(running, time.perf_counter() - began)
                if epoch >= self.problem.epochs:
                    training.finish(range(len(training.run.pack)), "finished")
                    training.run.pack = training.run.pack.select([])
                self.done |= training.done
                if arrived is not None:
                    arrived({index: f.validation for index, f in training.done.items()} | training.standing())
        self.epoch = epoch

    def leave(self, indexes: Collection[int]) -> dict[int, History]:
        """Cut these members, of which nothing but their histories is kept."""
        histories: dict[int, History] = {}
        for training in self.trainings:
            pack = training.run.pack
            gone = [index for index in pack.indexes if index in indexes]
            histories |= {i: dataclasses.replace(training.histories[i], outcome=CUT) for i in gone}
            if gone:
                training.run.pack = pack.select([p for p, i in enumerate(pack.indexes) if i not in gone])
        return histories

    def leave_done(self) -> dict[int, History]:
        """The histories of who is done (finished, stopped, diverged), who are forgotten here."""
        histories = {index: fitted.history for index, fitted in self.done.items()}
        self.done = {}
        for training in self.trainings:
            training.done = {}
        return histories

    def regroup(self, packs: Sequence[PackPlan]) -> None:
        """Go on in these packs, which hold everybody who is still running once. A pack that all stay in goes on
        with its recordings."""
        before = {i: (t, row) for t in self.trainings for row, i in enumerate(t.run.pack.indexes)}
        with torch.no_grad():
            whole = {t.plan: t for t in self.trainings if t.plan.members == tuple(t.run.pack.indexes)}
            self.trainings = [whole.get(pack) or self._continued(pack, before) for pack in packs]

    def repeat(self, epoch: int, packs: Sequence[PackPlan], watch: Callable[[int, float], None] | None = None) -> None:
        """Train to this epoch once more, where it is known in which packs the others went on: who stands in none of
        them leaves. Another machine rounds otherwise: who is done earlier there than he was stays, as done."""
        self.to(epoch, watch)
        known = {index for pack in packs for index in pack.members}
        self.done = {index: fitted for index, fitted in self.done.items() if index in known}
        self.leave([index for index in self.running if index not in known])
        left = [dataclasses.replace(p, members=tuple(i for i in p.members if i not in self.done)) for p in packs]
        self.regroup([pack for pack in left if pack.members])

    def _continued(self, plan: PackPlan, before: dict[int, tuple[Training, int]]) -> Training:
        training = self._training(plan)
        training.epoch = self.epoch
        pack: Pack = training.run.pack
        for row, index in enumerate(plan.members):
            other, theirs = before[index]
            pack.take(row, other.run.pack, theirs)
            training.histories[index] = other.histories[index]
            training.also[index] = other.also[index]
        return training

    def _training(self, pack: PackPlan) -> Training:
        with torch.no_grad():
            return Training(self.problem, self.members, pack, start(self.problem, self.members, pack, TRAIN_SAMPLE))

    # -------------------------------------------------------------- on disk

    def save(self, folder: Path) -> None:
        for number, training in enumerate(self.trainings):
            checkpoint.save(folder / f"pack-{number}", training)

    def restore(self, folder: Path, epoch: int) -> bool:
        """Take up what `save` left of the same packs; False, and nothing is changed, where it is not all there."""
        folders = [folder / f"pack-{number}" for number in range(len(self.trainings))]
        if not all(map(checkpoint.is_there, folders)):
            return False
        for each, training in zip(folders, self.trainings, strict=True):
            checkpoint.restore(each, training)
            self.done |= training.done
        self.epoch = epoch
        return True
