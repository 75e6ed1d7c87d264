"""Packs side by side: a few at once, each in a thread and on cores of its own. Products too small to share among cores
gain by it; what comes out does not depend on it, as packs know nothing of each other.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import torch

from .fit import full_plan
from .measure import MARGIN, measured_plan, ready, seconds_of, step_times, whatever_threads
from .memory import SHARE, bytes_of_a_member, free_bytes
from .plan import Ability, PackPlan, Plan, each_alone, make_plan, run_as, threads
from .problem import Member, Problem
from .run import Run

Watch = Callable[..., None]
LONG = 1_000
"""Steps from which on a member may train alone: a recording of its own costs as much as some fifty."""
FEW = 4
"""Members of the pack that is measured beside lone ones."""
CLOSE = 1.5
"""Where looping takes so many times as long as the batched program, nobody tries whether alone is faster."""
HIDDEN = 0.8
"""So much faster packs must be: a few steps of so small a pack show neither who rests in a merged one nor what else
goes on at once in lanes. Chosen by eye."""
TURNS, STEPS = 5, 16
"""A candidate takes so many turns, of so many steps of one member."""


class Stopped(Exception):
    """Raised inside a job whose news nobody waits for any more."""


def fastest_plan(problem: Problem, members: Sequence[Member], ability: Ability) -> Plan:
    """Packs, or where that is faster every member alone, as many at once as is fastest: alone nobody carries what
    rests, and cores need not share small products."""
    return _spread(problem, members, ability) or full_plan(problem, members, ability)


def _spread(problem: Problem, members: Sequence[Member], ability: Ability) -> Plan | None:
    """Every member alone, or None where packs are faster, or training too short to find out."""
    long = problem.steps_per_epoch * problem.epochs >= LONG
    if not long or len(members) < 2 or ability.torch_randomness:
        return None
    largest = max(make_plan(problem, members, ability).packs, key=lambda pack: len(pack.members))
    few = dataclasses.replace(largest, members=largest.members[:FEW])
    lifts = [dataclasses.replace(few, lift=lift) for lift in ("vmap", "loop")] if few.lift == "vmap" else []
    took = step_times(problem, members, lifts)
    if lifts and took.get(lifts[1], math.inf) > CLOSE * took[lifts[0]]:
        return None
    alone = measured_plan(problem, members, Plan(tuple(each_alone(problem, members, ability))), ability)
    together = dataclasses.replace(run_as(few, alone.packs[0]), lift=min(took, key=took.__getitem__, default=few).lift)
    candidates = [_with_lanes(alone, lanes) for lanes in _numbers_of_lanes(problem, members, alone)]
    packed_seconds, *times = _times(problem, members, [Plan((together,)), *candidates])
    if packed_seconds < HIDDEN * min(times):
        return None
    close = [plan for plan, seconds in zip(candidates, times, strict=True) if (1 - MARGIN) * seconds <= min(times)]
    return close[-1]  # the more lanes, the more else goes on at once: looks at the parts, beginning and ending


def _numbers_of_lanes(problem: Problem, members: Sequence[Member], alone: Plan) -> list[int]:
    """1, 2, 4, ... as far as cores, packs and memory reach."""
    if problem.device.type != "cpu":
        return [1]
    room = int(SHARE * free_bytes(problem.device) // bytes_of_a_member(problem, members, alone.packs[0]))
    most = max(1, min(torch.get_num_threads(), len(alone.packs), room))
    return [2**power for power in range(most.bit_length())]


def _with_lanes(plan: Plan, lanes: int) -> Plan:
    count = plan.packs[0].threads if lanes == 1 else torch.get_num_threads() // lanes
    return dataclasses.replace(
        plan, lanes=lanes, packs=tuple(dataclasses.replace(pack, threads=count) for pack in plan.packs)
    )


def _times(problem: Problem, members: Sequence[Member], candidates: Sequence[Plan]) -> list[float]:
    """Seconds of a step of one member by each candidate, the median of some turns."""
    runs: dict[PackPlan, Run] = {}
    with torch.no_grad():
        for plan in candidates:
            for pack in plan.packs[: plan.lanes]:
                how = whatever_threads(pack)
                runs[how] = runs.get(how) or ready(problem, members, how)

    def seconds(plan: Plan) -> float:
        packs = plan.packs[: plan.lanes]
        trained = sum(len(pack.members) for pack in packs)
        count = math.ceil(STEPS / trained)
        jobs = [functools.partial(_steps, runs[whatever_threads(p)], p.threads, count) for p in packs]
        began = time.perf_counter()
        in_lanes(jobs, plan, lambda *_: None)
        return (time.perf_counter() - began) / (count * trained)

    turns = [[seconds(plan) for plan in candidates] for _ in range(TURNS)]
    return [statistics.median(times) for times in zip(*turns, strict=True)]


def _steps(run: Run, cores: int, count: int, _watch: Watch) -> None:
    with torch.no_grad(), threads(cores):
        seconds_of(run, count)


def in_lanes(jobs: Sequence[Callable[[Watch], None]], plan: Plan, tell: Callable[..., None]) -> None:
    """Do all the jobs, in order, as many at once as the plan has lanes. Each is called with a function that hands its
    news on to `tell(number of the job, *news)`, in the caller's thread. What a job or `tell` raises (Ctrl-C, too) is
    raised when all others have ended, at their next news.
    """
    if plan.lanes == 1:
        for number, job in enumerate(jobs):
            job(functools.partial(tell, number))
        return
    news: SimpleQueue[Any] = SimpleQueue()
    stop = threading.Event()
    # the number of threads is in part the process's: no lane may put back another one while others are at work
    with threads(plan.packs[0].threads), ThreadPoolExecutor(plan.lanes, "dampen lane") as pool:
        ends = [pool.submit(_lane, number, job, news, stop) for number, job in enumerate(jobs)]
        try:
            for _ in ends:
                while (heard := news.get()) is not None:
                    if isinstance(heard, BaseException):
                        raise heard
                    tell(*heard)
        finally:
            stop.set()


def _lane(number: int, job: Callable[[Watch], None], news: SimpleQueue[Any], stop: threading.Event) -> None:
    """One job in a thread: its news, what it raises, and None at its end go into the queue."""

    def watch(*heard: Any) -> None:
        if stop.is_set():
            raise Stopped
        news.put((number, *heard))

    try:
        if not stop.is_set():
            job(watch)
    except Stopped:
        pass
    except BaseException as error:  # raised where somebody waits for it
        stop.set()
        news.put(error)
    news.put(None)
