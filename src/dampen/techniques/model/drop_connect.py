"""DropConnect: every pass lacks random weights."""

from __future__ import annotations

from typing import Any

from ...contracts import At, Draws, Strength, Tensors, structural, technique, tunable
from ...randomness import Key, keep
from ...tensors import changed


@technique
class DropConnect:
    """w <- w * keep / (1 - rate),  keep ~ Bernoulli(1 - rate), fresh in every forward pass

    One mask for all examples of the batch, where the paper draws one per example (a product of matrices would become
    one per row). Biases, which the paper masks too, and norms keep all. Prediction uses the plain weights, where the
    paper samples. A dropped weight gets no gradient.

    Use it on wide fully connected layers where dropout of units is too coarse; for recurrent ones there is WeightDrop.
    Convolutions share each weight among all places: name other layers, or take a rate well below 0.5.

    Wan et al., Regularization of Neural Networks using DropConnect, 2013, algorithm 1, ICML 30.
    """

    rate: Strength = tunable(0.5, off=0.0, low=0.0, high=1.0, search=(0.0, 0.8), meaning="share of weights dropped")
    layers: Any = structural("weights", meaning="where: weights, or paths in the model")

    def draw(self, thing: Tensors, key: Key, at: At) -> Draws:
        names = at.layout.weights(self.layers)
        return {name: keep(key / name, self.rate, thing[name].shape, thing[name].dtype) for name in names}

    def parameters(self, params: Tensors, draws: Draws, at: At) -> Tensors:
        return changed(params, tuple(draws), lambda name, w: w * draws[name])
