"""How packs should run, found by running them: a few steps of each candidate, before training.

Lift, precision, memory format and number of threads are tried one after the other, each on top of the best so far.
Packs of the same size share one measurement: what a technique adds costs every candidate much the same. The precision
is one for the whole plan: recipes are compared, and bf16 is no better than float32, but other.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence

import torch

from .plan import HOW, VMAP_FROM, Ability, Measured, PackPlan, Plan, run_as, threads
from .problem import Member, Problem
from .replay import FROM_STEPS
from .run import Run, start

MARGIN = 0.05
"""A candidate must be this much faster than what it replaces: the plan should not hang on noise."""
ROUNDS, STEPS, WARM_UP = 4, 3, 2
ENOUGH = 0.3
"""Seconds per candidate after which no further round begins: long steps need no averaging."""


def measured_plan(problem: Problem, members: Sequence[Member], plan: Plan, ability: Ability) -> Plan:
    """The plan with the fastest way to run each pack; as it was where training is too short to repay measuring."""
    if problem.steps_per_epoch * problem.epochs < FROM_STEPS:
        return plan
    sizes = [len(pack.members) for pack in plan.packs]
    best = {len(pack.members): pack for pack in reversed(plan.packs)}  # the first pack of each size
    known: dict[PackPlan, float] = {}
    runs: dict[PackPlan, Run] = {}
    for field in HOW:
        rivals = {size: _rivals(problem, pack, ability, field) for size, pack in best.items()}
        times = {size: step_times(problem, members, candidates, runs) for size, candidates in rivals.items()}
        for all_ in times.values():
            known |= {how: min(seconds, known.get(how, seconds)) for how, seconds in all_.items()}
        if field == "precision":
            best = _one_for_all(best, times, sizes)
        else:
            best = {size: _winner(best[size], all_) for size, all_ in times.items()}
        stay = {whatever_threads(pack) for pack in best.values()}
        runs = {how: run for how, run in runs.items() if how in stay}
    measured = [
        Measured(len(how.members), how.lift, how.precision, how.channels_last, how.threads, 1e3 * seconds)
        for how, seconds in known.items()
    ]
    return Plan(tuple(run_as(pack, best[len(pack.members)]) for pack in plan.packs), tuple(measured))


def _winner(current: PackPlan, times: Mapping[PackPlan, float]) -> PackPlan:
    fastest = min(times, key=times.__getitem__, default=current)
    return fastest if fastest != current and times[fastest] < (1 - MARGIN) * times[current] else current


def _one_for_all(
    best: Mapping[int, PackPlan], times: Mapping[int, Mapping[PackPlan, float]], sizes: Sequence[int]
) -> dict[int, PackPlan]:
    """The precision in which all packs together are faster: recipes that trained in different ones would differ in
    more than the recipe."""
    totals: dict[str, float] = {}
    for precision in ("float32", "bf16"):
        found = [{how.precision: seconds for how, seconds in times[size].items()}.get(precision) for size in sizes]
        if None not in found:
            totals[precision] = sum(seconds for seconds in found if seconds)
    if "bf16" not in totals or totals["bf16"] >= (1 - MARGIN) * totals.get("float32", math.inf):
        return dict(best)
    return {size: dataclasses.replace(pack, precision="bf16") for size, pack in best.items()}


def _rivals(problem: Problem, pack: PackPlan, ability: Ability, field: str) -> list[PackPlan]:
    """The pack as it is and with the other choices of one field; none where there is no other."""
    choices: dict[str, tuple[object, ...]] = {
        "lift": ("vmap", "loop") if ability.vmap and len(pack.members) >= VMAP_FROM else (),
        "precision": ("float32", "bf16") if problem.precision == "auto" and ability.bf16 else (),
        "channels_last": (False, True) if ability.images else (),
        "threads": (0, 1) if problem.device.type == "cpu" and torch.get_num_threads() > 1 else (),
    }
    others = [choice for choice in choices[field] if choice != getattr(pack, field)]
    return [pack, *(dataclasses.replace(pack, **{field: choice}) for choice in others)] if others else []


def whatever_threads(pack: PackPlan) -> PackPlan:
    """The pack as it is made ready: threads only matter once it runs."""
    return dataclasses.replace(pack, threads=0)


def step_times(
    problem: Problem,
    members: Sequence[Member],
    candidates: Sequence[PackPlan],
    runs: dict[PackPlan, Run] | None = None,
) -> dict[PackPlan, float]:
    """Seconds of a step of each candidate, the least of some turns; without those that fail. runs: those that are
    ready, whatever threads they take; the others join them."""
    runs = {} if runs is None else runs
    turns: dict[PackPlan, list[float]] = {}
    with torch.no_grad():
        for candidate in candidates:
            how = whatever_threads(candidate)
            try:
                runs[how] = runs.get(how) or ready(problem, members, how)
                turns[candidate] = []
            except RuntimeError:
                if candidate is candidates[0]:  # what the rule chose must run, and says what is wrong
                    raise
        began = time.perf_counter()
        for _ in range(ROUNDS):
            for candidate, seconds in turns.items():
                with threads(candidate.threads):
                    seconds.append(seconds_of(runs[whatever_threads(candidate)], STEPS))
            if time.perf_counter() - began > ENOUGH * len(turns):
                break
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
