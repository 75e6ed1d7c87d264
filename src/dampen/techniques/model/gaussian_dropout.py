"""GaussianDropout: multiply each unit by normal noise around 1."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...contracts import At, Draws, Strength, structural, technique, tunable
from ...randomness import Key, normal


@technique
class GaussianDropout:
    """x <- x * (1 + sqrt(rate / (1 - rate)) * e),  e ~ N(0, 1)

    Mean and variance are those of dropout with this rate, but nothing is silenced. The variance is infinite at rate
    1; rates end at 0.99, where a unit is multiplied by 1 with a standard deviation of 10.

    Use it where dropout works and you want noise without zeros, for instance on few or small hidden layers. It costs
    more than dropout: a normal number per unit.

    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014, section 10, JMLR 15.
    """

    rate: Strength = tunable(
        0.5, off=0.0, low=0.0, high=0.99, search=(0.0, 0.8), meaning="the dropout rate with the same variance"
    )
    sites: Any = structural("activations", meaning="where: activations, inputs, or paths in the model")

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        return {"noise": normal(key, thing.shape, thing.dtype)}

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        return x * (1 + (self.rate / (1 - self.rate)) ** 0.5 * draws["noise"])
