"""DropBlock: silence contiguous blocks of each channel."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...contracts import At, Draws, Strength, structural, technique, tunable
from ...randomness import Key, keep

NEWTON_STEPS = 5
"""With them the expected share differs from the rate by less than 1e-10 of it."""


@technique
class DropBlock:
    """x <- x * kept / mean(kept),  kept = 0 in a block around every seed,  seed ~ Bernoulli(gamma)

    Every example and channel has seeds of its own, only where a whole block fits; a block is clipped to the map, axis
    by axis. The mean is over the batch. gamma is such that the expected share of silenced places is the rate,
    overlaps and thin edges counted: mean over places of (1 - gamma)^(number of seeds that reach it) = 1 - rate. The
    paper's rate / size^2 * H W / ((H - size + 1) (W - size + 1)) leaves overlaps out and silences less. gamma is
    rounded to 1 / 65536.

    Use it in convolutional networks trained for long, on maps clearly larger than the block; a schedule that raises
    the rate from 0 helps. On small maps take a small block: one that fills the map silences whole channels.

    Ghiasi et al., DropBlock: A Regularization Method for Convolutional Networks, 2018, algorithm 1, arXiv:1810.12890.
    """

    rate: Strength = tunable(0.1, off=0.0, low=0.0, high=1.0, search=(0.0, 0.3), meaning="share of places silenced")
    block_size: int = structural(7, low=1, meaning="side of a block, in places of the map")
    sites: Any = structural("maps", meaning="where: maps (hidden activations with channels and places), or paths")

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        places = tuple(thing.shape[2:])
        valid = (place - size + 1 for place, size in zip(places, self.clipped(places), strict=True))
        return {"free": keep(key, self.seed_rate(places), (*thing.shape[:2], *valid), torch.bfloat16).bool()}

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        kept = _outside_blocks(draws["free"], self.clipped(x.shape[2:])).view(torch.uint8).to(x.dtype)
        mean = kept.mean(dtype=torch.promote_types(x.dtype, torch.float32))  # in bf16 it would be rounded
        return x * (kept / mean.clamp(min=1 / kept.numel()))

    def clipped(self, places: Sequence[int]) -> tuple[int, ...]:
        return tuple(min(self.block_size, place) for place in places)

    def seed_rate(self, places: Sequence[int]) -> Tensor:
        """gamma for maps of these places, by Newton's method for log(1 - gamma), in which the logarithm of the expected
        share is convex: steps never overshoot."""
        rate = torch.as_tensor(self.rate)
        reached, share = (part.to(rate) for part in _reach(tuple(places), self.clipped(places)))
        target = torch.log1p(-rate.clamp(max=1 - 2.0**-24))
        log_no_seed = target / (share * reached).sum()
        for _ in range(NEWTON_STEPS):
            free = share * torch.exp(reached * log_no_seed)
            total = free.sum()
            log_no_seed = log_no_seed - (total.log() - target) * total / (reached * free).sum()
        return torch.where(rate < 1, -torch.expm1(log_no_seed), 1.0)


@functools.lru_cache(maxsize=256)
def _reach(places: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """How many seeds reach a place, and the share of places reached by so many."""
    counts = np.ones(())
    for place, size in zip(places, sizes, strict=True):
        position = np.arange(place)
        counts = np.multiply.outer(counts, np.minimum(position, place - size) - np.maximum(position - size + 1, 0) + 1)
    reached, number = np.unique(counts, return_counts=True)
    return torch.from_numpy(reached), torch.from_numpy(number / math.prod(places))


def _outside_blocks(free: Tensor, sizes: Sequence[int]) -> Tensor:
    """False in the blocks that begin at a seed, which is where `free` is False: (N, C, *valid) -> (N, C, *places).
    Blocks grow by doubling along one axis after the other: thirty times as fast as a maximum over windows."""
    for axis in reversed(range(2, free.dim())):
        size, width = sizes[axis - 2], 1
        sides = (0, 0) * (free.dim() - 1 - axis) + (size - 1, size - 1)
        free = torch.nn.functional.pad(free, sides, value=True)
        while width < size:
            step = min(width, size - width)
            length = free.shape[axis] - step
            free, width = free.narrow(axis, 0, length) & free.narrow(axis, step, length), width + step
    return free
