"""How many members fit in memory at once: weighed before training, and halved where that was too hopeful."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .plan import PackPlan, Plan
from .problem import Member, Problem
from .run import Run, start

SHARE = 0.5
"""Packs may take this share of the memory that is free."""
ROWS_OF_WEIGHTS = 5
"""Besides optimizer state: weights, gradients, weights before the step and kept ones, a short copy, what hooks move."""


def fitting_plan(problem: Problem, members: Sequence[Member], plan: Plan) -> Plan:
    """The plan with packs cut that would not fit in memory."""
    if all(len(pack.members) == 1 for pack in plan.packs):
        return plan
    free = SHARE * free_bytes(problem.device)
    packs: list[PackPlan] = []
    for pack in plan.packs:
        largest = max(1, int(free // bytes_of_a_member(problem, members, pack)))
        packs += cut(pack, -(-len(pack.members) // largest))
    return dataclasses.replace(plan, packs=tuple(packs))


def cut(pack: PackPlan, parts: int) -> list[PackPlan]:
    """The pack as that many packs of nearly the same size."""
    bounds = [round(part * len(pack.members) / parts) for part in range(parts + 1)]
    return [dataclasses.replace(pack, members=pack.members[a:b]) for a, b in itertools.pairwise(bounds)]


def bytes_of_a_member(problem: Problem, members: Sequence[Member], pack: PackPlan) -> int:
    """What one more member takes: its rows of every stack, and all that a step makes (nothing freed: a bound)."""
    alone = dataclasses.replace(pack, members=pack.members[:1], lift="loop")
    with torch.no_grad():
        run = start(problem, members, alone, train_sample=1)
        weights = run.pack.block.data.nbytes * (ROWS_OF_WEIGHTS + len(run.pack.optimizer_state))
        return weights + _made_by_a_step(run)


def _made_by_a_step(run: Run) -> int:
    run.program.forward.train()
    run.replay_from = run.steps + 1  # never: recording makes everything twice
    scales = _Scales()
    with scales, torch.autograd.set_multithreading_enabled(False):
        run.step(run.clock(0, 0), run.batch(run.order(0)[:, 0]), run.trained(0))
    return sum(scales.weights.values())


class _Scales(TorchDispatchMode):
    """Weighs what operations return."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: dict[int, int] = {}
        self.alive: list[Tensor] = []  # an address names memory only as long as it lives

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else the first operation imports dynamo: a second and a half

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, Tensor):
                memory = tensor.untyped_storage()
                self.weights[memory.data_ptr()] = memory.nbytes()
                self.alive.append(tensor)
        return out


def free_bytes(device: torch.device) -> float:
    """Memory that is free on the device; on the CPU what Linux says of the machine and of the container."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return min(_free_in_machine(), _free_in_container())


def _free_in_machine() -> float:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return float("inf")


def _free_in_container() -> float:
    folder = Path("/sys/fs/cgroup")
    try:
        return int((folder / "memory.max").read_text()) - int((folder / "memory.current").read_text())
    except (OSError, ValueError):  # no such limit
        return float("inf")
