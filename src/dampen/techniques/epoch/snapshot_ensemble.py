"""Snapshot ensemble: one training visits several minima, and their networks predict together."""

from __future__ import annotations

import itertools
import math

from ...contracts import At, Clock, Decision, structural, technique
from ...errors import DampenError


@technique
class SnapshotEnsemble:
    """lr <- peak * (1 + cos(pi * t / T)) / 2  in num_snapshots cycles;  p <- mean of the p of the cycles' last weights

    t of the T steps of a cycle are done; cycles are equally long, in whole epochs. The peak is the recipe's own rate.
    Probabilities are averaged (numbers as they are), each network with its own batch-norm statistics. A run that ends
    before its time predicts with the snapshots it has. EarlyStopping serves the weights of one epoch: a recipe has
    one of the two.

    Use it where several networks would help and there is time to train one, and where predicting may cost num_snapshots
    times as much. Every cycle must be long enough to end in a good network, and high rates at its start help.

    Huang et al., Snapshot Ensembles: Train 1, Get M for Free, 2017, equation 2 and section 3, arXiv:1704.00109.
    """

    of = "optimizer.lr"
    moves = ("down",)
    keeps = "also"
    acts_late = True
    num_snapshots: int = structural(3, low=1, meaning="cycles, and networks that predict together")

    def check(self, at: At) -> None:
        if self.num_snapshots > at.clock.epochs:
            raise DampenError(
                f"SnapshotEnsemble.num_snapshots must be at most the number of epochs, {at.clock.epochs}; "
                f"got {self.num_snapshots}. Take fewer snapshots, or train longer."
            )

    def strengths(self, values: dict[str, float], clock: Clock, history: list[dict[str, float]]) -> dict[str, float]:
        ends = [end * clock.steps // clock.epochs for end in self._ends(clock.epochs)]
        first, end = next(pair for pair in itertools.pairwise([0, *ends]) if clock.step < pair[1])
        share = (1 + math.cos(math.pi * (clock.step - first) / (end - first))) / 2
        return {**values, self.of: values[self.of] * share}

    def epoch(self, history: list[dict[str, float]]) -> Decision:
        return Decision(keep="also" if len(history) in self._ends(int(history[-1]["epochs"])) else None)

    def _ends(self, epochs: int) -> list[int]:
        """After how many epochs each cycle is done."""
        return [round((cycle + 1) * epochs / self.num_snapshots) for cycle in range(self.num_snapshots)]
