"""Epochs of one pack: steps, a look, decisions, and whoever leaves because it stops, diverged or is done."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..contracts import Clock, Tensors
from ..history import History
from ..models.ensemble import averaged
from ..recipe import decided, scheduled
from .fitted import Fitted
from .layers import chosen_layers, dead_fraction, histograms, layer_measures, ratio, remember, zeros_fraction
from .metrics import LOSSES, calibration, standard_error
from .plan import PackPlan
from .problem import Member, Problem
from .run import Run, of_members


class Training:
    """A run with its histories, and the members that are done."""

    def __init__(self, problem: Problem, members: Sequence[Member], plan: PackPlan, run: Run) -> None:
        self.problem, self.members, self.plan, self.run = problem, members, plan, run
        self.epoch = 0
        metric = problem.metric
        self.histories = {
            index: History(metric=metric.name, higher_is_better=metric.higher_is_better) for index in plan.members
        }
        self.layers = chosen_layers(run.program.layout)
        self.done: dict[int, Fitted] = {}
        self.also: dict[int, list[Tensors]] = {index: [] for index in plan.members}
        self.schedules = {index: members[index].recipe.having("strengths") for index in plan.members}
        self.deciders = {index: members[index].recipe.having("epoch") for index in plan.members}

    def progress(self) -> tuple[int, int]:
        total = len(self.plan.members) * self.problem.epochs
        return len(self.done) * self.problem.epochs + len(self.run.pack) * self.epoch, total

    def one_epoch(self) -> None:
        """Steps, a look, decisions, and whoever leaves."""
        began = time.perf_counter()
        sums = self.run.epoch(self.epoch, self._schedule)
        self.epoch += 1
        params, buffers = self.run.served()
        looked = self._look(params, buffers) | self._look_at_layers(params)
        seconds = (time.perf_counter() - began) / len(self.run.pack)
        self._record(sums, looked, seconds)
        self._leave(params, buffers, sums["sound"] & looked["val_loss"].isfinite())

    # -------------------------------------------------------------- schedules

    def _schedule(self, clock: Clock) -> list[dict[str, float]] | None:
        """The strengths of every member before this step, or None where no recipe schedules any."""
        pack = self.run.pack
        if not any(self.schedules[index] for index in pack.indexes):
            return None
        return [
            scheduled(self.schedules[index], base, clock, self.histories[index].epochs)
            for index, base in zip(pack.indexes, pack.base, strict=True)
        ]

    # -------------------------------------------------------------- looking

    def _look(self, params: Tensors, buffers: Tensors) -> dict[str, Tensor]:
        """Loss and metric (K,) on the training sample and the validation part, and how sure the latter's loss is."""
        rows, rows_of = self.run.pack.rows, LOSSES[self.problem.data.task].rows
        *train, alive = self.run.watched(params, buffers, rows["sample"])
        looked = {"dead_fraction": dead_fraction(alive)} if alive else {}
        for name, (outputs, targets) in (
            ("train", train),
            ("val", self.run.predict(params, buffers, rows["validation"])),
        ):
            losses = rows_of(outputs, targets)
            looked[f"{name}_loss"] = losses.mean(-1)
            looked[f"{name}_loss_error"] = standard_error(losses)
            looked[f"{name}_metric"] = score = self.problem.metric.score(outputs, targets)
        looked["val_score"] = score if self.problem.metric.higher_is_better else -score
        return looked

    def _record(self, sums: dict[str, Tensor], looked: dict[str, Tensor], seconds: float) -> None:
        pack = self.run.pack
        columns = {
            **looked,
            "objective": sums["loss"],
            "penalty_share": sums["penalty"] / sums["loss"],
            "gradient_norm": sums["gradient_norm"],
            "weight_norm": pack.block.data.norm(dim=1),
            "weight_norm_l1": pack.block.data.norm(p=1, dim=1),
            "update_ratio": ratio(pack.block.data, pack.before),
        }
        plain = {name: column.tolist() for name, column in columns.items()}
        for position, index in enumerate(pack.indexes):
            record = {name: values[position] for name, values in plain.items()}
            record |= {
                "lr": pack.values[position]["optimizer.lr"],
                "steps": self.epoch * self.run.steps_per_epoch,
                "epochs": self.problem.epochs,
                "seconds": seconds,
            }
            self.histories[index].epochs.append(record)

    def _look_at_layers(self, params: Tensors) -> dict[str, Tensor]:
        """What the layers tell goes into the histories; what they tell together is returned, (K,)."""
        pack = self.run.pack
        served = {name: params[name] for name in self.layers}
        measures = layer_measures(served, pack.params, pack.before_views)
        remember([self.histories[index].layers for index in pack.indexes], measures)
        if self.epoch in (1, (self.problem.epochs + 1) // 2):
            self._remember_weights(pack.indexes, served)
        return {"zeros_fraction": zeros_fraction(measures, served)} if served else {}

    def _remember_weights(self, indexes: Sequence[int], served: Tensors) -> None:
        for index, layers in zip(indexes, histograms(served), strict=True):
            history = self.histories[index]
            epoch = self.epoch if history.outcome == "running" else history.served_epoch or self.epoch
            if not history.weights or history.weights[-1]["epoch"] < epoch:
                history.weights.append({"epoch": epoch, "layers": layers})

    # -------------------------------------------------------------- leaving

    def _leave(self, params: Tensors, buffers: Tensors, sound: Tensor) -> None:
        pack = self.run.pack
        decisions = [decided(self.deciders[index], self.histories[index].epochs) for index in pack.indexes]
        best = [p for p, (_, keeps) in enumerate(decisions) if "best" in keeps and sound[p]]
        if best:
            pack.keep(best, params, buffers)
            for position in best:
                self.histories[pack.indexes[position]].served_epoch = self.epoch
        for p, (_, keeps) in enumerate(decisions):
            if "also" in keeps and sound[p]:
                self.also[pack.indexes[p]].append(_of_member({**params, **buffers}, p))
        diverged = [p for p in range(len(pack)) if not sound[p]]
        stopped = [p for p, (stop, _) in enumerate(decisions) if stop and sound[p]]
        self.finish(diverged, "diverged")
        self.finish(stopped, "stopped")
        if diverged or stopped:
            self.run.pack = pack.select([p for p in range(len(pack)) if p not in {*diverged, *stopped}])

    def finish(self, positions: Sequence[int], outcome: str) -> None:
        """Score what serves and hand these members over. Who diverged serves what was kept before, or guesses."""
        if not len(positions):
            return
        whole = self.run.pack
        self.run.pack = pack = whole.select(positions)
        params, buffers = self._final()
        scores = {}
        for part in ("validation", "test"):
            outputs, targets = self._served_outputs(params, buffers, pack.rows[part])
            if outcome == "diverged":
                outputs = torch.where(self._kept()[:, None, None], outputs, self._guesses(targets))
            scores[part] = self._scores(outputs, targets)
            test_rows = self.problem.metric.rows(outputs, targets).cpu()
        sureness = self._sureness(outputs, targets)
        for position, index in enumerate(pack.indexes):
            history = self.histories[index]
            history.outcome, history.final = outcome, sureness[position]
            if history.served_epoch is None and not self.also[index] and outcome != "diverged":
                history.served_epoch = self.epoch
            self.done[index] = Fitted(
                member=self.members[index],
                params=_of_member(params, position),
                buffers=_of_member(buffers, position),
                history=self.histories[index],
                validation=scores["validation"][position],
                test=scores["test"][position],
                test_rows=test_rows[position].clone(),
                problem=self.problem,
                plan=self.plan,
                also=self.also[index],
            )
        if outcome != "diverged":
            self._remember_weights(pack.indexes, {name: params[name] for name in self.layers})
        self.run.pack = whole

    def standing(self) -> dict[int, dict[str, float]]:
        """Metric and loss on the validation part of what each member would hand over if it ended now."""
        pack = self.run.pack
        if not len(pack):
            return {}
        outputs, targets = self._served_outputs(*self._final(), pack.rows["validation"])
        return dict(zip(pack.indexes, self._scores(outputs, targets), strict=True))

    def _scores(self, outputs: Tensor, targets: Tensor) -> list[dict[str, float]]:
        """Metric and loss of every member; none where there are no rows."""
        if not targets.shape[1]:
            return [{} for _ in targets]
        metric = self.problem.metric.score(outputs, targets).tolist()
        loss = LOSSES[self.problem.data.task].score(outputs, targets).tolist()
        return [{"metric": m, "loss": value} for m, value in zip(metric, loss, strict=True)]

    def _sureness(self, outputs: Tensor, targets: Tensor) -> list[dict[str, Any]]:
        """How sure every member is of the test part's classes, and how rightly so; nothing of numbers."""
        if self.problem.data.task != "classes" or not targets.shape[1]:
            return [{} for _ in targets]
        return [{"part": "test", **found} for found in calibration(outputs.softmax(-1), targets)]

    def _final(self) -> tuple[Tensors, Tensors]:
        """The best weights where a technique kept some, else the ones that serve now."""
        pack = self.run.pack
        params, buffers = self.run.served()
        kept = pack.block.view(pack.kept)

        def chosen(keeps: Tensors, serves: Tensors) -> Tensors:
            return {name: of_members(pack.has_kept, keeps[name], t) for name, t in serves.items()}

        return chosen(kept, params), chosen(pack.kept_buffers, buffers)

    def _kept(self) -> Tensor:
        """Whether any weights were kept of each member (K,)."""
        beside = torch.tensor([bool(self.also[index]) for index in self.run.pack.indexes])
        return self.run.pack.has_kept | beside.to(self.run.pack.has_kept.device)

    def _served_outputs(self, params: Tensors, buffers: Tensors, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(outputs, targets) of rows (K, N): jointly of the weights that were kept beside, else of these."""
        outputs, targets = self.run.predict(params, buffers, rows)
        beside = [self.also[index] for index in self.run.pack.indexes]

        def of_round(serves: Tensors, number: int) -> Tensors:
            """Each member's snapshot of that number, or some other weights of its own, which then do not count."""
            return {
                name: torch.stack([kept[number][name].to(t) if number < len(kept) else t[p] for p, kept in counted])
                for name, t in serves.items()
            }

        counted = list(enumerate(beside))
        rounds = [
            self.run.predict(of_round(params, number), of_round(buffers, number), rows)[0]
            for number in range(max(map(len, beside)))
        ]
        joint = [
            averaged(torch.stack([of_all[p] for of_all in rounds[: len(kept)]]), self.problem.data.task)
            if kept
            else outputs[p]
            for p, kept in counted
        ]
        return torch.stack(joint), targets

    def _guesses(self, targets: Tensor) -> Tensor:
        """What a network that diverged is worth: the most likely class or labels, or the mean, of the training part."""
        facts, task = self.run.pack.facts, self.problem.data.task
        if task == "numbers":
            guess = facts["target_mean"]
        else:
            guess = facts["prior"].log() if task == "classes" else facts["prior"].logit(eps=1e-6)
        return guess[:, None].expand_as(targets)


def _of_member(stack: Tensors, position: int) -> Tensors:
    """One member's tensors, copied to the CPU."""
    return {name: tensor[position].cpu().clone() for name, tensor in stack.items()}
