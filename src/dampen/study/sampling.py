"""Which configurations to try next: Optuna's sampler in memory, asked for a whole batch at once.

What a batch asks is a function of the study's seed, the batch's number and the trials told before it: a study that is
taken up again asks the same. A third of the first batch is what is usual, the rest random, with few techniques on; TPE
learns from it.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from ..errors import DampenError, NoSuchName
from ..recipe import Recipe
from .space import Range, Space

SAMPLERS = ("tpe", "random", "grid")
ON_AT_RANDOM = 4.0
"""So many techniques are on, on average, in a configuration at random: a dozen at once train nothing."""
GRID_POINTS = 3
"""Values of each strength in a grid."""
LARGEST_GRID = 100_000

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Asked(NamedTuple):
    """A configuration and the recipe it makes."""

    values: dict[str, Any]
    recipe: Recipe


def ask(
    space: Space,
    sampler: str,
    told: Sequence[FrozenTrial],
    count: int,
    before: int,
    *,
    seed: int,
    batch: int,
    higher: bool,
) -> list[Asked]:
    """So many configurations, asked together; fewer where a grid ends. told: the trials of earlier batches, in the
    order of their numbers. before: how many are asked in earlier batches; there a grid goes on, whatever has been told:
    two processes at once never ask the same. higher: whether a higher value is better."""
    generator = np.random.default_rng([seed, batch])
    if sampler == "grid":
        return list(itertools.islice(_grid(space, seed), before, before + count))
    if sampler == "random" or not told:
        starts = space.starts[: count // 3] if sampler == "tpe" and batch == 0 else []
        usual = [Usual(on, strengths) for on, strengths in starts]
        drawn = [AtRandom(space, generator) for _ in range(count - len(usual))]
        return [_asked(space, chooser, generator) for chooser in (*usual, *drawn)]
    return _by_tpe(space, told, count, generator, higher)


def check_sampler(name: str, space: Space) -> None:
    if name not in SAMPLERS:
        raise NoSuchName("sampler", name, SAMPLERS, f"There are {', '.join(SAMPLERS)}.")
    if name == "grid" and grid_size(space) > LARGEST_GRID:
        raise DampenError(
            f"A grid must have at most {LARGEST_GRID:,} points; this space has about {grid_size(space):.2g}. "
            "Narrow it with --without and --range, or use another sampler."
        )


# ------------------------------------------------------------------ TPE


def _by_tpe(
    space: Space, told: Sequence[FrozenTrial], count: int, generator: np.random.Generator, higher: bool
) -> list[Asked]:
    """Constant liar: what has been asked and not been answered counts as bad, so a batch does not crowd one place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=int(generator.integers(2**32)), n_startup_trials=1, multivariate=True, group=True, constant_liar=True
        )
        study = optuna.create_study(sampler=sampler, direction="maximize" if higher else "minimize")
        study.add_trials(list(told))
        return [_asked(space, study.ask(), generator) for _ in range(count)]


def _asked(space: Space, chooser: Any, generator: np.random.Generator) -> Asked:
    """Switches are asked in another order each time: of two techniques that conflict none is favoured."""
    needy = space.optional[len(space.free) :]
    recipe = space.choose(chooser, [*generator.permutation(space.free).tolist(), *needy])
    return Asked(dict(chooser.params), recipe)


# ------------------------------------------------------------------ usual, random and grid


class Usual:
    """A chooser that has some techniques on, at strengths that are given."""

    def __init__(self, on: frozenset[str], strengths: Mapping[str, float]) -> None:
        self.on, self.strengths = on, strengths
        self.params: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.params[name] = name in self.on
        return self.params[name]

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        self.params[name] = min(high, max(low, self.strengths[name]))
        return self.params[name]


class AtRandom:
    """A chooser that draws switches with few on, and strengths evenly in their ranges."""

    def __init__(self, space: Space, generator: np.random.Generator) -> None:
        self.share = min(0.5, ON_AT_RANDOM / max(1, len(space.optional)))
        self.generator = generator
        self.params: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.params[name] = bool(self.generator.random() < self.share)
        return self.params[name]

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        self.params[name] = min(high, max(low, Range(low, high, log).point(self.generator.random())))
        return self.params[name]


class OnGrid:
    """A chooser that spells a point of the grid: every choice takes the next digit of a number."""

    def __init__(self, number: int) -> None:
        self.rest = number
        self.params: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.rest, digit = divmod(self.rest, len(choices))
        self.params[name] = choices[digit]
        return self.params[name]

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        points = GRID_POINTS if high > low else 1
        self.rest, digit = divmod(self.rest, points)
        share = digit / (points - 1) if points > 1 else 0.0
        self.params[name] = min(high, max(low, Range(low, high, log).point(share)))
        return self.params[name]


def grid_size(space: Space) -> float:
    """How many points a grid has at most: every switch, and `GRID_POINTS` values of every strength."""
    points = [GRID_POINTS if r.high > r.low else 1 for r in space.ranges.values()]
    return 2.0 ** len(space.optional) * math.prod(map(float, points))


def _grid(space: Space, seed: int) -> Iterator[Asked]:
    """Every configuration of the grid once, in an order that the seed decides: a budget that ends early has seen
    all of it a little."""
    order = np.random.default_rng(seed).permutation(int(grid_size(space)))
    for number in order.tolist():
        chooser = OnGrid(number)
        recipe = space.choose(chooser)
        if chooser.rest == 0:  # a number with digits left over spells a point that a smaller one spells, too
            yield Asked(chooser.params, recipe)
