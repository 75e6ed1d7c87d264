"""How the members of a search are packed and run: measured once, before it begins, and stored with the study."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..presets import default
from ..training.fit import able
from ..training.measure import measured_plan, ready, seconds_of
from ..training.memory import SHARE, bytes_of_a_member, cut, free_bytes
from ..training.plan import (
    LARGEST_PACK,
    MERGE_BELOW,
    RIDING_SHARE,
    VMAP_FROM,
    Ability,
    Measured,
    PackPlan,
    Plan,
    make_plan,
    threads,
)
from ..training.problem import Member, Problem

PROBED = 8
"""Members of the pack that is measured beside a lone one."""
PACKING_PAYS = 2.0
"""Where a step of a network in a pack is so many times cheaper than alone, all train together, whatever rests."""
JOIN_BELOW = 4
"""Then so many of one kind make a pack of their own, without what rests."""
PROBE_STEPS = 4


@dataclasses.dataclass(frozen=True)
class Packing:
    """lone, packed: how members run alone or two together, and in larger packs. together: whether members join packs
    in which techniques of others rest. largest: members that fit in memory. measured: what this rests on."""

    ability: Ability
    lone: PackPlan
    packed: PackPlan
    together: bool
    largest: int
    measured: tuple[Measured, ...] = ()

    def packs(self, problem: Problem, members: Sequence[Member], indexes: Sequence[int]) -> list[PackPlan]:
        """Packs that hold these of the members once."""
        below, share = (JOIN_BELOW, 0.0) if self.together else (MERGE_BELOW, RIDING_SHARE)
        chosen = [members[i] for i in indexes]
        plan = make_plan(problem, chosen, self.ability, merge_below=below, riding_share=share)
        packs = []
        for pack in plan.packs:
            named = dataclasses.replace(pack, members=tuple(indexes[place] for place in pack.members))
            for part in cut(named, -(-len(named.members) // self.largest)):
                how = self.packed if len(part.members) >= VMAP_FROM else self.lone
                fields = ("precision", "channels_last", "threads")
                packs.append(dataclasses.replace(part, **{field: getattr(how, field) for field in fields}))
        return packs

    def seconds_per_epoch(self, problem: Problem, members: Sequence[Member], packs: Sequence[PackPlan]) -> float:
        """What an epoch of these packs takes, from a few steps of each."""
        steps = problem.batching(len(problem.split(members[0].seed).train))[1]
        total = 0.0
        for pack in packs:
            with threads(pack.threads):
                total += steps * seconds_of(ready(problem, members, pack), PROBE_STEPS)
        return total

    def to_record(self) -> dict[str, Any]:
        return {
            "ability": dataclasses.asdict(self.ability),
            "lone": dataclasses.asdict(self.lone),
            "packed": dataclasses.asdict(self.packed),
            "together": self.together,
            "largest": self.largest,
            "measured": [measured._asdict() for measured in self.measured],
        }

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Packing:
        lone, packed = Plan.from_record({"packs": [record["lone"], record["packed"]]}).packs
        measured = tuple(Measured(**each) for each in record["measured"])
        return Packing(Ability(**record["ability"]), lone, packed, record["together"], record["largest"], measured)


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
    best = {size: min((m.milliseconds for m in plan.measured if m.members == size), default=0) for size in (1, PROBED)}
    together = ability.vmap and PROBED * best[1] >= PACKING_PAYS * best[PROBED]
    free = SHARE * free_bytes(problem.device)
    largest = max(1, min(LARGEST_PACK, int(free // bytes_of_a_member(problem, members, lone))))
    return Packing(ability, lone, packed, together, largest, plan.measured)
