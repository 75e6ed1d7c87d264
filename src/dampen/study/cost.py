"""What a recipe costs: measured beside the baseline, in turns, because machines drift."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..data.dataset import as_dataset
from ..presets import BASELINE, alone
from ..recipe import Recipe
from ..training.fit import able, full_plan
from ..training.measure import ready, seconds_of
from ..training.plan import Ability, PackPlan, make_plan, run_as, threads
from ..training.problem import Member, Problem
from ..training.run import Run
from ..worlds import EXAMPLES, world_for

ROUNDS = 9
STEPS = 4
SECONDS = 6.0
"""The probe ends after this long, or after `ROUNDS` turns; three turns it always takes."""
TURN = 0.05
"""Seconds of a turn of one side, where steps are so short that `STEPS` of them would take less."""


def step_costs(
    problem: Problem, recipes: Mapping[str, Recipe], seeds: Sequence[int], how: Mapping[str, PackPlan], ability: Ability
) -> dict[str, float]:
    """Median time of a training step of each recipe, packed over the seeds (alone where all trained so), relative to
    the baseline's. how: the pack in which each recipe trained; the way that one runs counts."""
    together = seeds if any(len(pack.members) > 1 for pack in how.values()) else seeds[:1]
    with torch.no_grad():
        runs = {name: _run(problem, name, recipe, together, how[name], ability) for name, recipe in recipes.items()}
        times = in_turns(runs, STEPS)
    medians = {name: statistics.median(all_) for name, all_ in times.items()}
    return {name: seconds / medians[BASELINE] for name, seconds in medians.items()}


def in_turns(runs: Mapping[str, Run], steps: int) -> dict[str, list[float]]:
    """Seconds of a step of each run, turn after turn."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    began = time.perf_counter()
    for turn in range(ROUNDS):
        if turn >= 3 and time.perf_counter() - began > SECONDS:
            break
        for name, run in runs.items():
            with threads(run.plan.threads):
                times[name].append(seconds_of(run, steps))
    return times


def cost_of(technique: type, members: int = 1) -> dict[str, Any]:
    """What a training step of that many networks costs with the technique and without it, on this machine, with the
    data and the network of the technique's card; planned and recorded as a training of 40 epochs is. Strict JSON."""
    example = EXAMPLES[world_for(technique)]
    scope: dict[str, Any] = {}
    exec(f"import dampen\n{example.data}\n{example.model}", scope)  # what the card shows a reader
    problem = Problem(as_dataset(scope["data"]), scope["model"])
    recipe, ability = alone(technique()), able(problem)
    rest = Recipe(tuple(part for part in recipe.techniques if type(part) is not technique))
    (how,) = full_plan(problem, [Member("", rest, seed) for seed in range(members)], ability).packs
    with torch.no_grad():
        sides = {"without": rest, "with": recipe}
        runs = {name: _run(problem, name, side, range(members), how, ability) for name, side in sides.items()}
        shortest = min(seconds_of(run, STEPS) for run in runs.values())
        times = in_turns(runs, max(STEPS, math.ceil(TURN / shortest)))
    return {
        "data": problem.data.describe(),
        "model": repr(problem.model),
        "batch_size": problem.batch_size,
        "members": members,
        "precision": how.precision,
        **{f"milliseconds_{side}": 1e3 * statistics.median(seconds) for side, seconds in times.items()},
        "ratio": statistics.median(a / b for a, b in zip(times["with"], times["without"], strict=True)),
    }


def _run(problem: Problem, name: str, recipe: Recipe, seeds: Sequence[int], how: PackPlan, ability: Ability) -> Run:
    members = [Member(name, recipe, seed) for seed in seeds]
    alone = make_plan(problem, members, ability).packs[0]
    return ready(problem, members, run_as(alone, how))
