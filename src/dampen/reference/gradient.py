"""What techniques around the gradient compute."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


def global_norm(tensors: Mapping[str, Array]) -> float:
    """sqrt of the sum of squares over every element of every tensor: the length of all as one vector."""
    return math.sqrt(math.fsum(element**2 for tensor in tensors.values() for element in tensor.flat))


def clip_norm(gradients: Mapping[str, Array], max_norm: float) -> dict[str, Array]:
    """g <- g * max_norm / (||g|| + 1e-6) where that makes g shorter, else g; ||g|| over all tensors together

    One factor for all tensors: the step becomes shorter and keeps its direction. The 1e-6 is torch's.

    gradients: name -> tensor of any shape.
    Pascanu et al., On the difficulty of training Recurrent Neural Networks, 2013, section 3.2.
    """
    length = global_norm(gradients) + 1e-6
    if length <= max_norm:
        return {name: g.copy() for name, g in gradients.items()}
    return {name: g / length * max_norm for name, g in gradients.items()}


def sam(
    gradient: Callable[[dict[str, Array]], dict[str, Array]], params: Mapping[str, Array], rho: float
) -> dict[str, Array]:
    """g <- gradient(w + rho * g / ||g||), g = gradient(w)

    Walk the distance `rho` uphill and take the gradient found there; the optimizer applies it to w, not
    there. ||g|| is over all tensors together, plus 1e-12, so that a flat place is left where it is.

    gradient: params -> gradients, twice called. params: name -> tensor of any shape. Returns gradients.
    Foret et al., Sharpness-Aware Minimization for Efficiently Improving Generalization, 2021, algorithm 1.
    """
    uphill = gradient(dict(params))
    length = global_norm(uphill) + 1e-12
    worst = {}
    for name, w in params.items():
        worst[name] = w.copy()
        for place in np.ndindex(w.shape):
            worst[name][place] += rho * (uphill[name][place] / length)
    return gradient(worst)
