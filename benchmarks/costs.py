"""What a training step costs with each technique, over the bare step: on a CNN for images of CIFAR's size (3 x 32 x 32,
batch 128, one member) and on a pack of 64 digits MLPs (batch 64). A technique that suits neither is measured on a small
network of its kind, named in the table. Both sides of a ratio run in turns, as planned and replayed as trainings of
200 steps or more are.

Bars, for batch/ and model/ and, below a line, for the other rooms: the median ratio is at most 1.10 on each of the
two; each is at most 1.5, or 1.15 times the passes that the technique declares.
`costs.py NAME ...` measures the named techniques only.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from timing import bar, machine

import dampen
from dampen import CNN, MLP, Dataset, Recipe
from dampen.data.dataset import from_arrays, load
from dampen.errors import DampenError
from dampen.models.layout import Layout
from dampen.presets import alone
from dampen.techniques import CATALOGUE, find, room_of
from dampen.training.fit import able, full_plan
from dampen.training.measure import ready, seconds_of
from dampen.training.plan import Ability, PackPlan, make_plan, on_device, run_as, threads
from dampen.training.problem import Member, Problem, check_fits, check_recipe
from dampen.training.run import Run
from dampen.worlds import world_for

ROUNDS, TURN = 9, 0.06
"""Turns of each side, and the least seconds of one."""
EPOCHS, CLASSES = 40, 10
MEDIAN, EACH, PER_PASS = 1.10, 1.5, 1.15
HALVES = {"front": ("batch", "model"), "back": ("loss", "gradient", "weights", "epoch")}
PGD = dampen.AdversarialTraining(num_steps=3)


# ------------------------------------------------------------------ networks


def random_data(*shape: int, tokens: int = 0) -> Dataset:
    """Rows without sense: a step costs the same."""
    source = np.random.default_rng(0)
    labels = np.arange(shape[0]) % CLASSES
    if tokens:
        ids = torch.from_numpy(source.integers(2, tokens, shape))
        return Dataset("ids", ids, torch.eye(CLASSES)[labels], "classes", num_tokens=tokens)
    return from_arrays(source.integers(0, 256, shape).astype(np.uint8), labels, name=" x ".join(map(str, shape[1:])))


@functools.cache
def images() -> Dataset:
    return random_data(2000, 3, 32, 32)


MAIN: dict[str, tuple[int, Callable[[], Problem]]] = {
    "CNN": (1, lambda: Problem(images(), CNN((32, 64, 64)), EPOCHS, 128)),
    "pack": (64, lambda: Problem(load("digits"), MLP((128, 128)), EPOCHS, 64)),
}
OTHER: dict[str, Callable[[], Problem]] = {
    "blobs, batches of 16": lambda: Problem(images(), CNN((32, 64, 64)), EPOCHS, 128),
    "blobs, selu": lambda: Problem(images(), MLP((512, 512), "selu"), EPOCHS, 128),
    "blobs, sigmoid": lambda: Problem(images(), MLP((512, 512), "sigmoid"), EPOCHS, 128),
    "blobs, residual": lambda: Problem(images(), dampen.ResidualCNN(), EPOCHS, 64),
    "blobs, two branches": lambda: Problem(images(), dampen.ResidualCNN(num_branches=2), EPOCHS, 64),
    "cells": lambda: Problem(random_data(8000, 100), MLP((512, 512)), EPOCHS, 256),
    "columns": lambda: Problem(random_data(8000, 100), MLP((512, 512)), EPOCHS, 256),
    "waves": lambda: Problem(random_data(4000, 8, 64), MLP((512, 512)), EPOCHS, 256),
    "words, transformer": lambda: Problem(random_data(4000, 32, tokens=2000), dampen.Transformer(), EPOCHS, 64),
    "words, lstm": lambda: Problem(random_data(4000, 32, tokens=2000), dampen.LSTM(), EPOCHS, 64),
}
"""For techniques that suit none of the main ones, by the small world of the laws they work in."""


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """A problem, with how a pack without techniques runs on it."""

    problem: Problem
    layout: Layout
    ability: Ability
    how: PackPlan

    @property
    def members(self) -> int:
        return len(self.how.members)

    def run(self, recipe: Recipe) -> Run:
        members = [Member("", recipe, seed) for seed in range(self.members)]
        (plan,) = make_plan(self.problem, members, self.ability).packs
        with torch.no_grad():
            return ready(self.problem, members, run_as(plan, self.how))

    def suits(self, recipe: Recipe) -> bool:
        try:
            check_recipe(recipe, self.problem, self.layout)
        except DampenError:
            return False
        return True

    @functools.cache  # noqa: B019
    def bare(self, recipe: Recipe) -> Run:
        return self.run(recipe)

    def __str__(self) -> str:
        who = "one network" if self.members == 1 else f"{self.members} networks"
        kind = type(self.problem.model).__name__
        return (
            f"{who} {self.problem.model!r}" if kind not in str(self.problem.model) else f"{who}, {self.problem.model}"
        )


@functools.cache
def place(members: int, make: Callable[[], Problem]) -> Place:
    problem = make()
    layout, ability = check_fits(problem, Recipe()), able(problem)
    bare = [Member("", Recipe(), seed) for seed in range(members)]
    (how,) = full_plan(problem, bare, ability).packs
    found = Place(problem, layout, ability, how)
    steps = problem.batching(len(problem.split(0).train))
    print(f"  {found}, {problem.data.describe()}, batches of {steps[0]}; {how.lift}, {how.precision}, "
          f"{'channels last' if how.channels_last else 'channels first'}, {how.threads or 'all'} threads")  # fmt: skip
    return found


# ------------------------------------------------------------------ measuring


@dataclasses.dataclass(frozen=True)
class Figure:
    """Median milliseconds of a step of each side, the median ratio of a turn, and how the step ran."""

    where: str
    bare: float
    with_it: float
    ratio: float
    replayed: str


def measured(where: str, here: Place, technique: Any) -> Figure:
    recipe = alone(technique)
    rest = Recipe(tuple(part for part in recipe.techniques if type(part) is not type(technique)))
    sides = {"bare": here.bare(rest), "with": here.run(recipe)}
    times: dict[str, list[float]] = {name: [] for name in sides}
    with torch.no_grad(), threads(here.how.threads):
        steps = max(2, math.ceil(TURN / min(seconds_of(run, 4) for run in sides.values())))
        for turn in range(ROUNDS + 1):
            for name, run in sides.items():
                seconds = seconds_of(run, steps)
                if turn:
                    times[name].append(seconds)
    ratio = statistics.median(a / b for a, b in zip(times["with"], times["bare"], strict=True))
    bare, with_it = (1e3 * statistics.median(times[name]) for name in ("bare", "with"))
    return Figure(where, bare, with_it, ratio, replayed(sides["with"]))


def replayed(run: Run) -> str:
    """Nothing where all of the step is replayed, else what is not."""
    plain = [what for (what, _), checked in run.pack.replays.items() if not checked.trusted]
    return f"{' and '.join(plain)} not replayed" if plain else ""


def figures(technique: Any) -> list[Figure]:
    """On each of the main networks that suit it, else on one of its kind; nothing where it is no part of a step."""
    recipe = alone(technique)
    if not on_device(technique):
        return []
    main = {name: place(*how) for name, how in MAIN.items()}
    found = [measured(name, here, technique) for name, here in main.items() if here.suits(recipe)]
    if found:
        return found
    world = world_for(type(technique))
    return [measured(world, place(1, OTHER[world]), technique)]


def limit(technique: Any) -> float:
    passes = getattr(technique, "num_passes", 1)
    return EACH if passes == 1 else PER_PASS * passes


# ------------------------------------------------------------------ the table


def name_of(technique: Any) -> str:
    return "PGD, three steps" if technique == PGD else type(technique).__name__


def row(technique: Any, figure: Figure) -> str:
    over = " OVER" if figure.ratio > limit(technique) else ""
    times = f"{figure.bare:9.2f} {figure.with_it:9.2f} {figure.ratio:7.2f} {limit(technique):6.2f}"
    return f"{name_of(technique):<22} {figure.where:<20} {times}{over}  {figure.replayed}".rstrip()


def table(techniques: Sequence[Any]) -> dict[Any, list[Figure]]:
    known = {}
    for technique in techniques:
        known[technique] = figures(technique)
        for figure in known[technique]:
            print(row(technique, figure), flush=True)
        if not known[technique]:
            print(f"{name_of(technique):<22} decides between epochs or steps, on plain numbers")
    return known


def judge(half: str, known: dict[Any, list[Figure]]) -> None:
    for name in MAIN:
        ratios = [figure.ratio for found in known.values() for figure in found if figure.where == name]
        if ratios:
            median = statistics.median(ratios)
            bar(f"{half}_median_cost_{name.lower()}", median, f"<={MEDIAN}", median <= MEDIAN)
    over = [name_of(t) for t, found in known.items() if any(figure.ratio > limit(t) for figure in found)]
    bar(f"{half}_over_their_limit", len(over), "0", not over)
    print(f"over: {', '.join(over) or 'none'}")


def main() -> None:
    machine()
    everything = [*(technique() for technique in CATALOGUE), PGD]
    named = sys.argv[1:] and [find(name) for name in sys.argv[1:]]
    chosen = [technique for technique in everything if not named or type(technique) in named]
    for how in MAIN.values():
        place(*how)
    print(f"{'technique':<22} {'on':<20} {'bare ms':>9} {'with ms':>9} {'ratio':>7} {'limit':>6}")
    known = {}
    for half, rooms in HALVES.items():
        known[half] = table([technique for technique in chosen if room_of(type(technique)) in rooms])
        print("-" * 78)
    for half in HALVES:
        judge(half, known[half])


if __name__ == "__main__":
    main()
