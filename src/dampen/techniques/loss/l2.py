"""L2 penalty (ridge, Tikhonov): pull weights towards zero in proportion to their size."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...contracts import At, Seen, Strength, structural, technique, tunable


@technique
class L2:
    """loss <- loss + strength / 2 * sum w^2        (convention "half": the gradient is strength * w)

    "full" is Keras' strength * sum w^2; "per_example" the tutorials' strength / (2 m) * sum w^2 with m training
    rows. Coupled: under Adam its gradient is divided like every other; WeightDecay is the decoupled form.

    Use it with SGD, where it equals weight decay, and for small tables and linear models; under Adam prefer
    WeightDecay.

    Krogh and Hertz, A Simple Weight Decay Can Improve Generalization, 1992, equation 1, NIPS 4.
    """

    strength: Strength = tunable(1e-4, off=0.0, low=0.0, log=True, meaning="weight of the sum of squared weights")
    layers: Any = structural("weights", meaning="where: weights, or paths in the model")
    convention: str = structural(
        "half", choices=("half", "full", "per_example"), meaning="what the strength multiplies"
    )

    def penalty(self, seen: Seen, at: At) -> Tensor:
        factor = {"half": 0.5, "full": 1.0, "per_example": 0.5 / at.facts.num_rows}[self.convention]
        squares = sum(seen.params[name].square().sum() for name in at.layout.weights(self.layers))
        return factor * self.strength * squares
