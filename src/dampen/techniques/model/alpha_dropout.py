"""AlphaDropout: dropout that keeps mean and variance in networks with SELU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...contracts import At, Draws, Strength, structural, technique, tunable
from ...randomness import Key, keep

LOWEST = -1.7580993408473766
"""alpha': where SELU goes for very negative numbers, -scale * alpha."""


@technique
class AlphaDropout:
    """x <- a * (x where kept, else alpha') + b,  kept with probability q = 1 - rate,  alpha' = -1.7581

    a = (q + alpha'^2 q rate)^(-1/2),  b = -a rate alpha': numbers of mean 0 and variance 1 keep both. At rate 1 all
    comes out as 0.

    Use it instead of dropout in networks with SELU and no norm layer, which live on activations of mean 0 and variance
    1. With other activations it is wrong, and refused.

    Klambauer et al., Self-Normalizing Neural Networks, 2017, section "New Dropout Technique", arXiv:1706.02515.
    """

    needs = ("selu",)
    rate: Strength = tunable(0.1, off=0.0, low=0.0, high=1.0, search=(0.0, 0.3), meaning="share of units silenced")
    sites: Any = structural("activations", meaning="where: activations, or paths in the model")

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        return {"keep": keep(key, self.rate, thing.shape, thing.dtype)}  # 0 or 1 / q

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        q = 1 - self.rate
        a = (torch.clamp(q, min=2.0**-16) * (1 + LOWEST**2 * self.rate)) ** -0.5  # type: ignore[call-overload]
        kept, silent = -a * LOWEST * self.rate, a * LOWEST * q  # what a * x is shifted by, and what it is replaced by
        return x * (a * q * draws["keep"]) + (silent + q * (kept - silent) * draws["keep"])
