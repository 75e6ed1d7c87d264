"""Weight standardization: each unit's weights have mean 0 and one spread."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from ...contracts import At, Draws, Tensors, structural, technique
from ...tensors import changed


@technique
class WeightStandardization:
    """w_u <- scale * (w_u - mean(w_u)) / sqrt(var(w_u) + eps)        for the incoming weights w_u of every unit u

    scale is 1 in the paper, where a norm follows and takes any scale away. Here it is the standard deviation of the
    layer's initial weights, so that a network without norms starts as it was initialised too. For a convolution a
    unit is an output channel. The output layer is left out, and units with a single weight. What is handed over
    holds the standardised weights.

    Use it with GroupNorm in convolutional networks and small batches: together they reach what BatchNorm does with
    large ones. It makes the loss smoother; alone it is a mild change.

    Qiao et al., Micro-Batch Training with Batch-Channel Normalization and Weight Standardization, 2019, on
    weight standardization, arXiv:1903.10520.
    """

    layers: Any = structural("body", meaning="where: body (all but the output layer), weights, or paths in the model")
    eps: float = structural(1e-10, low=0.0, meaning="added to the variance")

    def start(self, params: Tensors, at: At) -> Tensors:
        return {name: self._scale(params[name], at.layout.tensors[name].unit_axis) for name in self._names(at)}

    def parameters(self, params: Tensors, draws: Draws, at: At) -> Tensors:
        return self.bake(params, dict(at.state), at)

    def bake(self, params: Tensors, state: Tensors, at: At) -> Tensors:
        def standardised(name: str, w: Tensor) -> Tensor:
            axis = at.layout.tensors[name].unit_axis
            units = w.movedim(axis, 0)  # one row a unit; the kernel of layer norm does the rest in one go
            return (layer_norm(units, units.shape[1:], eps=self.eps) * state[name]).movedim(0, axis)

        return changed(params, self._names(at), standardised)

    def _names(self, at: At) -> tuple[str, ...]:
        roles = at.layout.tensors
        shapes = {name: (roles[name].shape, roles[name].unit_axis) for name in at.layout.weights(self.layers)}
        return tuple(name for name, (shape, axis) in shapes.items() if math.prod(shape) > shape[axis])

    def _scale(self, w: Tensor, axis: int) -> Tensor:
        """The deviation of the initial weights; of a tensor that starts constant, one over the root of its inputs."""
        std = w.std(correction=0)
        return torch.where(std > 0, std, torch.full_like(std, (w.shape[axis] / w.numel()) ** 0.5))
