"""One process that works on a study: it takes batches that nobody has, and keeps the budget."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..errors import DampenError
from . import leases
from .batch import Scene, Standing, Tell, members_of, run_batch, unit_name
from .budget import ALWAYS, CONFIRMATION_SHARE, FINALISTS, Budget, affordable, batches, duration, too_small
from .confirmation import UNIT as CONFIRMATION
from .pace import Pace
from .sampling import ask
from .store import LeaseLost

WAIT = 0.2
"""Seconds between two looks at what other workers do."""


class News(NamedTuple):
    """share: of the whole, done. seconds_left: of the whole. doing: what runs, in words. leaders: those who
    are still there, at the last look, best first."""

    share: float
    seconds_left: float
    doing: str
    leaders: tuple[Standing, ...]


class Besides(NamedTuple):
    """What is asked for besides the winner: what each of its ingredients is worth, and whether more data would help."""

    ablation: bool = True
    data_curve: bool = False


class Worker:
    """pace: what it knows of time. watch: told after every epoch of a pack."""

    def __init__(
        self,
        scene: Scene,
        budget: Budget,
        seeds: int,
        pace: Pace,
        watch: Callable[[News], None] | None,
        besides: Besides,
    ) -> None:
        self.scene, self.budget, self.seeds, self.pace, self.watch = scene, budget, seeds, pace, watch
        self.besides = besides
        self.course = scene.course
        pace.apart = scene.packing.apart
        self.leaders: tuple[Standing, ...] = ()
        self.doing = "searching"
        self.over = False  # whether there is nothing left to search
        self.count = self._count()
        self.ready = pace.elapsed

    def _count(self) -> int | None:
        """How many configurations the budget says; None where time decides."""
        if self.budget.kind == "configurations":
            return int(self.budget.amount)
        if self.budget.kind == "trainings":
            return affordable((1 - CONFIRMATION_SHARE) * self.budget.amount * self.course.epochs, self.course)
        return None

    # -------------------------------------------------------------- time

    def probe(self) -> None:
        """A few steps of what the first batch will train: the pace to begin with."""
        scene, problem = self.scene, self.scene.problem
        first = ask(scene.space, "random", [], self.course.batch, 0, seed=scene.seed, batch=0, higher=scene.higher)
        members = members_of(scene, first, with_presets=True)
        packs = scene.packing.packs(problem, members, range(len(members)))
        seconds, self.pace.setup = scene.packing.probed(problem, members, packs)
        self.pace.packs = len(packs)
        lone = [m.milliseconds for m in scene.packing.measured if m.members == 1]
        self.pace.learn(len(members), seconds)
        if lone:
            self.pace.learn(1, problem.steps_per_epoch * min(lone) / 1e3)
        self.ready = self.pace.elapsed
        if self.budget.kind == "seconds" and self.pace.largest_race(self._for_search(), self.course, 1, ALWAYS) < 1:
            least = (self.ready + self.pace.race(1, self.course, ALWAYS)) / (1 - CONFIRMATION_SHARE)
            confirmed = self.pace.trainings(1 + ALWAYS, problem.epochs, 1 + ALWAYS) / CONFIRMATION_SHARE
            least = max(1.25 * least, 1.25 * confirmed)
            raise too_small(duration(self.budget.amount), f"{least:.0f}s or more, or fewer --epochs")

    def _for_search(self) -> float:
        """Seconds that are left for searching: all but what confirming will take, at least its share."""
        epochs = self.scene.problem.epochs
        recipes = 2 * (FINALISTS + ALWAYS)
        most = self.pace.trainings(recipes * self.seeds, epochs, recipes)
        kept = min(CONFIRMATION_SHARE * self.budget.amount, 1.2 * most)
        return self.budget.amount - kept - self.pace.elapsed

    def expected(self) -> float:
        """Seconds that all of it is expected to take, from the pace so far."""
        if self.count is None:
            return self.budget.amount
        epochs = self.scene.problem.epochs
        sizes = [] if self.over else batches(self.count, self.course.batch)
        searched = sum(self.pace.race(n, self.course, ALWAYS if i == 0 else 0) for i, n in enumerate(sizes))
        if self.budget.kind == "trainings":
            recipes = 1 + ALWAYS
            count = int(CONFIRMATION_SHARE * self.budget.amount)
        else:
            recipes = 2 * (FINALISTS + ALWAYS)
            count = recipes * self.seeds
        return self.pace.elapsed + searched + self.pace.trainings(count, epochs, recipes)

    def tell(self, total: float) -> Tell:
        def epochs(members: int, seconds: float) -> None:
            self.pace.learn(members, seconds)
            if self.watch is not None:
                left = max(0.0, total - self.pace.elapsed)
                self.watch(News(min(1.0, self.pace.elapsed / max(total, 1e-9)), left, self.doing, self.leaders))

        def ranked(standings: Sequence[Standing]) -> None:
            self.leaders = tuple(sorted(standings, key=lambda s: -self.scene.value(s.score)))

        return Tell(epochs, ranked)

    # -------------------------------------------------------------- work

    def search(self) -> None:
        """Take batches until the budget's share is used, then see to those that others left."""
        sizes = None if self.count is None else batches(self.count, self.course.batch)
        tell = self.tell(self.expected())
        for number in itertools.count():
            size = self._size(number) if sizes is None else sizes[number] if number < len(sizes) else 0
            if not size or (sizes is None and self._is_confirming()):
                break
            self.doing = f"searching, batch {number + 1}" + (f" of {len(sizes)}" if sizes else "")
            asked = self._take(number, size, tell)
            if asked is not None and asked < size:  # a grid has come to its end
                break
        while others := self._unfinished():
            for number in others:
                self._take(number, sizes[number] if sizes else self.course.batch, tell)
            time.sleep(WAIT if self._unfinished() else 0.0)
        self.over = True

    def _size(self, number: int) -> int:
        """How many configurations the next batch holds, where time decides."""
        always = ALWAYS if number == 0 else 0
        return self.pace.largest_race(self._for_search(), self.course, self.course.batch, always)

    def _take(self, number: int, size: int, tell: Tell) -> int | None:
        """How many configurations were asked, or None where the batch is another's."""
        scene, unit = self.scene, unit_name(number)
        claimed = scene.store.claim(scene.study, unit, scene.owner, seconds=scene.lease)
        if claimed is None:
            return None
        try:
            with leases.renewed(scene.store, scene.study, unit, scene.owner):
                asked = run_batch(scene, number, size, claimed.record, tell)
            scene.store.describe(scene.study, {"spent": self.pace.elapsed})
        except LeaseLost:  # somebody took us for dead and has the batch now
            return None
        except BaseException:
            let_go(scene, unit)
            raise
        return asked

    def _is_confirming(self) -> bool:
        """Whether somebody has begun to: what is searched from then on would count for nothing."""
        return CONFIRMATION in self.scene.store.units(self.scene.study)

    def _unfinished(self) -> list[int]:
        units = self.scene.store.units(self.scene.study)
        return sorted(int(unit.split()[1]) for unit, u in units.items() if unit.startswith("batch") and not u.done)


def let_go(scene: Scene, unit: str) -> None:
    """Whoever is next need not wait for the lease. Where the store does not answer he does: what went wrong first is
    what people should read."""
    with contextlib.suppress(DampenError):
        scene.store.release(scene.study, unit, scene.owner)
