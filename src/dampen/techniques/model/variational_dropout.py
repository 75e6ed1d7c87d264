"""Variational dropout: Gaussian noise on every weight whose size is learned; what drowns in it is pruned."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ...contracts import At, Draws, Seen, Strength, Tensors, structural, technique, tunable
from ...errors import DampenError
from ...randomness import Key, normal
from ...tensors import changed

LIMIT = 8.0
"""log alpha stays between -8 and 8: beyond, the divergence is flat."""
PRUNED = 3.0
TINY = 1e-20
"""The least variance: where all inputs are 0 the root has no slope."""


@technique
class VariationalDropout:
    """z <- z + sqrt(linear(x^2, alpha * w^2)) * e,  e ~ N(0, 1);  loss <- loss + kl_weight * KL(alpha) / rows

    z = linear(x, w) + bias: every weight is N(w, alpha * w^2), drawn as its effect on z (local reparametrisation).
    alpha is learned per layer, unit or weight, or "fixed". KL is Molchanov's approximation, sound for every alpha
    (Kingma's holds up to 1), and as there a weight of log alpha > 3 is 0 at prediction. The paper learns the variance
    alpha * w^2 itself, here the logarithm of alpha is learned. A fixed alpha has no KL.

    Use it to learn which weights or inputs are of no use; raise kl_weight slowly over the first epochs and train for
    long, log alpha moves by about the learning rate a step. It makes a second product of every layer.

    Kingma et al., Variational Dropout and the Local Reparameterization Trick, 2015, section 3, arXiv:1506.02557;
    Molchanov et al., Variational Dropout Sparsifies Deep Neural Networks, 2017, equations 14 to 17, arXiv:1701.05369.
    """

    alpha: Strength = tunable(
        0.05,
        off=0.0,
        low=0.0,
        high=20.0,
        search=(0.01, 1.0),
        log=True,
        meaning="variance of a weight in units of its square; where it is learned, at the start",
    )
    kl_weight: Strength = tunable(1.0, low=0.0, search=(0.0, 1.0), meaning="weight of the divergence in the loss")
    granularity: str = structural(
        "weight", choices=("fixed", "layer", "unit", "weight"), meaning="what has an alpha of its own"
    )
    sites: Any = structural("layers", meaning="where: layers, or paths of linear and convolutional layers")

    def check(self, at: At) -> None:
        for path in at.layout.site_paths(self.sites):
            if path not in at.layout.sites["layers"] or f"{path}.weight" not in at.layout.tensors:
                raise DampenError(
                    f"VariationalDropout must stand on linear and convolutional layers with weights of their own; got "
                    f"{path}. Name others with `sites`."
                )

    def adds(self, layout: Any) -> Tensors:
        """Per layer what is added to the starting log alpha."""
        if self.granularity == "fixed":
            return {}
        return {path: torch.zeros(self._shape(layout, path)) for path in layout.site_paths(self.sites)}

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        return {"noise": self._on() * normal(key, thing.shape, thing.dtype)}

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        assert at.site is not None
        assert at.site.linear is not None
        path = at.site.module
        alpha = self.alpha if self.granularity == "fixed" else self._log_alpha(at.own[path]).exp()
        variance = at.site.linear(at.site.inputs[0].square(), alpha * at.params[f"{path}.weight"].square())
        return torch.addcmul(x, variance.clamp(min=TINY).sqrt(), draws["noise"])

    def penalty(self, seen: Seen, at: At) -> Tensor:
        divergence = seen.outputs.new_zeros(())
        for path, offset in at.own.items():
            share = math.prod(at.layout.tensors[f"{path}.weight"].shape) / offset.numel()
            divergence = divergence + share * _divergence(self._log_alpha(offset)).sum()
        return self._on() * self.kl_weight * divergence / at.facts.num_rows

    def bake(self, params: Tensors, state: Tensors, at: At) -> Tensors:
        drowned = {
            f"{path}.weight": (self._log_alpha(offset) > PRUNED) & (torch.as_tensor(self.alpha) > 0)
            for path, offset in at.own.items()
        }
        return changed(params, tuple(drowned), lambda name, w: torch.where(drowned[name], 0.0, w))

    def _shape(self, layout: Any, path: str) -> tuple[int, ...]:
        shape: tuple[int, ...] = layout.tensors[f"{path}.weight"].shape
        ones = (1,) * len(shape)
        return {"layer": ones, "unit": (shape[0], *ones[1:]), "weight": shape}[self.granularity]

    def _on(self) -> Tensor:
        """1, or 0 at alpha 0: there the logarithm has no place to start from."""
        return (torch.as_tensor(self.alpha) > 0).to(torch.get_default_dtype())

    def _log_alpha(self, offset: Tensor) -> Tensor:
        start = torch.as_tensor(self.alpha).clamp(min=math.exp(-LIMIT)).log()
        return (start + offset).clamp(-LIMIT, LIMIT)


def _divergence(log_alpha: Tensor) -> Tensor:
    """KL of N(w, alpha w^2) from the log-uniform prior, up to a constant: 0 at alpha = infinity."""
    return 0.63576 * torch.sigmoid(-1.87320 - 1.48695 * log_alpha) + 0.5 * softplus(-log_alpha)
