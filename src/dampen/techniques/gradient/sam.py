"""Sharpness-aware minimisation: descend from the worst point nearby."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...contracts import At, Seen, Strength, Tensors, technique, tunable
from ...tensors import global_norm


@technique
class SAM:
    """g <- gradient at  w + rho * g / ||g||,  g the gradient at w

    The second pass repeats the first one's noise; batch-norm statistics come from the first alone. The weights
    themselves are never moved and moved back. Twice the cost of a pass.

    Use it when accuracy is worth twice the training time, with small data and noisy labels above all; it adds little
    where strong augmentation already flattens the minimum.

    Foret et al., Sharpness-Aware Minimization for Efficiently Improving Generalization, 2021, algorithm 1,
    arXiv:2010.01412.
    """

    num_passes = 2
    rho: Strength = tunable(0.05, off=0.0, low=0.0, log=True, meaning="distance to the point looked at")

    def around_gradient(self, gradient: Callable[[Tensors], tuple[Tensors, Seen]], at: At) -> Callable[..., Any]:
        def at_the_worst_point(params: Tensors) -> tuple[Tensors, Seen]:
            grads, seen = gradient(params)
            reach = self.rho / (global_norm(grads) + 1e-12)
            worst, _ = gradient({name: params[name] + reach * grads[name] for name in params})
            return worst, seen

        return at_the_worst_point
