"""Dropout: silence random units."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...contracts import At, Draws, Strength, structural, technique, tunable
from ...randomness import Key, keep


@technique
class Dropout:
    """x <- x * keep / (1 - rate),  keep ~ Bernoulli(1 - rate)

    Scaled while training, so that prediction is the plain forward pass; rate 1 gives zeros.

    Use it on fully connected layers with many units, the wider the more; it trains more slowly. After convolutions
    SpatialDropout or DropBlock hide more; beside BatchNorm a low rate serves better.

    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014, section 4, JMLR 15.
    """

    rate: Strength = tunable(0.5, off=0.0, low=0.0, high=1.0, search=(0.0, 0.8), meaning="share of units silenced")
    sites: Any = structural("activations", meaning="where: activations, inputs, or paths in the model")

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        return {"keep": keep(key, self.rate, thing.shape, thing.dtype)}

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        return x * draws["keep"]
