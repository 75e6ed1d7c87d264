"""Maths on tensors and on dicts of tensors, for one member. Nothing here knows how many members there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from .contracts import Tensors


def global_norm(tensors: Mapping[str, Tensor]) -> Tensor:
    """sqrt of the sum of squares over all tensors: one number."""
    return torch.sqrt(sum(t.square().sum() for t in tensors.values()))  # type: ignore[arg-type]


def scaled(tensors: Tensors, factor: Tensor | float) -> Tensors:
    return {name: tensor * factor for name, tensor in tensors.items()}


def changed(tensors: Tensors, names: tuple[str, ...], change: Callable[[str, Tensor], Tensor]) -> Tensors:
    """A new dict in which the named tensors are `change(name, tensor)` and the others are as they were."""
    return {**tensors, **{name: change(name, tensors[name]) for name in names}}


def unit_norms(weight: Tensor, axis: int) -> Tensor:
    """L2 norm of the weights of each output unit, shaped to broadcast against `weight`."""
    others = [dim for dim in range(weight.dim()) if dim != axis]
    return torch.sqrt(weight.square().sum(dim=others, keepdim=True))


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """-sum_c target_c * log softmax(outputs)_c per example: (N, C), (N, C) -> (N,)."""
    return (-targets * torch.log_softmax(outputs, dim=-1)).sum(-1)  # the minus where no gradient flows


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over the M target columns of the squared difference per example: (N, M), (N, M) -> (N,)."""
    return (outputs - targets).square().mean(-1)


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """sum(weight * loss) / sum(weight), as torch and scikit-learn do with weights."""
    return losses @ (weights / weights.sum())  # one node in the graph instead of three


def symmetric_divergence(first: Tensor, second: Tensor) -> Tensor:
    """(KL(p || q) + KL(q || p)) / 2 per example, p and q the softmax of two outputs (N, C) -> (N,)."""
    log_p, log_q = torch.log_softmax(first, -1), torch.log_softmax(second, -1)
    return 0.5 * ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(-1)


def shaken(x: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
    """x * forward, with the gradient of x * backward. Exactly x where both factors are 1."""
    return torch.addcmul(x * backward, x.detach(), forward - backward)
