"""ShakeDrop: residual branches are shaken at random, in the backward pass otherwise than in the forward pass."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...contracts import At, Draws, Strength, structural, technique, tunable
from ...randomness import Key, keep, uniform
from ...tensors import shaken


@technique
class ShakeDrop:
    """branch <- branch * (b + (1 - b) * alpha) / (1 - p),  b ~ Bernoulli(1 - p),  alpha ~ U(-1, 1)

    The gradient gets beta ~ U(0, 1) in place of alpha. p = probability * l / L for branch l of L, every number per
    example. The paper multiplies by the mean 1 - p at prediction; here both passes are divided by it while training
    (the same network with larger branches), so that prediction is the plain pass. Hence no probability near 1.

    Use it in deep residual networks whose branches end in norms, trained for long; it is far stronger than
    StochasticDepth. A short training or a few blocks suffer from it, and without norms training runs away.

    Yamada et al., ShakeDrop Regularization for Deep Residual Learning, 2019, equations 6 and 7, arXiv:1802.02375.
    """

    probability: Strength = tunable(
        0.5, off=0.0, low=0.0, high=0.9, search=(0.0, 0.8), meaning="how often the last branch is shaken"
    )
    sites: Any = structural("branches", meaning="where: branches, or paths in the model")

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        assert at.site is not None
        p, shape = self.probability * at.site.depth_fraction, (len(thing), *[1] * (thing.dim() - 1))
        kept = keep(key / "kept", p, shape, thing.dtype)
        alpha, beta = uniform(key / "shaken", (2, *shape), thing.dtype).unbind()
        others = (kept == 0).to(thing.dtype) / (1 - p)
        return {"forward": kept + others * (2 * alpha - 1), "backward": kept + others * beta}

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        return shaken(x, draws["forward"], draws["backward"])
