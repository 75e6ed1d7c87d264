"""Batch normalisation: each unit is standardised over the batch."""

from __future__ import annotations

from torch import Tensor, nn

from ...contracts import At, structural, technique


@technique
class BatchNorm:
    """z <- gain * (z - mean_batch(z)) / sqrt(var_batch(z) + eps) + shift        between a layer and its activation

    Statistics: running <- (1 - momentum) * running + momentum * batch (the variance unbiased, as torch does);
    prediction uses the running ones. The bias of the layer before goes: its true gradient is zero.

    Ioffe and Szegedy, Batch Normalization, 2015, algorithms 1 and 2, arXiv:1502.03167.
    """

    needs = ("hidden", "batches")
    momentum: float = structural(0.1, low=0.0, high=1.0, meaning="weight of the newest batch in the running statistics")
    eps: float = structural(1e-5, low=0.0, meaning="added to the variance")

    def rebuild(self, model: nn.Module, at: At) -> nn.Module:
        for path in at.layout.hidden:
            layer = model.get_submodule(path)
            if isinstance(getattr(layer, "bias", None), nn.Parameter):
                layer.register_parameter("bias", None)
            layer.add_module("norm", _norm_for(layer, self.eps, self.momentum).to(layer.weight))
            layer.register_forward_hook(_normalise)
        return model


def _norm_for(layer: nn.Module, eps: float, momentum: float) -> nn.Module:
    if isinstance(layer, nn.Linear):
        return nn.BatchNorm1d(layer.out_features, eps, momentum)
    norm = {3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[layer.weight.dim()]
    return norm(layer.out_channels, eps, momentum)


def _normalise(layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """The norm is a child of the layer it follows, so the paths of the user's own modules do not change."""
    return layer.norm(output)
