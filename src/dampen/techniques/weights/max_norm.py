"""Max-norm constraint: no unit's weights grow beyond a length."""

from __future__ import annotations

from typing import Any

from ...contracts import At, Strength, Tensors, structural, technique, tunable
from ...tensors import changed, unit_norms


@technique
class MaxNorm:
    """w_u <- w_u * min(1, max_value / ||w_u||)        for the incoming weights w_u of every output unit u

    For a convolution a unit is an output channel.

    Use it beside Dropout with high learning rates, where single units run away; with normalisation layers it has
    little to do, since they undo the scale.

    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014, section 5.1, JMLR 15.
    """

    max_value: Strength = tunable(3.0, off=float("inf"), low=0.0, log=True, meaning="longest vector of a unit")
    layers: Any = structural("weights", meaning="where: weights, or paths in the model")

    def weights(self, params: Tensors, state: Tensors, at: At) -> tuple[Tensors, Tensors]:
        def shortened(name: str, w: Any) -> Any:
            norms = unit_norms(w, at.layout.tensors[name].unit_axis).clamp(min=1e-12)
            return w * (self.max_value / norms).clamp(max=1.0)

        return changed(params, at.layout.weights(self.layers), shortened), state
