"""Weight noise: every step sees slightly other weights."""

from __future__ import annotations

from typing import Any

from ...contracts import At, Draws, Strength, Tensors, structural, technique, tunable
from ...randomness import Key, normal
from ...tensors import changed


@technique
class WeightNoise:
    """w <- w + stddev * e,  e ~ N(0, 1), fresh in every forward pass; the gradient goes to w itself

    Biases and norms are left out by module type. Noise rests at prediction.

    Use it to steer towards flat minima, above all in recurrent networks, where noise on activations adds up over
    time. The noise is absolute: it should stay well below the size of the weights.

    Graves, Practical Variational Inference for Neural Networks, 2011, section 5, NIPS 24.
    """

    stddev: Strength = tunable(0.05, off=0.0, low=0.0, search=(0.0, 0.15), meaning="size of the noise, absolute")
    layers: Any = structural("weights", meaning="where: weights, or paths in the model")

    def draw(self, thing: Tensors, key: Key, at: At) -> Draws:
        names = at.layout.weights(self.layers)
        return {name: normal(key / name, thing[name].shape, thing[name].dtype) for name in names}

    def parameters(self, params: Tensors, draws: Draws, at: At) -> Tensors:
        return changed(params, tuple(draws), lambda name, w: w + self.stddev * draws[name])
