"""Gradient clipping: no step is longer than its global norm allows."""

from __future__ import annotations

from ...contracts import At, Draws, Strength, Tensors, technique, tunable
from ...tensors import global_norm, scaled


@technique
class ClipNorm:
    """g <- g * min(1, max_norm / (||g|| + 1e-6)),  ||g|| over all tensors of the member

    The meaning of torch's `clip_grad_norm_` and Keras' `global_clipnorm` (Keras' `clipnorm` is per tensor).

    Use it where losses jump: recurrent networks, transformers, high learning rates. It guards training more than it
    fights overfitting; a norm that cuts every step is a smaller learning rate.

    Pascanu et al., On the difficulty of training Recurrent Neural Networks, 2013, section 3.2, arXiv:1211.5063.
    """

    max_norm: Strength = tunable(1.0, off=float("inf"), low=0.0, log=True, meaning="longest gradient let through")

    def gradients(self, grads: Tensors, draws: Draws, at: At) -> Tensors:
        return scaled(grads, (self.max_norm / (global_norm(grads) + 1e-6)).clamp(max=1.0))
