"""Optimizers as data: declared strengths and one in-place update on a stack of members.

The only code that knows the stack: weights, gradients and state are (K, D), one row a member, and every strength
is a column (K, 1). None of them decays weights: AdamW is `Adam` plus the technique `WeightDecay`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .contracts import Strength, Tensors, optimizer, structural, tunable

_LR = "step size"


@optimizer
class SGD:
    """velocity <- momentum * velocity + g;  w <- w - lr * velocity        (nesterov: lr * (g + momentum * velocity))

    The velocity starts as the first gradient, as in torch. Sutskever et al. 2013, section 2, ICML.
    """

    lr: Strength = tunable(1e-2, low=0.0, search=(1e-3, 0.3), log=True, meaning=_LR)
    momentum: Strength = tunable(0.9, low=0.0, high=1.0, search=(0.0, 0.99), meaning="share of the last step kept")
    nesterov: bool = structural(False, choices=(False, True), meaning="look ahead along the velocity")

    def start(self, weights: Tensor) -> Tensors:
        return {"velocity": torch.zeros_like(weights)}

    def update(self, weights: Tensor, grads: Tensor, state: Tensors, steps: Tensor) -> None:
        velocity = state["velocity"].mul_(self.momentum).add_(grads)
        weights.sub_(self.lr * (grads + self.momentum * velocity if self.nesterov else velocity))


@optimizer
class Adam:
    """m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  w <- w - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1, arXiv:1412.6980.
    """

    lr: Strength = tunable(1e-3, low=0.0, search=(1e-4, 1e-2), log=True, meaning=_LR)
    beta1: Strength = tunable(0.9, low=0.0, high=0.99999, search=(0.8, 0.99), meaning="memory of the mean gradient")
    beta2: Strength = tunable(0.999, low=0.0, high=0.99999, search=(0.9, 0.9999), meaning="memory of its square")
    eps: Strength = tunable(1e-8, low=0.0, log=True, meaning="floor of the divisor")

    def start(self, weights: Tensor) -> Tensors:
        return {"mean": torch.zeros_like(weights), "square": torch.zeros_like(weights)}

    def update(self, weights: Tensor, grads: Tensor, state: Tensors, steps: Tensor) -> None:
        mean = state["mean"].mul_(self.beta1).add_((1 - self.beta1) * grads)
        square = state["square"].mul_(self.beta2).add_((1 - self.beta2) * grads.square())
        scale = torch.sqrt(square / (1 - self.beta2**steps)) + self.eps
        weights.sub_(self.lr * (mean / (1 - self.beta1**steps)) / scale)


@optimizer
class RMSprop:
    """v <- a v + (1 - a) g^2;  velocity <- momentum * velocity + g / (sqrt(v) + eps);  w <- w - lr * velocity

    Tieleman and Hinton 2012, lecture 6.5; eps outside the root, as in torch.
    """

    lr: Strength = tunable(1e-3, low=0.0, search=(1e-4, 1e-2), log=True, meaning=_LR)
    alpha: Strength = tunable(0.99, low=0.0, high=1.0, search=(0.8, 0.999), meaning="memory of the squared gradient")
    momentum: Strength = tunable(0.0, low=0.0, high=1.0, search=(0.0, 0.99), meaning="share of the last step kept")
    eps: Strength = tunable(1e-8, low=0.0, log=True, meaning="floor of the divisor")

    def start(self, weights: Tensor) -> Tensors:
        return {"square": torch.zeros_like(weights), "velocity": torch.zeros_like(weights)}

    def update(self, weights: Tensor, grads: Tensor, state: Tensors, steps: Tensor) -> None:
        square = state["square"].mul_(self.alpha).add_((1 - self.alpha) * grads.square())
        velocity = state["velocity"].mul_(self.momentum).add_(grads / (torch.sqrt(square) + self.eps))
        weights.sub_(self.lr * velocity)


OPTIMIZERS: tuple[type, ...] = (SGD, Adam, RMSprop)
