"""L1 penalty (lasso): pull weights towards zero, small ones as hard as large ones."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...contracts import At, Seen, Strength, structural, technique, tunable


@technique
class L1:
    """loss <- loss + strength * sum |w|

    A sum over elements, as everywhere in the field. The subgradient strength * sign(w) leaves weights hovering
    around zero, not at zero.

    Use it to see which inputs or weights matter, on wide tables above all; for exact zeros take pruning or the
    proximal form, and for mere accuracy L2 or WeightDecay.

    Tibshirani, Regression Shrinkage and Selection via the Lasso, 1996, equation 1, JRSS B 58.
    """

    strength: Strength = tunable(1e-5, off=0.0, low=0.0, log=True, meaning="weight of the sum of absolute weights")
    layers: Any = structural("weights", meaning="where: weights, or paths in the model")

    def penalty(self, seen: Seen, at: At) -> Tensor:
        total: Any = sum(seen.params[name].abs().sum() for name in at.layout.weights(self.layers))
        return self.strength * total
