"""From one member to many: two functions that make a program for a stack out of a function for one.

`vmap` runs the members as one batched program and differentiates with functorch; `loop` runs them one after the
other and differentiates with plain autograd, which costs a quarter of functorch's overhead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_map

from ..contracts import Tensors
from .step import Report, Total


def vmap(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of one member's tensors, for stacks with a leading axis K. Unkeyed randomness is an error."""
    return torch.func.vmap(function, randomness="error")


def loop(function: Callable[..., Any], members: int) -> Callable[..., Any]:
    """The same, member after member; results are stacked."""

    def looped(*stacks: Any) -> Any:
        results = [function(*(tree_map(lambda t, k=k: t[k], stack) for stack in stacks)) for k in range(members)]
        return tree_map(lambda *parts: torch.stack(parts), *results)

    return looped


def functorch_gradient(objective: Total) -> Callable[[Tensors], tuple[Tensors, Report]]:
    """For use under `vmap`."""

    def gradient(params: Tensors) -> tuple[Tensors, Report]:
        grads, (_, report) = torch.func.grad_and_value(objective, has_aux=True)(params)
        return grads, report

    return gradient


def autograd_gradient(objective: Total) -> Callable[[Tensors], tuple[Tensors, Report]]:
    """For use in a loop."""

    def gradient(params: Tensors) -> tuple[Tensors, Report]:
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
        with torch.enable_grad():
            value, report = objective(leaves)
        grads = torch.autograd.grad(value, tuple(leaves.values()), materialize_grads=True)
        return dict(zip(leaves, grads, strict=True)), tree_map(torch.Tensor.detach, report)

    return gradient
