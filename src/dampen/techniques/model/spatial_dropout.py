"""SpatialDropout: silence whole channels of images, series or volumes."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...contracts import At, Draws, Strength, structural, technique, tunable
from ...randomness import Key, keep


@technique
class SpatialDropout:
    """x[n, c, :] <- x[n, c, :] * keep[n, c] / (1 - rate),  keep ~ Bernoulli(1 - rate)        one draw per channel

    Channels are the second axis, places all axes after it: series (N, C, T), images (N, C, H, W) and volumes alike.
    Each example silences channels of its own.

    Use it after convolutions, where neighbouring places carry the same signal and plain dropout of single places
    hardly hides anything. Leave it out of networks with few channels: each one lost is much.

    Tompson et al., Efficient Object Localization Using Convolutional Networks, 2015, section 3.2, arXiv:1411.4280.
    """

    rate: Strength = tunable(0.2, off=0.0, low=0.0, high=1.0, search=(0.0, 0.5), meaning="share of channels silenced")
    sites: Any = structural("maps", meaning="where: maps (hidden activations with channels and places), or paths")

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        shape = (*thing.shape[:2], *(1 for _ in thing.shape[2:]))
        return {"keep": keep(key, self.rate, shape, thing.dtype)}

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        return x * draws["keep"]
