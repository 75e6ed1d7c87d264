"""InputDropout: silence random inputs."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...contracts import At, Draws, Strength, structural, technique, tunable
from ...randomness import Key, keep


@technique
class InputDropout:
    """x <- x * keep / (1 - rate),  keep ~ Bernoulli(1 - rate)        x: the inputs, after standardising

    Dropout on what goes into the model. Inputs are standardised before, so a silenced one stands at its mean. Each
    number is silenced on its own: single pixels, single columns of a one-hot category.

    Use it on wide tables with many weak columns, so that the network cannot lean on one of them. It helps little on
    images, whose neighbouring pixels give a silenced one away.

    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014, appendix A.4,
    JMLR 15.
    """

    needs = ("continuous",)
    rate: Strength = tunable(0.2, off=0.0, low=0.0, high=1.0, search=(0.0, 0.5), meaning="share of inputs silenced")
    sites: Any = structural("inputs", meaning="where: inputs")

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        return {"keep": keep(key, self.rate, thing.shape, thing.dtype)}

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        return x * draws["keep"]
