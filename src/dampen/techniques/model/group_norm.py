"""Group normalisation: each example is standardised over groups of channels."""

from __future__ import annotations

import math

from torch import nn

from ...contracts import At, structural, technique
from ...modules import PlacesGroupNorm, UnitGroupNorm, add_norms, check_widths


@technique
class GroupNorm:
    """z <- gain * (z - mean_group(z)) / sqrt(var_group(z) + eps) + shift        between a layer and its activation

    The channels of a layer, in order, fall into groups of one size; mean and variance are over a group's channels
    and places, for each example on its own. A layer gets the most groups, up to num_groups, that divide its channels
    and leave each group two channels and sixteen numbers (of two numbers a norm leaves but the sign); else one group.

    Use it in convolutional networks with small batches, where batch norm's statistics are too noisy. Networks
    without places gain little from groups; LayerNorm is their norm.

    Wu and He, Group Normalization, 2018, section 3, equation 7, arXiv:1803.08494.
    """

    needs = ("hidden",)
    num_groups: int = structural(32, low=1, meaning="groups of channels in each layer, at most")
    eps: float = structural(1e-5, low=0.0, meaning="added to the variance")

    def check(self, at: At) -> None:
        check_widths("GroupNorm", at.layout)

    def rebuild(self, model: nn.Module, at: At) -> nn.Module:
        return add_norms(model, at.layout, self._norm, keeps_bias=True)

    def _norm(self, shape: tuple[int, ...]) -> nn.Module:
        channels, places = shape[0], math.prod(shape[1:])
        fits = [
            n
            for n in range(1, min(self.num_groups, channels) + 1)
            if channels % n == 0 and self._large(channels // n, places)
        ]
        norm = UnitGroupNorm if len(shape) == 1 else PlacesGroupNorm
        return norm(max(fits, default=1), channels, self.eps)

    def _large(self, channels: int, places: int) -> bool:
        return channels >= 2 and channels * places >= 16
