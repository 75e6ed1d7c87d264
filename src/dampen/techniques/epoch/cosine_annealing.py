"""Cosine annealing: the learning rate falls along half a cosine, once or in cycles that begin anew."""

from __future__ import annotations

import itertools
import math

from ...contracts import At, Clock, structural, technique, tunable
from ...errors import DampenError


@technique
class CosineAnnealing:
    """lr <- low + (peak - low) * (1 + cos(pi * t / T)) / 2,  low = min_fraction * peak

    t of the T steps of a cycle are done. The peak is the recipe's own rate; num_cycles cycles, each cycle_factor times
    as long as the one before, fill the training and begin on whole steps. With one cycle torch's CosineAnnealingLR,
    with several its CosineAnnealingWarmRestarts (T_0 the first cycle, T_mult the factor). Before or after WarmUp it
    multiplies with it: the cosine runs from the first step on.

    Use it when the number of epochs is known beforehand: small steps at the end settle what large ones found.
    Restarts are for whoever looks at the weights of several minima; a single cycle is the better default.

    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, equation 5, arXiv:1608.03983.
    """

    moves = ("down",)
    acts_late = True
    num_cycles: int = structural(1, low=1, meaning="falls from the peak, restarts between them")
    cycle_factor: float = tunable(
        1.0, low=1.0, high=10.0, search=(1.0, 2.0), meaning="length of a cycle over that of the one before"
    )
    min_fraction: float = tunable(0.0, low=0.0, high=1.0, search=(0.0, 0.1), meaning="lowest rate over the peak")
    of: str = structural("optimizer.lr", meaning="the strength that is scheduled")

    def check(self, at: At) -> None:
        if self.num_cycles > at.clock.epochs:
            raise DampenError(
                f"CosineAnnealing.num_cycles must be at most the number of epochs, {at.clock.epochs}; "
                f"got {self.num_cycles}. Take fewer cycles, or train longer."
            )
        first = at.clock.epochs / math.fsum(self.cycle_factor**cycle for cycle in range(self.num_cycles))
        if first < 1 - 1e-9:
            raise DampenError(
                f"CosineAnnealing's first cycle must take at least an epoch; got {first:.2g} with {self.num_cycles} "
                f"cycles and cycle_factor {self.cycle_factor:g}. Take fewer cycles, a smaller factor, or train longer."
            )

    def strengths(self, values: dict[str, float], clock: Clock, history: list[dict[str, float]]) -> dict[str, float]:
        lengths = [self.cycle_factor ** (cycle - self.num_cycles) for cycle in range(self.num_cycles)]
        ends = [round(clock.steps * end / sum(lengths)) for end in itertools.accumulate(lengths, initial=0.0)]
        first, end = next(pair for pair in itertools.pairwise(ends) if clock.step < pair[1])
        share = (1 + math.cos(math.pi * (clock.step - first) / (end - first))) / 2
        return {**values, self.of: values[self.of] * (self.min_fraction + (1 - self.min_fraction) * share)}
