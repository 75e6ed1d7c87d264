"""GaussianNoise: add normal noise to the hidden activations."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...contracts import At, Draws, Strength, structural, technique, tunable
from ...randomness import Key, normal


@technique
class GaussianNoise:
    """x <- x + stddev * e,  e ~ N(0, 1), fresh for every unit and every pass

    stddev is absolute, in units of the activation. The noise comes after an activation module; where a forward
    function calls `F.relu` itself, it comes before.

    Use it in networks whose activations keep their scale, after tanh, sigmoid or a norm. With ReLU and no norm the
    network can outgrow the noise by larger activations: take GaussianDropout there.

    Bishop, Training with Noise is Equivalent to Tikhonov Regularization, 1995, Neural Computation 7.
    """

    stddev: Strength = tunable(0.1, off=0.0, low=0.0, meaning="size of the noise, absolute")
    sites: Any = structural("activations", meaning="where: activations, inputs, or paths in the model")

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        return {"noise": normal(key, thing.shape, thing.dtype)}

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        return x + self.stddev * draws["noise"]
