"""Which members train together, and how: decided once, before training; the packs by rule, here, how they run by
measuring (measure.py).

A plan is a plain record. It is printed, stored and replayed, because it decides bits: packed and solo runs of the
same member agree to rounding, two runs of the same plan agree exactly.
"""

from __future__ import annotations

import dataclasses
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from ..contracts import structure, switches
from ..models.layout import Layout
from ..techniques import CATALOGUE
from ..vocabulary import EXPENSIVE, ON_HOST, hooks_of, touches
from .forward import Forward
from .problem import Member, Prepared, Problem

VMAP_FROM = 3
"""Members from which on the batched program beats the loop on small networks (measured: 3 to 4)."""
LARGEST_PACK = 64
MERGE_BELOW = 8
"""A group smaller than this looks for others to train with."""
RIDING_SHARE = 0.25
"""A technique rides along at its off value only where at least this share of the pack uses it."""
PLACES = {technique.__name__: place for place, technique in enumerate(CATALOGUE)}


@dataclasses.dataclass(frozen=True)
class PackPlan:
    """members: positions in the list that was planned. techniques: names in the order of the program. threads: how
    many torch may use, 0 for as many as it has; on a busy machine one is many times faster than two."""

    members: tuple[int, ...]
    techniques: tuple[str, ...]
    lift: str
    precision: str = "float32"
    torch_randomness: bool = False
    channels_last: bool = False
    threads: int = 0

    def lift_of(self, size: int) -> str:
        """The lift for the members that are left: a pack that shrank below `VMAP_FROM` loops."""
        return "vmap" if self.lift == "vmap" and size >= VMAP_FROM else "loop"


HOW = ("lift", "precision", "channels_last", "threads")
"""The fields of a pack's plan that say how it runs."""


def run_as(pack: PackPlan, other: PackPlan) -> PackPlan:
    """The pack, run the way the other one runs."""
    return dataclasses.replace(pack, **{field: getattr(other, field) for field in HOW})


class Measured(NamedTuple):
    """A step of a pack of this many members, run in this way, took so many milliseconds."""

    members: int
    lift: str
    precision: str
    channels_last: bool
    threads: int
    milliseconds: float


@dataclasses.dataclass(frozen=True)
class Plan:
    """measured: what the choice of lift, precision and memory format rests on; empty where a rule decided. lanes: how
    many packs train at once."""

    packs: tuple[PackPlan, ...]
    measured: tuple[Measured, ...] = ()
    lanes: int = 1

    def to_record(self) -> dict[str, Any]:
        return {
            "packs": [dataclasses.asdict(pack) for pack in self.packs],
            "measured": [measured._asdict() for measured in self.measured],
            "lanes": self.lanes,
        }

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Plan:
        packs = [{k: tuple(v) if isinstance(v, list) else v for k, v in p.items()} for p in record["packs"]]
        measured = tuple(Measured(**each) for each in record.get("measured", ()))
        return Plan(tuple(PackPlan(**pack) for pack in packs), measured, record.get("lanes", 1))

    def __str__(self) -> str:
        lines = [f"pack  {_HEADER}  techniques"]
        for number, pack in enumerate(self.packs):
            lines.append(f"{number:>4}  {_row(pack, len(pack.members))}  {', '.join(pack.techniques) or 'none'}")
        if self.lanes > 1:
            lines += ["", f"{self.lanes} packs train at once, each with threads of its own."]
        if self.measured:
            lines += ["", f"ms a step  {_HEADER}"]
        lines += [f"{m.milliseconds:>9.2f}  {_row(m, m.members)}" for m in self.measured]
        return "\n".join(lines)


ONE_AT_A_TIME = threading.RLock()
"""Held while a network is built (its weights come from torch's own generator) or a recording made (it looks at all that
torch does), as packs may train in several threads."""

_HEADER = "members  lift  precision  images         threads"


def _row(how: PackPlan | Measured, members: int) -> str:
    form, threads = "channels last" if how.channels_last else "as they are", how.threads or "all"
    return f"{members:>7}  {how.lift:<4}  {how.precision:<9}  {form:<13}  {threads:>7}"


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many threads for a while; 0 leaves it alone."""
    before = torch.get_num_threads()
    try:
        if count:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)


def make_plan(
    problem: Problem,
    members: Sequence[Member],
    ability: Ability,
    *,
    merge_below: int = MERGE_BELOW,
    riding_share: float = RIDING_SHARE,
) -> Plan:
    """Group members that share a program, merge small groups, cut large ones."""
    groups: dict[Any, Group] = {}
    for position, member in enumerate(members):
        device = {n: t for n, t in member.recipe.active.items() if on_device(t)}
        identity = (structure(member.recipe.optimizer), tuple((n, structure(t)) for n, t in device.items()))
        groups.setdefault(identity, Group(member.recipe.optimizer, {}, [])).add(position, device)
    packs, precision = [], "float32" if problem.precision == "auto" else problem.precision
    for group in _merged(list(groups.values()), merge_below, riding_share):
        for start in range(0, len(group.members), LARGEST_PACK):
            chosen = tuple(group.members[start : start + LARGEST_PACK])
            lift = "vmap" if ability.vmap and len(chosen) >= VMAP_FROM else "loop"
            packs.append(PackPlan(chosen, tuple(group.techniques), lift, precision, ability.torch_randomness))
    return Plan(tuple(packs))


def each_alone(problem: Problem, members: Sequence[Member], ability: Ability) -> list[PackPlan]:
    """A pack for every member, in order."""
    packs = [make_plan(problem, [member], ability).packs[0] for member in members]
    return [dataclasses.replace(pack, members=(place,)) for place, pack in enumerate(packs)]


def on_device(technique: Any) -> bool:
    """Whether a technique is part of the program, and not only of what the host decides per member."""
    return touches(technique, "trains") or any(hook not in ON_HOST for hook in hooks_of(technique))


def may_ride_along(technique: Any) -> bool:
    """Whether a technique can rest in the program of members that do not use it."""
    hooks = hooks_of(technique)
    expensive = any(hook in EXPENSIVE or hook in ("rebuild", "trains") for hook in hooks)
    return bool(switches(technique)) and not expensive


@dataclasses.dataclass
class Group:
    """Members that can share a program; uses counts how many of them use each technique."""

    optimizer: Any
    techniques: dict[str, Any]
    members: list[int]

    def add(self, position: int, techniques: dict[str, Any]) -> None:
        self.techniques = techniques
        self.members.append(position)
        self.uses = dict.fromkeys(techniques, len(self.members))

    def joined(self, other: Group, riding_share: float) -> Group | None:
        """One group of both, or None where they cannot or should not share a program."""
        order = _common_order(list(self.techniques), list(other.techniques))
        if order is None or structure(self.optimizer) != structure(other.optimizer):
            return None
        both = {**other.techniques, **self.techniques}
        group = Group(self.optimizer, {name: both[name] for name in order}, self.members + other.members)
        group.uses = {name: self.uses.get(name, 0) + other.uses.get(name, 0) for name in order}
        for name, technique in group.techniques.items():
            shared = name in self.techniques and name in other.techniques
            if shared and structure(self.techniques[name]) != structure(other.techniques[name]):
                return None
            rides = group.uses[name] < len(group.members)
            if rides and not (may_ride_along(technique) and group.uses[name] >= riding_share * len(group.members)):
                return None
        return group


def _merged(groups: list[Group], merge_below: int, riding_share: float) -> list[Group]:
    """Join small groups with others, first come first served, as long as anything joins."""
    done: list[Group] = []
    for group in groups:
        for position, other in enumerate(done):
            small = min(len(group.members), len(other.members)) < merge_below
            if small and (joined := other.joined(group, riding_share)) is not None:
                done[position] = joined
                break
        else:
            done.append(group)
    return done


def _common_order(first: list[str], second: list[str]) -> list[str] | None:
    """One order that holds both, or None where they contradict each other. What neither decides stands as in the
    catalogue: recipes in its order all go together."""
    order: list[str] = []
    left = [list(first), list(second)]
    while any(left):
        heads = {names[0] for names in left if names}
        free = [name for name in heads if not any(name in names[1:] for names in left)]
        if not free:
            return None
        order.append(min(free, key=lambda name: (PLACES.get(name.partition("#")[0], len(PLACES)), name)))
        left = [names[1:] if names and names[0] == order[-1] else names for names in left]
    return order


# ------------------------------------------------------------------ what a network can


@dataclasses.dataclass(frozen=True)
class Ability:
    """vmap: whether the batched program runs and may pay. torch_randomness: whether the network draws numbers that
    are not keyed (found by running it twice); such a network loops under a seeded generator. bf16: whether the
    machine computes in it. images: whether convolutions go over images."""

    vmap: bool
    torch_randomness: bool
    bf16: bool
    images: bool


def ability_of(problem: Problem, prepared: Prepared) -> Ability:
    layout: Layout = prepared.layouts[-1]
    model = prepared.model
    forward = Forward(model, layout.running)
    params = {n: p.detach() for n, p in model.named_parameters()}
    buffers = {n: b.detach() for n, b in model.named_buffers()}
    inputs = problem.example(4)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        first, _ = forward(params, buffers, inputs)
        second, _ = forward(params, buffers, inputs)
        random = not torch.equal(first, second)
        on_cpu = problem.device.type == "cpu"  # where grouped convolution is slow: vmap loses 2.5 times
        slow = (on_cpu and layout.convolutional) or layout.recurrent or random
        with warnings.catch_warnings():
            vmap = not slow and _vmaps(forward, params, buffers, inputs)
    images = layout.convolutional and len(problem.data.input_shape) == 3
    return Ability(vmap, random, computes_in_bf16(problem.device) and problem.dtype == torch.float32, images)


def computes_in_bf16(device: torch.device) -> bool:
    """Whether the machine has instructions for bf16; where a CPU has none it is up to 80 times slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known = [getattr(torch.cpu, name, bool) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return device.type == "cpu" and any(supported() for supported in known)


def _vmaps(forward: Forward, params: Any, buffers: Any, inputs: torch.Tensor) -> bool:
    def doubled(tensors: Any) -> Any:
        return {name: torch.stack([t, t]) for name, t in tensors.items()}

    try:
        warnings.simplefilter("error")  # "performance drop": torch falls back to a loop of its own
        lifted = torch.func.vmap(lambda p, b: forward(p, b, inputs)[0], randomness="error")
        lifted(doubled(params), doubled(buffers))
    except (RuntimeError, ValueError, NotImplementedError, UserWarning):
        return False
    return True
