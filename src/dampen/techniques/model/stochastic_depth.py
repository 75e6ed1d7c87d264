"""Stochastic depth (drop path): residual branches are left out at random, deep ones more often."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...contracts import At, Draws, Strength, structural, technique, tunable
from ...randomness import Key, keep


@technique
class StochasticDepth:
    """branch <- branch * keep / (1 - p),  keep ~ Bernoulli(1 - p) per example,  p = rate * l / L for branch l of L

    Linear in depth from l = 1 as in the paper (timm's first branch is never dropped). Per example, the paper per
    batch. Scaled while training, so that prediction is the plain forward pass; the paper scales at prediction.

    Use it in deep residual networks and transformers, the deeper the higher the rate. A network of a few blocks has
    too little depth to give away.

    Huang et al., Deep Networks with Stochastic Depth, 2016, section 3, equations 2 to 5, arXiv:1603.09382.
    """

    rate: Strength = tunable(0.1, off=0.0, low=0.0, high=1.0, meaning="how often the last branch is left out")
    sites: Any = structural("branches", meaning="where: branches, or paths in the model")

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        assert at.site is not None
        shape = (len(thing), *[1] * (thing.dim() - 1))
        return {"keep": keep(key, self.rate * at.site.depth_fraction, shape, thing.dtype)}

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        return x * draws["keep"]
