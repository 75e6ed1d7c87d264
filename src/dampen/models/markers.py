"""Modules that do next to nothing, but whose type tells the layout what stands there."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Branch(nn.Sequential):
    """A residual branch, in `x + branch(x)`: the site word `branches`. Where the branch takes more than x (a mask),
    write `forward` in a class of your own below this one."""


class Join(nn.Module):
    """skip + the sum of the branches: the site word `joins` where there are two branches or more. The tensors that
    went in are `at.site.inputs`."""

    def forward(self, skip: Tensor, *branches: Tensor) -> Tensor:
        return skip + sum(branches[1:], start=branches[0])


class Positions(nn.Module):
    """Adds a trained vector to each place of (N, T, width): the role of a bias, because it is one. It starts at
    zero, which lets the inputs speak first."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(length, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class AttentionWeights(nn.Module):
    """Softmax of scores (N, heads, queries, keys) over the keys that `mask` (N, keys) allows: the site word
    `attention`. Where no key is allowed the weights are equal."""

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            scores = scores.masked_fill(~mask[..., None, None, :], torch.finfo(scores.dtype).min)
        return torch.softmax(scores, -1)
