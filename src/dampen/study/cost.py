"""What a recipe costs: measured beside the baseline, in turns, because machines drift."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence

import torch

from ..presets import BASELINE
from ..recipe import Recipe
from ..training.measure import ready, run_as, seconds_of
from ..training.plan import Ability, PackPlan, make_plan, threads
from ..training.problem import Member, Problem
from ..training.run import Run

ROUNDS = 9
STEPS = 4
SECONDS = 6.0
"""The probe ends after this long, or after `ROUNDS` turns; three turns it always takes."""


def step_costs(
    problem: Problem, recipes: Mapping[str, Recipe], seeds: Sequence[int], how: Mapping[str, PackPlan], ability: Ability
) -> dict[str, float]:
    """Median time of a training step of each recipe, packed over the seeds, relative to the baseline's. how: the
    pack in which each recipe trained; the way that one runs counts."""
    times: dict[str, list[float]] = {name: [] for name in recipes}
    began = time.perf_counter()
    with torch.no_grad():
        runs = {name: _run(problem, name, recipe, seeds, how[name], ability) for name, recipe in recipes.items()}
        for turn in range(ROUNDS):
            if turn >= 3 and time.perf_counter() - began > SECONDS:
                break
            for name, run in runs.items():
                with threads(run.plan.threads):
                    times[name].append(seconds_of(run, STEPS))
    medians = {name: statistics.median(all_) for name, all_ in times.items()}
    return {name: seconds / medians[BASELINE] for name, seconds in medians.items()}


def _run(problem: Problem, name: str, recipe: Recipe, seeds: Sequence[int], how: PackPlan, ability: Ability) -> Run:
    members = [Member(name, recipe, seed) for seed in seeds]
    alone = make_plan(problem, members, ability).packs[0]
    return ready(problem, members, run_as(alone, how))
