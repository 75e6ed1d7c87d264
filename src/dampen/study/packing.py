"""How the members of a search are packed and run: measured once, before it begins, and stored with the study."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..presets import default
from ..training.fit import able
from ..training.measure import measured_plan, ready, seconds_of
from ..training.memory import SHARE, bytes_of_a_member, cut, free_bytes
from ..training.plan import (
    LARGEST_PACK,
    VMAP_FROM,
    Ability,
    Measured,
    PackPlan,
    Plan,
    each_alone,
    make_plan,
    threads,
)
from ..training.problem import Member, Problem
from .halving import BATCH, FEW

PROBED = 4
"""Members of the pack that is measured beside a lone one."""
TOGETHER_FROM = 1.5
"""Where one more network in a pack is so many times cheaper than alone, all train together, whatever rests; else
everybody trains alone: what rests would cost more (a quarter, with large layers)."""
JOIN_BELOW = 4
"""So many of one kind make a pack of their own, without what rests."""
PROBE_STEPS = 4
PROBE_SECONDS = 1.0
"""After so many seconds no further pack is tried; the others take as long for each of their members."""


@dataclasses.dataclass(frozen=True)
class Packing:
    """lone, packed: how members run alone or two together, and in larger packs. gain: how many times cheaper
    one more network in a pack is than alone. largest: members that fit in memory. measured: what this rests on."""

    ability: Ability
    lone: PackPlan
    packed: PackPlan
    gain: float
    largest: int
    measured: tuple[Measured, ...] = ()

    @property
    def apart(self) -> bool:
        """Whether everybody trains alone."""
        return self.gain < TOGETHER_FROM

    @property
    def batch(self) -> int:
        """How many configurations are asked together."""
        return FEW if self.apart else BATCH

    def packs(self, problem: Problem, members: Sequence[Member], indexes: Sequence[int]) -> list[PackPlan]:
        """Packs that hold these of the members once."""
        packs = []
        for pack in self._by_kind(problem, members, indexes):
            named = dataclasses.replace(pack, members=tuple(indexes[place] for place in pack.members))
            for part in cut(named, -(-len(named.members) // self.largest)):
                how = self.packed if len(part.members) >= VMAP_FROM else self.lone
                fields = ("precision", "channels_last", "threads")
                packs.append(dataclasses.replace(part, **{field: getattr(how, field) for field in fields}))
        return packs

    def _by_kind(self, problem: Problem, members: Sequence[Member], indexes: Sequence[int]) -> list[PackPlan]:
        """Packs of who can train together and gains by it; members are positions in `indexes`."""
        chosen = [members[i] for i in indexes]
        if self.apart:
            return each_alone(problem, chosen, self.ability)
        return list(make_plan(problem, chosen, self.ability, merge_below=JOIN_BELOW, riding_share=0.0).packs)

    def probed(self, problem: Problem, members: Sequence[Member], packs: Sequence[PackPlan]) -> tuple[float, float]:
        """(seconds of an epoch of all these packs, seconds that beginning with one takes), from a few steps of as many
        of them as there is time for."""
        began, tried, total = time.perf_counter(), 0, 0.0
        for pack in packs:
            with threads(pack.threads):
                total += problem.steps_per_epoch * seconds_of(ready(problem, members, pack), PROBE_STEPS)
            tried += 1
            if time.perf_counter() - began > PROBE_SECONDS:
                break
        share = sum(len(pack.members) for pack in packs[:tried]) / sum(len(pack.members) for pack in packs)
        return total / share, (time.perf_counter() - began) / tried

    def to_record(self) -> dict[str, Any]:
        return {
            "ability": dataclasses.asdict(self.ability),
            "lone": dataclasses.asdict(self.lone),
            "packed": dataclasses.asdict(self.packed),
            "gain": self.gain,
            "largest": self.largest,
            "measured": [measured._asdict() for measured in self.measured],
        }

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Packing:
        lone, packed = Plan.from_record({"packs": [record["lone"], record["packed"]]}).packs
        measured = tuple(Measured(**each) for each in record["measured"])
        return Packing(Ability(**record["ability"]), lone, packed, record["gain"], record["largest"], measured)


def _with_threads(pack: PackPlan) -> PackPlan:
    """As many as torch has here, as a number: how many there are decides bits, and the study may go on elsewhere."""
    return dataclasses.replace(pack, threads=pack.threads or torch.get_num_threads())


def measured_packing(problem: Problem, seed: int) -> Packing:
    """Found by trying: a lone member and a pack of `PROBED`, both with the default recipe."""
    ability = able(problem)
    recipe = default(problem.epochs, problem.words)
    members = [Member("", recipe, seed)] * (1 + PROBED)
    (whole,) = make_plan(problem, members, ability).packs
    alone = dataclasses.replace(whole, members=(0,), lift="loop")
    several = dataclasses.replace(whole, members=tuple(range(1, 1 + PROBED)))
    plan = measured_plan(problem, members, Plan((alone, several)), ability)
    lone, packed = (_with_threads(pack) for pack in plan.packs)
    free = SHARE * free_bytes(problem.device)
    largest = max(1, min(LARGEST_PACK, int(free // bytes_of_a_member(problem, members, lone))))
    return Packing(ability, lone, packed, _gain(plan.measured) if ability.vmap else 1.0, largest, plan.measured)


def _gain(measured: Sequence[Measured]) -> float:
    """How many times cheaper one more network in a pack is than alone."""
    took: dict[str, float] = {}
    for m in measured:
        if m.members == PROBED:
            took.setdefault(m.lift, m.milliseconds)  # the lift is tried first, all else equal
    if "vmap" not in took or "loop" not in took:  # so short trainings that beginning with a pack is what costs
        return TOGETHER_FROM
    alone = took["loop"] / PROBED
    return alone / max((took["vmap"] - alone) / (PROBED - 1), 0.01 * alone)
