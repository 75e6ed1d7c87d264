"""Successive halving: who trains on.

At the end of each rung only the best third goes on, with its own weights. Some techniques pay off late (one-cycle's
large rates, averages of weights): they look bad at the first rungs, so a share of the places is theirs.

Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization, 2016, arXiv:1502.07943.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..recipe import Recipe
from ..vocabulary import LATE

ETA = 3
"""One in so many goes on."""
BATCH = ETA**3
"""Configurations that are asked together where networks gain by training together: one of them trains to the end."""
FEW = ETA**2
"""Where they gain nothing: the sampler learns sooner."""
LATE_SHARE = 1 / 3
"""Of the places at the end of a rung, so many are for recipes that act late, while there are such."""
FIRST_STEPS = 40
"""A look before that sees the initial weights; where an epoch is shorter there is one after two."""


class Course(NamedTuple):
    """How a search goes: a whole training is so many epochs of so many steps, so many configurations are asked
    together."""

    epochs: int
    steps: int
    batch: int = BATCH

    def rungs(self, count: int) -> tuple[int, ...]:
        """The epochs at which that many configurations are cut, and the last one: 60 short epochs and 27 configurations
        or more give (2, 7, 20, 60)."""
        first = 1 if self.steps >= FIRST_STEPS else 2
        levels = min(_log(count), _log(self.epochs / first) + 1)
        ends = [max(first, round(self.epochs / ETA**level)) for level in range(levels, 0, -1)]
        return (*sorted({end for end in ends if end < self.epochs}), self.epochs)


def _log(number: float) -> int:
    """How often one in `ETA` can go on."""
    return max(0, math.floor(math.log(max(number, 1)) / math.log(ETA) + 1e-9))


def places(count: int) -> int:
    """How many of so many go on."""
    return max(1, math.ceil(count / ETA - 1e-9))


def survivors(values: Mapping[int, float], late: Collection[int]) -> list[int]:
    """Who goes on: the best, and of those that act late their share, one at least; where there is one place only and
    the best is no late one, two. values: of everybody in the race, higher is better, -inf for who diverged."""
    alive = sorted((i for i, value in values.items() if value > -math.inf), key=lambda i: (-values[i], i))
    count = places(len(values))
    reserved = [i for i in alive if i in late][: max(1, math.floor(LATE_SHARE * count + 0.5))]
    others = [i for i in alive if i not in reserved][: count - len(reserved)]
    return sorted({*reserved, *others, *alive[:1]})


def acts_late(recipe: Recipe) -> bool:
    """Whether an active technique says of itself that it pays off late in a training."""
    return any(getattr(technique, LATE, False) for technique in recipe.active.values())


def stages(ends: Sequence[int], count: int) -> Iterator[tuple[int, int]]:
    """(epochs, configurations) of each rung of a race of so many; at most so many, as a late one may run beside the
    best."""
    began = 0
    for end in ends:
        yield end - began, count
        count, began = min(count, max(2, places(count))), end


def epochs_of(ends: Sequence[int], count: int) -> int:
    """Epochs that a race of so many configurations trains in all."""
    return sum(epochs * running for epochs, running in stages(ends, count))
