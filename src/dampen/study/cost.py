"""What a recipe costs: measured beside the baseline, in turns, because machines drift."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence

import torch

from ..presets import BASELINE
from ..recipe import Recipe
from ..training.plan import Ability, make_plan
from ..training.problem import Member, Problem
from ..training.run import Run, start

ROUNDS = 9
STEPS = 4
SECONDS = 6.0
"""The probe ends after this long, or after `ROUNDS` turns; three turns it always takes."""


def step_costs(
    problem: Problem, recipes: Mapping[str, Recipe], seeds: Sequence[int], ability: Ability
) -> dict[str, float]:
    """Median time of a training step of each recipe, packed over the seeds, relative to the baseline's."""
    runs = {name: _run(problem, name, recipe, seeds, ability) for name, recipe in recipes.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    began = time.perf_counter()
    with torch.no_grad():
        for run in runs.values():
            _steps(run)
        for turn in range(ROUNDS):
            if turn >= 3 and time.perf_counter() - began > SECONDS:
                break
            for name, run in runs.items():
                times[name].append(_steps(run))
    medians = {name: statistics.median(all_) for name, all_ in times.items()}
    return {name: seconds / medians[BASELINE] for name, seconds in medians.items()}


def _run(problem: Problem, name: str, recipe: Recipe, seeds: Sequence[int], ability: Ability) -> Run:
    members = [Member(name, recipe, seed) for seed in seeds]
    return start(problem, members, make_plan(problem, members, ability).packs[0], train_sample=1)


def _steps(run: Run) -> float:
    run.program.forward.train()
    order, trained = run.order(0), run.trained(0)
    began = time.perf_counter()
    for number in range(STEPS):
        run.step(run.clock(0, 0), order[:, number % order.shape[1]], trained)
    if run.problem.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began
