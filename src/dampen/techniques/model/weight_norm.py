"""Weight normalisation: length and direction of each unit's weights train apart."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...contracts import At, Draws, Tensors, structural, technique
from ...tensors import changed, unit_dims

TINY = 1e-15
"""The shortest length, and ten times it the longest that counts as none."""


@technique
class WeightNorm:
    """w_u <- g_u * v_u / ||v_u||        for the incoming weights of every output unit u; g and v train

    v are the network's own weights. g starts as their initial length, so the network starts as it was, and what
    trains is its difference from that: every elementwise optimizer moves it as it would g. For a convolution a unit
    is an output channel. A unit whose weights start at zero has no direction and stays as it is. What is handed
    over holds w. Decay and constraints on weights act on v, whose length has no effect.

    Use it where batch norm's dependence on the batch hurts (small batches, recurrent and reinforcement learning); it
    speeds training up more than it regularizes.

    Salimans and Kingma, Weight Normalization, 2016, section 2, equation 2, arXiv:1602.07868.
    """

    layers: Any = structural("weights", meaning="where: weights, or paths in the model")

    def adds(self, layout: Any) -> Tensors:
        return {name: torch.zeros(_shape(layout.tensors[name])) for name in layout.weights(self.layers)}

    def start(self, params: Tensors, at: At) -> Tensors:
        return {name: _norms(name, params[name], at) for name in at.layout.weights(self.layers)}

    def parameters(self, params: Tensors, draws: Draws, at: At) -> Tensors:
        return self.bake(params, dict(at.state), at)

    def bake(self, params: Tensors, state: Tensors, at: At) -> Tensors:
        def normed(name: str, v: Tensor) -> Tensor:
            length = _norms(name, v, at)
            factor = (state[name] + at.own[name]) / length
            return v * torch.where(state[name] > 10 * TINY, factor, 1.0)

        return changed(params, at.layout.weights(self.layers), normed)


def _norms(name: str, v: Tensor, at: At) -> Tensor:
    """At least TINY: the length of a zero vector has no gradient, and nothing can be divided by it."""
    squares = v.square().sum(unit_dims(v, at.layout.tensors[name].unit_axis), keepdim=True)
    return squares.clamp(min=TINY**2).sqrt()


def _shape(role: Any) -> tuple[int, ...]:
    """One number per unit, shaped to broadcast."""
    return tuple(size if dim == role.unit_axis else 1 for dim, size in enumerate(role.shape))
