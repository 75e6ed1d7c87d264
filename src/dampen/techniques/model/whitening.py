"""Whitening: a fixed first layer that takes the correlations out of the inputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...contracts import At, structural, technique
from ...errors import DampenError

LARGEST = 4096
"""Numbers of an example up to which the matrix is made: it has their square, and its eigenvectors take their cube."""


@technique
class Whitening:
    """x <- W (x - mean),  W = U (S + epsilon)^-1/2 U^T        U S U^T the covariance of the training inputs

    The inputs are standardised before, and missing numbers filled. kind "zca" is this; "standardise" takes the
    covariance's diagonal alone, so that each number (each pixel) has mean 0 and deviation 1, where an image's
    channels otherwise share theirs. epsilon is added to the variances before the root. Fitted on the training part,
    at work in prediction too. Categories of a table stay as they are.

    Use it where neighbouring inputs say nearly the same: small images in networks without convolutions, correlated
    measurements. A larger epsilon leaves more of the fine detail, which is mostly noise, as small as it was.

    Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009, appendix A; epsilon as in the UFLDL
    tutorial.
    """

    needs = ("continuous",)
    kind: str = structural(
        "zca", choices=("zca", "standardise"), meaning="zca: whole matrix; standardise: its diagonal"
    )
    epsilon: float = structural(0.01, low=1e-8, meaning="added to the variances")

    def check(self, at: At) -> None:
        if self.kind == "zca" and at.facts.num_inputs > LARGEST:
            raise DampenError(
                f"Whitening needs inputs of at most {LARGEST} numbers; got {at.facts.num_inputs}. "
                "Use smaller inputs, or Whitening(kind='standardise')."
            )
        if _num_numbers(at) == 0:
            raise DampenError("Whitening needs columns of numbers; this table has none. Leave Whitening out.")

    def rebuild(self, model: nn.Module, at: At) -> nn.Module:
        if hasattr(model, "whitening_mean"):
            raise DampenError("A model must be whitened once; it has been already. Keep one Whitening.")
        steps, count = tuple(model._forward_pre_hooks.values()), _num_numbers(at)

        def entering(rows: Tensor) -> Tensor:
            args: Any = (rows,)
            for step in steps:  # the fixed first layer: what stands before this one
                changed = step(model, args)
                args = args if changed is None else changed if isinstance(changed, tuple) else (changed,)
            return args[0].flatten(1)[:, :count]

        mean, covariance = at.facts.covariance(entering, diagonal=self.kind == "standardise")
        model.register_buffer("whitening_mean", mean.to(at.facts.mean))
        model.register_buffer("whitening_weight", self._inverse_root(covariance).to(at.facts.mean))
        model.register_forward_pre_hook(_decorrelate if self.kind == "zca" else _rescale)
        return model

    def _inverse_root(self, covariance: Tensor) -> Tensor:
        if covariance.dim() == 1:
            return (covariance + self.epsilon).rsqrt()
        variances, axes = torch.linalg.eigh(covariance)
        return (axes * (variances.clamp(min=0) + self.epsilon).rsqrt()) @ axes.T


def _num_numbers(at: At) -> int:
    """The columns of numbers, which come first in a table; all inputs of other data."""
    schema = at.facts.schema
    return at.facts.num_inputs if schema is None else len(schema.numbers) + at.facts.more_by_bins


def _decorrelate(model: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    kind = "cpu" if args[0].is_meta else args[0].device.type  # where there are shapes alone, torch has no autocast
    with torch.autocast(kind, enabled=False):  # small directions are differences of large numbers
        return _changed(model, args, torch.matmul)


def _rescale(model: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return _changed(model, args, torch.mul)


def _changed(model: nn.Module, args: tuple[Any, ...], change: Any) -> tuple[Any, ...]:
    rows = args[0].flatten(1)
    count = model.whitening_mean.numel()  # features after these are categories
    numbers = change(rows[:, :count] - model.whitening_mean, model.whitening_weight)
    whole = numbers if count == rows.shape[1] else torch.cat([numbers, rows[:, count:]], 1)
    return (whole.reshape(args[0].shape), *args[1:])
