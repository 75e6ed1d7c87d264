"""Decoupled weight decay: shrink weights beside the gradient, what turns Adam into AdamW."""

from __future__ import annotations

from typing import Any

from ...contracts import At, Strength, Tensors, structural, technique, tunable
from ...tensors import changed


@technique
class WeightDecay:
    """w <- w_after_the_optimizer - lr * strength * w_before        (lr with its schedule, as torch's AdamW)

    Biases and norms are left out by module type, never by name.

    Use it as the default decay under Adam, for networks of any kind; 0.01 is mild, and its strength goes with the
    learning rate. With plain SGD L2 does the same.

    Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, algorithm 2, arXiv:1711.05101.
    """

    strength: Strength = tunable(0.01, off=0.0, low=0.0, log=True, meaning="decay per unit of learning rate")
    layers: Any = structural("weights", meaning="where: weights, or paths in the model")

    def weights(self, params: Tensors, state: Tensors, at: At) -> tuple[Tensors, Tensors]:
        decay = at.lr * self.strength
        decayed = changed(params, at.layout.weights(self.layers), lambda name, w: w - decay * at.before[name])
        return decayed, state
