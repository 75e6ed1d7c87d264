"""A pack: members that share a program, stacked along a leading axis K, and taken apart again.

All parameters of a member are one row of a block (K, D); `params` are views of it, so the optimizer sees rows and
the program sees named tensors.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..contracts import Tensors, tunables, with_values
from .fused import ROW_KERNELS
from .step import OneMember

ALIGNMENT = 16
"""Every tensor starts at a multiple of this many numbers: rows keep the kernels' vectors aligned."""


class Block:
    """Named tensors of K members in one (K, D) tensor."""

    def __init__(self, data: Tensor, shapes: Mapping[str, torch.Size]) -> None:
        self.data, self.shapes = data, dict(shapes)
        self.spans = _spans(self.shapes)
        self.views = self.view(data)

    @classmethod
    def stack(cls, members: Sequence[Mapping[str, Tensor]]) -> Block:
        shapes = {name: tensor.shape for name, tensor in members[0].items()}
        width = max((end for _, end in _spans(shapes).values()), default=0)
        first = next(iter(members[0].values()))
        block = cls(first.new_zeros(len(members), -(-width // ALIGNMENT) * ALIGNMENT), shapes)
        for row, member in enumerate(members):
            for name, tensor in member.items():
                block.views[name][row].copy_(tensor)
        return block

    def view(self, data: Tensor) -> Tensors:
        """Named views of any tensor of the block's shape."""
        return {
            name: data[:, start:end].unflatten(1, self.shapes[name] or (1,)).view(len(data), *self.shapes[name])
            for name, (start, end) in self.spans.items()
        }

    def runs(self, steps: Mapping[str, int]) -> list[tuple[int, int, str]]:
        """(start, end, first name) of neighbouring tensors that have taken equally many steps."""
        runs: list[tuple[int, int, str]] = []
        for name, (start, end) in self.spans.items():
            if name not in steps:
                continue
            if runs and steps[runs[-1][2]] == steps[name] and start - runs[-1][1] < ALIGNMENT:
                runs[-1] = (runs[-1][0], end, runs[-1][2])
            else:
                runs.append((start, end, name))
        return runs


def _spans(shapes: Mapping[str, torch.Size]) -> dict[str, tuple[int, int]]:
    spans, start = {}, 0
    for name, shape in shapes.items():
        end = start + math.prod(shape)
        spans[name] = (start, end)
        start = -(-end // ALIGNMENT) * ALIGNMENT
    return spans


@dataclasses.dataclass(eq=False)
class Pack:
    """The stacks of K members. indexes: which of the members that set out are still here, in order.

    values: per member the flat dict of strengths as it stands now, plain numbers; `strengths` holds the same as
    tensors (K,). base: the values before schedules. steps: optimizer steps taken per tensor. apart: views per
    member, filled by whoever loops. replays: recordings of what is done to these stacks.
    """

    indexes: list[int]
    block: Block
    buffers: Tensors
    states: dict[str, Tensors]
    optimizer: Any
    optimizer_state: Tensors
    steps: dict[str, int]
    base: list[dict[str, float]]
    facts: Tensors
    seeds: Tensor
    rows: dict[str, Tensor]
    kept: Tensor
    kept_buffers: Tensors
    has_kept: Tensor
    limit: Tensor

    def __post_init__(self) -> None:
        self.values = [dict(values) for values in self.base]
        dtype, device = self.block.data.dtype, self.block.data.device
        self.strengths = {
            name: torch.tensor([v[name] for v in self.values], dtype=dtype, device=device)
            for name in (self.base[0] if self.base else ())
        }
        self.grads = torch.zeros_like(self.block.data)
        self.grad_views = self.block.view(self.grads)
        self.before = torch.zeros_like(self.block.data)
        self.before_views = self.block.view(self.before)
        self.apart: dict[Any, Any] = {}
        self.replays: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self.indexes)

    @property
    def params(self) -> Tensors:
        return self.block.views

    def member(self) -> OneMember:
        """The stacks that a lifted function takes besides the parameters."""
        return OneMember(self.buffers, self.states, self.strengths, self.facts)

    def set_values(self, values: Sequence[Mapping[str, float]]) -> None:
        """Put the scheduled strengths of every member in place."""
        for name, tensor in self.strengths.items():
            now = [v[name] for v in values]
            if now != [v[name] for v in self.values]:
                tensor.copy_(torch.tensor(now, dtype=tensor.dtype))
        self.values = [dict(v) for v in values]

    def put_grads(self, grads: Tensors) -> None:
        names = list(grads)
        torch._foreach_copy_([self.grad_views[n] for n in names], [grads[n] for n in names])

    def put_params(self, params: Tensors) -> None:
        moved = [n for n, t in params.items() if t.data_ptr() != self.params[n].data_ptr()]
        if moved:
            torch._foreach_copy_([self.params[n] for n in moved], [params[n] for n in moved])

    def put_states(self, states: dict[str, Tensors]) -> None:
        for name, state in states.items():
            for part, tensor in state.items():
                self.states[name][part].copy_(tensor)

    def put_buffers(self, buffers: Tensors) -> None:
        for name, tensor in buffers.items():
            self.buffers[name].copy_(tensor)

    def optimize(self, trained: tuple[str, ...]) -> None:
        """One optimizer step of every member, in place."""
        for name in trained:
            self.steps[name] += 1
        kernel = ROW_KERNELS.get(type(self.optimizer)) if self.block.data.device.type == "cpu" else None
        if ("runs", trained) not in self.apart:  # what takes steps together stays together
            self.apart["runs", trained] = self.block.runs({name: self.steps[name] for name in trained})
        for start, end, first in self.apart["runs", trained]:
            if kernel is None:
                self._plain_step(start, end, self.steps[first])
                continue
            for row, parts in self._parts(start, end):
                kernel(self.optimizer, self.values[row], *parts, self.steps[first])

    def _parts(self, start: int, end: int) -> list[tuple[int, tuple[Tensor, Tensor, Tensors]]]:
        """(first row, its weights, gradients and optimizer state) of every stretch that one kernel call can update:
        a row, or rows with the same strengths of the optimizer where they lie without gaps."""
        names = [f"optimizer.{name}" for name in tunables(self.optimizer)]
        own = [tuple(values[name] for name in names) for values in self.values]
        whole = start == 0 and self.block.data.shape[1] - end < ALIGNMENT
        known = self.apart.get(("parts", start, end))
        if known is None or known[0] != own:
            firsts = [row for row in range(len(own)) if not (whole and row and own[row] == own[row - 1])]
            cuts = [slice(a, b) for a, b in itertools.pairwise([*firsts, len(own)])]
            width = slice(start, None if whole else end)
            pieces = [
                (
                    self.block.data[rows, width],
                    self.grads[rows, width],
                    {name: t[rows, width] for name, t in self.optimizer_state.items()},
                )
                for rows in cuts
            ]
            known = self.apart["parts", start, end] = (own, list(zip(firsts, pieces, strict=True)))
        return known[1]

    def _plain_step(self, start: int, end: int, steps: int) -> None:
        columns = {name: self.strengths[f"optimizer.{name}"][:, None] for name in tunables(self.optimizer)}
        optimizer = with_values(self.optimizer, columns)
        parts = {name: t[:, start:end] for name, t in self.optimizer_state.items()}
        count = torch.full_like(self.block.data[:, :1], steps)
        optimizer.update(self.block.data[:, start:end], self.grads[:, start:end], parts, count)

    def keep(self, members: Sequence[int], served: Tensors, buffers: Tensors) -> None:
        """Remember the weights that serve now as the best of these members."""
        rows = torch.tensor(members, device=self.kept.device)
        for name, view in self.block.view(self.kept).items():
            view[rows] = served[name][rows]
        for name, tensor in self.kept_buffers.items():
            tensor[rows] = buffers[name][rows]
        self.has_kept[rows] = True

    def take(self, row: int, other: Pack, theirs: int) -> None:
        """Go on here, bit for bit, with a member of another pack whose recipe this one's program holds. What only rests
        in one of the two programs is left as it starts."""
        blocks = [(self.block.data, other.block.data), (self.kept, other.kept)]
        blocks += [(self.optimizer_state[name], other.optimizer_state[name]) for name in self.optimizer_state]
        pairs = [(self.block.view(mine), other.block.view(its)) for mine, its in blocks]
        pairs += [(self.buffers, other.buffers), (self.kept_buffers, other.kept_buffers)]
        pairs += [(state, other.states[name]) for name, state in self.states.items() if name in other.states]
        for mine, its in pairs:
            for name in mine.keys() & its.keys():
                mine[name][row] = its[name][theirs]
        self.has_kept[row], self.limit[row] = other.has_kept[theirs], other.limit[theirs]
        self.steps |= {name: count for name, count in other.steps.items() if name in self.steps}

    def select(self, positions: Sequence[int]) -> Pack:
        """The pack of these members alone; every number moves bit for bit."""
        rows = torch.tensor(list(positions), dtype=torch.int64, device=self.block.data.device)

        def taken(tensors: Tensors) -> Tensors:
            return {name: t.index_select(0, rows.to(t.device)) for name, t in tensors.items()}

        smaller = Pack(
            indexes=[self.indexes[p] for p in positions],
            block=Block(self.block.data.index_select(0, rows), self.block.shapes),
            buffers=taken(self.buffers),
            states={name: taken(state) for name, state in self.states.items()},
            optimizer=self.optimizer,
            optimizer_state=taken(self.optimizer_state),
            steps=self.steps,
            base=[self.base[p] for p in positions],
            facts=taken(self.facts),
            seeds=self.seeds.index_select(0, rows.cpu()),
            rows=taken(self.rows),
            kept=self.kept.index_select(0, rows),
            kept_buffers=taken(self.kept_buffers),
            has_kept=self.has_kept.index_select(0, rows),
            limit=self.limit.index_select(0, rows),
        )
        smaller.grads.copy_(self.grads.index_select(0, rows))
        smaller.set_values([self.values[p] for p in positions])  # as schedules left them
        return smaller
