"""Layer normalisation: each example is standardised over the units of a layer."""

from __future__ import annotations

from torch import nn

from ...contracts import At, structural, technique
from ...modules import add_norms, check_widths


@technique
class LayerNorm:
    """z <- gain * (z - mean_units(z)) / sqrt(var_units(z) + eps) + shift        between a layer and its activation

    Mean and variance are over all units of the layer, for each example on its own; over the places too where the
    layer has any (as in the paper; Keras and ConvNeXt take each place on its own). gain and shift are per unit.
    Prediction does the same as training. The bias of the layer before stays: it tells the units apart.

    Use it where batch norm cannot be: small batches, one example at a time, sequences. In convolutional networks
    for images GroupNorm and BatchNorm do better.

    Ba, Kiros and Hinton, Layer Normalization, 2016, section 3, arXiv:1607.06450.
    """

    needs = ("hidden",)
    eps: float = structural(1e-5, low=0.0, meaning="added to the variance")

    def check(self, at: At) -> None:
        check_widths("LayerNorm", at.layout)

    def rebuild(self, model: nn.Module, at: At) -> nn.Module:
        return add_norms(model, at.layout, self._norm, keeps_bias=True)

    def _norm(self, shape: tuple[int, ...]) -> nn.Module:
        # With places, one group of all channels is the same and has a gain per channel, not per place.
        return nn.LayerNorm(shape[0], self.eps) if len(shape) == 1 else nn.GroupNorm(1, shape[0], self.eps)
