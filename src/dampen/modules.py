"""Modules that techniques add to a network. Each is a child of the layer it follows and runs in that layer's forward
hook, so the paths and keys of the user's own modules do not change. And a network in evaluation mode for a while."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .errors import DampenError


@contextmanager
def in_evaluation(model: nn.Module) -> Iterator[None]:
    """Everything in evaluation mode; afterwards every module as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def add_norms(
    model: nn.Module, layout: Any, norm_of: Callable[[tuple[int, ...]], nn.Module], *, keeps_bias: bool
) -> nn.Module:
    """Let a norm follow every hidden layer, after other norms that a technique has put there.

    norm_of: the shape of what the layer puts out, without the rows, units first -> the norm. keeps_bias: False where
    the norm takes each unit's mean away, and the bias with it.
    """
    for path in layout.hidden:
        layer = model.get_submodule(path)
        names = ("norm", *(f"norm_{number}" for number in range(2, 10)))
        name = next(name for name in names if not hasattr(layer, name))
        if not keeps_bias and name == "norm" and isinstance(getattr(layer, "bias", None), nn.Parameter):
            layer.register_parameter("bias", None)
        layer.add_module(name, norm_of(layout.shapes[path]).to(layer.weight))
        layer.register_forward_hook(functools.partial(_normalise, name))
    return model


def _normalise(name: str, layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
    return layer.get_submodule(name)(output).to(output.dtype)  # in packs torch's norms take bf16 and give float32


def check_widths(who: str, layout: Any) -> None:
    """Refuse a hidden layer of one number: its mean is the number itself, and nothing would be left of it."""
    for path in layout.hidden:
        if all(size == 1 for size in layout.shapes[path]):
            raise DampenError(
                f"{who} needs hidden layers of at least two units; {path!r} has one. Leave {who} out, or widen it."
            )


class PlacesGroupNorm(nn.GroupNorm):
    """Group norm of (N, C, ...) in float32: torch's kernel takes bf16 at a quarter of the speed, with channels last."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(self.weight.dtype)).to(x.dtype)


class UnitGroupNorm(nn.GroupNorm):
    """Group norm of (N, C), without places: the same by layer norm's kernel, three times as fast in a pack."""

    def forward(self, x: Tensor) -> Tensor:
        size = self.num_channels // self.num_groups
        standard = functional.layer_norm(x.unflatten(1, (self.num_groups, size)), (size,), eps=self.eps)
        return standard.flatten(1) * self.weight + self.bias


class UnitBatchNorm(nn.BatchNorm1d):
    """Batch norm of (N, C), without places, in plain operations: for a pack torch's kernel transposes all it reads and
    hands on gradients out of the order of memory, which cost the products more than the norm itself."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        return over_rows(x, self)


class GhostNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over chunks of `ghost_size` rows that follow each other. The running statistics move once a batch,
    towards the chunks' mean.

    Fewer rows than ghost_size are one chunk (a probe of two rows); more must be a multiple of it.
    """

    def __init__(self, num_features: int, ghost_size: int, eps: float, momentum: float) -> None:
        super().__init__(num_features, eps, momentum)
        self.ghost_size = ghost_size

    def _check_input_dim(self, input: Tensor) -> None:
        """Any (N, C, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        rows = len(x)
        size = min(self.ghost_size, rows)
        if rows % size:
            raise DampenError(
                f"GhostBatchNorm needs batches that its ghost_size, {size}, divides; got {rows} rows. "
                "Leave the last, smaller batch out."
            )
        if x.dim() == 2:
            return over_rows(x.unflatten(0, (-1, size)), self).flatten(0, 1)
        return self._chunk_by_chunk(x, size)

    def _chunk_by_chunk(self, x: Tensor, size: int) -> Tensor:
        """With places one kernel a chunk is faster."""
        moved = [(self.running_mean.clone(), self.running_var.clone()) for _ in range(len(x) // size)]
        chunks = [
            functional.batch_norm(part, mean, var, self.weight, self.bias, True, self.momentum, self.eps)
            for part, (mean, var) in zip(x.split(size), moved, strict=True)
        ]
        for running, parts in zip((self.running_mean, self.running_var), zip(*moved, strict=True), strict=True):
            running.copy_(torch.stack(parts).mean(0))
        self.num_batches_tracked.add_(1)
        return torch.cat(chunks)


def over_rows(x: Tensor, norm: Any) -> Tensor:
    """Chunks (..., N, C), each standardised over its rows, then gain and shift of a batch norm, whose running
    statistics move towards the chunks' mean. In the norm's type: float32 where the network computes in bf16."""
    rows = x.shape[-2]
    wide = x.to(norm.weight.dtype)
    mean = wide.sum(-2, keepdim=True) / rows
    centred = wide - mean
    squares = (centred * centred).sum(-2, keepdim=True)
    scale = norm.weight * torch.rsqrt(squares / rows + norm.eps)
    unbiased = squares / max(rows - 1, 1)
    for running, batch in ((norm.running_mean, mean), (norm.running_var, unbiased)):
        batch = batch.detach().reshape(-1, x.shape[-1]).mean(0)
        running.mul_(1 - norm.momentum).add_(batch, alpha=norm.momentum)
    norm.num_batches_tracked.add_(1)
    return torch.addcmul(norm.bias, centred, scale).to(x.dtype)
