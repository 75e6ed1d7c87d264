"""From one member to many: two functions that make a program for a stack out of a function for one.

`vmap` runs the members as one batched program and differentiates with functorch; `loop` runs them one after the
other and differentiates with plain autograd, which costs a quarter of functorch's overhead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..contracts import Tensors
from .step import Report, Total


def vmap(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of one member's tensors, for stacks with a leading axis K. Unkeyed randomness is an error."""
    return torch.func.vmap(function, randomness="error")


def loop(function: Callable[..., Any], members: int) -> Callable[..., Any]:
    """The same, member after member; results are stacked."""

    def looped(*stacks: Any) -> Any:
        apart = [_apart(stack, members) for stack in stacks]
        return together([function(*(stack[k] for stack in apart)) for k in range(members)])

    return looped


class Apart(list[Any]):
    """A stack taken apart beforehand: one entry per member. Spares the loop the work at every step."""


def take_apart(stack: Any, members: int) -> Apart:
    return Apart(_apart(stack, members))


def _apart(stack: Any, members: int) -> list[Any]:
    """A tensor, or dicts and named tuples of tensors, with a leading axis K: the same for each of K members."""
    if isinstance(stack, Apart):
        return stack
    if isinstance(stack, Tensor):
        return list(stack.unbind(0))
    if isinstance(stack, dict):
        parts = {name: _apart(part, members) for name, part in stack.items()}
        return [{name: part[k] for name, part in parts.items()} for k in range(members)]
    fields = [_apart(part, members) for part in stack]
    return [_like(stack, [field[k] for field in fields]) for k in range(members)]


def together(results: list[Any]) -> Any:
    """The inverse of taking apart; the result of a single member is not copied."""
    first = results[0]
    if isinstance(first, Tensor):
        return first.unsqueeze(0) if len(results) == 1 else torch.stack(results)
    if isinstance(first, dict):
        return {name: together([result[name] for result in results]) for name in first}
    return _like(first, [together(list(parts)) for parts in zip(*results, strict=True)])


def _like(original: Any, parts: list[Any]) -> Any:
    """A plain or named tuple of the same kind."""
    return type(original)(*parts) if hasattr(original, "_fields") else tuple(parts)


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
        buffers = {name: buffer.detach() for name, buffer in report.buffers.items()}
        return dict(zip(leaves, grads, strict=True)), report._replace(buffers=buffers)

    return gradient
