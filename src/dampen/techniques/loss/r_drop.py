"""R-Drop: two noisy passes over the same batch should agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ...contracts import At, Batch, Draws, Seen, Strength, Tensors, technique, tunable
from ...tensors import symmetric_divergence, weighted_mean


@technique
class RDrop:
    """loss <- (loss_1 + loss_2) / 2 + alpha * mean (KL(p_1 || p_2) + KL(p_2 || p_1)) / 2

    Two forward passes with fresh noise; batch-norm statistics of the first. Twice the cost of a pass.

    Use it beside Dropout, for classification with few rows or for fine-tuning, where a step may cost twice as much;
    without noise of another technique it has nothing to compare.

    Liang et al., R-Drop: Regularized Dropout for Neural Networks, 2021, equation 4, arXiv:2106.14448.
    """

    needs = ("classes", "noise")
    num_passes = 2
    alpha: Strength = tunable(1.0, off=0.0, low=0.0, search=(0.1, 5.0), meaning="weight of the disagreement")

    def objective(self, objective: Callable[..., tuple[Tensor, Seen]], draws: Draws, at: At) -> Callable[..., Any]:
        def two_passes(params: Tensors, batch: Batch, *, again: int = 0, **how: Any) -> tuple[Tensor, Seen]:
            first, seen = objective(params, batch, again=again, **how)
            second, repeated = objective(params, batch, again=again + 1, **how)
            apart = symmetric_divergence(seen.outputs, repeated.outputs)
            return (first + second) / 2 + self.alpha * weighted_mean(apart, batch.weights), seen

        return two_passes
