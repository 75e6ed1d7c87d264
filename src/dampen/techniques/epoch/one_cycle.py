"""One cycle: the learning rate rises, then falls to almost nothing."""

from __future__ import annotations

import math

from ...contracts import Clock, structural, technique, tunable


@technique
class OneCycle:
    """lr <- half a cosine from  first = peak / start_divisor  up to  peak,  then one down to  first / end_divisor

    The peak is the recipe's own learning rate; `warmup_fraction` of the steps go up. Equal to torch's OneCycleLR
    with `cycle_momentum=False`.

    Use it when the number of epochs is known beforehand: it reaches in few of them what a constant rate reaches in
    many. Not where training goes on until it stops improving.

    Smith and Topin, Super-Convergence, 2018, section 3, arXiv:1708.07120.
    """

    moves = ("up", "down")
    acts_late = True
    warmup_fraction: float = tunable(0.3, low=0.0, high=1.0, search=(0.1, 0.5), meaning="share of the steps that go up")
    start_divisor: float = tunable(25.0, low=1.0, log=True, meaning="peak over first learning rate")
    end_divisor: float = tunable(1e4, low=1.0, log=True, meaning="first over last learning rate")
    of: str = structural("optimizer.lr", meaning="the strength that is scheduled")

    def strengths(self, values: dict[str, float], clock: Clock, history: list[dict[str, float]]) -> dict[str, float]:
        peak = values[self.of]
        first = peak / self.start_divisor
        top, last = self.warmup_fraction * clock.steps - 1, clock.steps - 1
        if clock.step <= top:
            now = _half_cosine(first, peak, clock.step / top if top > 0 else 1.0)
        else:
            now = _half_cosine(peak, first / self.end_divisor, (clock.step - top) / (last - top))
        return {**values, self.of: now}


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
