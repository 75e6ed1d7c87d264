"""How packs should run, found by running them: a few steps of each candidate, before training.

Lift, precision, memory format and number of threads are tried one after the other, each on top of the best so far.
Packs of the same size share one measurement: what a technique adds costs every candidate much the same.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import torch

from .plan import VMAP_FROM, Ability, Measured, PackPlan, Plan, threads
from .problem import Member, Problem
from .replay import FROM_STEPS
from .run import Run, start

HOW = ("lift", "precision", "channels_last", "threads")
MARGIN = 0.05
"""A candidate must be this much faster than what it replaces: the plan should not hang on noise."""
ROUNDS, STEPS, WARM_UP = 4, 3, 2


def measured_plan(problem: Problem, members: Sequence[Member], plan: Plan, ability: Ability) -> Plan:
    """The plan with the fastest way to run each pack; as it was where training is too short to repay measuring."""
    rows = len(problem.split(members[0].seed).train)
    if problem.batching(rows)[1] * problem.epochs < FROM_STEPS:
        return plan
    chosen: dict[int, PackPlan] = {}
    measured: list[Measured] = []
    for pack in plan.packs:
        size = len(pack.members)
        if size not in chosen:
            chosen[size], times = _fastest(problem, members, pack, ability)
            measured += times
    packs = tuple(run_as(pack, chosen[len(pack.members)]) for pack in plan.packs)
    return Plan(packs, tuple(measured))


def run_as(pack: PackPlan, other: PackPlan) -> PackPlan:
    """The pack, run the way the other one runs."""
    return dataclasses.replace(pack, **{field: getattr(other, field) for field in HOW})


def _fastest(
    problem: Problem, members: Sequence[Member], pack: PackPlan, ability: Ability
) -> tuple[PackPlan, list[Measured]]:
    best, known = pack, {pack: 0.0}
    for field, options in _choices(problem, pack, ability).items():
        rivals = [dataclasses.replace(best, **{field: option}) for option in options if option != getattr(best, field)]
        times = _times(problem, members, [best, *rivals]) if rivals else {}
        known |= {p: min(seconds, known[p] or seconds) if p in known else seconds for p, seconds in times.items()}
        for rival in rivals:
            if times.get(rival, float("inf")) < (1 - MARGIN) * times[best]:
                best = rival
    return best, [
        Measured(len(pack.members), p.lift, p.precision, p.channels_last, p.threads, 1e3 * seconds)
        for p, seconds in known.items()
        if seconds
    ]


def _choices(problem: Problem, pack: PackPlan, ability: Ability) -> dict[str, tuple[object, ...]]:
    return {
        "lift": ("vmap", "loop") if ability.vmap and len(pack.members) >= VMAP_FROM else ("loop",),
        "precision": ("float32", "bf16") if problem.precision == "auto" and ability.bf16 else (pack.precision,),
        "channels_last": (False, True) if ability.images else (False,),
        "threads": (0, 1) if problem.device.type == "cpu" and torch.get_num_threads() > 1 else (0,),
    }


def _times(problem: Problem, members: Sequence[Member], candidates: Sequence[PackPlan]) -> dict[PackPlan, float]:
    """Seconds of a step of each candidate, the least of some turns; without those that fail."""
    runs: dict[PackPlan, Run] = {}
    with torch.no_grad():
        for candidate in candidates:
            try:
                runs[candidate] = ready(problem, members, candidate)
            except RuntimeError:
                if candidate is candidates[0]:  # what the rule chose must run, and says what is wrong
                    raise
        turns: dict[PackPlan, list[float]] = {candidate: [] for candidate in runs}
        for _ in range(ROUNDS):
            for candidate, run in runs.items():
                with threads(candidate.threads):
                    turns[candidate].append(seconds_of(run, STEPS))
    return {candidate: min(seconds) for candidate, seconds in turns.items()}


def ready(problem: Problem, members: Sequence[Member], candidate: PackPlan) -> Run:
    """A run whose recordings are made, where a training of this length makes any."""
    run = start(problem, members, candidate, train_sample=1)
    run.replay_from = 0 if run.steps >= FROM_STEPS else run.replay_from
    run.program.forward.train()
    seconds_of(run, WARM_UP)
    return run


def seconds_of(run: Run, count: int) -> float:
    """Seconds of a step, on average over some."""
    order, trained = run.order(0), run.trained(0)
    began = time.perf_counter()
    for number in range(count):
        run.step(run.clock(0, 0), run.batch(order[:, number % order.shape[1]]), trained)
    if run.problem.device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / count
