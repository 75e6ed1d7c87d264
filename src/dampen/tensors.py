"""Maths on tensors and on dicts of tensors, for one member. Nothing here knows how many members there are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from .contracts import Seen, Tensors


def global_norm(tensors: Mapping[str, Tensor]) -> Tensor:
    """sqrt of the sum of squares over all tensors: one number."""
    return torch.sqrt(sum(t.square().sum() for t in tensors.values()))  # type: ignore[arg-type]


def scaled(tensors: Tensors, factor: Tensor | float) -> Tensors:
    return {name: tensor * factor for name, tensor in tensors.items()}


def changed(tensors: Tensors, names: tuple[str, ...], change: Callable[[str, Tensor], Tensor]) -> Tensors:
    """A new dict in which the named tensors are `change(name, tensor)` and the others are as they were."""
    return {**tensors, **{name: change(name, tensors[name]) for name in names}}


def permuted(rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    """rows[order], whose gradient is gathered by the inverse order: torch's own adds rows to zeros, one by one."""
    return _Permuted.apply(rows, order, inverse)  # type: ignore[no-any-return, no-untyped-call]


class _Permuted(torch.autograd.Function):
    @staticmethod
    def forward(rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        # whole rows are copied where they lie in memory as they are; channels last stay last only by indexing
        return rows.index_select(0, order) if rows.is_contiguous() else rows[order]

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        order, inverse = ctx.saved_tensors
        return permuted(grad, inverse, order), None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Tensor) -> tuple[Tensor, int]:
        """The members' rows under each other: one index is many times faster than two."""
        rows, order, inverse = (
            arg.expand(info.batch_size, *arg.shape) if dim is None else arg.movedim(dim, 0)
            for arg, dim in zip(args, in_dims, strict=True)
        )
        members, count = rows.shape[:2]
        first = count * torch.arange(members, device=order.device)[:, None]
        flat = ((part + first).flatten() for part in (order, inverse))
        return permuted(rows.flatten(0, 1), *flat).unflatten(0, (members, count)), 0


def squared_slopes(
    function: Callable[[Tensor], tuple[Tensor, Any]], inputs: Tensor, directions: Tensor, scale: Tensor
) -> tuple[Tensor, Any]:
    """Per example (N,) the sum over directions v of ||v^T J * scale||^2, J the derivative of what `function` makes of
    the inputs; and what it returns beside that. directions: (P, N, ...), each shaped as what it makes."""
    found: Any = torch.func.vjp(function, inputs, has_aux=True)
    outputs, pulled, beside = found
    if outputs.dim() == 4 and outputs.stride(1) == 1:  # products of tensors in unlike orders take ten times as long
        directions = directions.movedim(2, -1).contiguous().movedim(-1, 2)  # channels last
    slopes = [pulled(direction)[0] * scale for direction in directions.unbind(0)]
    return functools.reduce(torch.add, [slope.flatten(1).square().sum(1) for slope in slopes]), beside


def unit_dims(weight: Tensor, axis: int) -> tuple[int, ...]:
    """The dimensions that the incoming weights of one output unit span."""
    return tuple(dim for dim in range(weight.dim()) if dim != axis)


def unit_norms(weight: Tensor, axis: int) -> Tensor:
    """L2 norm of the weights of each output unit, shaped to broadcast against `weight`."""
    return torch.sqrt(weight.square().sum(dim=unit_dims(weight, axis), keepdim=True))


def at_paths(seen: Seen, paths: tuple[str, ...]) -> Tensors:
    """By name of the call, the activations that a pass showed at these paths, in the precision of its outputs; a
    module that is called again is named `path#2`."""
    kept = {place: h for place, h in seen.activations.items() if place.partition("#")[0] in paths}
    return {place: h.to(seen.outputs.dtype) for place, h in kept.items()}


def chosen(uniform: Tensor, rate: Tensor | float, count: int) -> tuple[Tensor, Tensor]:
    """Two decisions by one uniform number in [0, 1): whether it is below `rate`, and, by its place below it, which
    of `count` (0 where it is not below)."""
    hit = uniform < rate
    return hit, (torch.where(hit, uniform / rate, 0.0) * count).long()


def interval(uniform: Tensor, size: int, fraction: Tensor | float) -> Tensor:
    """(N, size), True in one interval of each row: its length is uniform from 0 to the rounded `fraction * size`,
    its place uniform where it fits. uniform: (2, N) numbers in [0, 1), for length and place."""
    longest = torch.as_tensor(fraction * size).round()
    length = (uniform[0] * (longest + 1)).floor()[:, None]
    start = (uniform[1][:, None] * (size - length + 1)).floor()
    places = torch.arange(size, device=uniform.device)
    return (places >= start) & (places < start + length)


def at_times(series: Tensor, times: Tensor) -> Tensor:
    """series (N, C, T) at times (N, T) from 0 to T - 1, linear between two of its own times."""
    last = series.shape[-1] - 1
    times = times.clamp(0, last)
    whole = times.floor()
    before = whole.long()[:, None].expand(series.shape)
    left, right = series.gather(-1, before), series.gather(-1, (before + 1).clamp(max=last))
    return left + (times - whole)[:, None].to(series.dtype) * (right - left)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """-sum_c target_c * log softmax(outputs)_c per example: (N, C), (N, C) -> (N,)."""
    return (-targets * torch.log_softmax(outputs, dim=-1)).sum(-1)  # the minus where no gradient flows


def binary_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over L labels of -target log sigmoid(output) - (1 - target) log sigmoid(-output): (N, L), (N, L) -> (N,)."""
    return (torch.nn.functional.softplus(outputs) - targets * outputs).mean(-1)


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


def is_allocation_failure(error: BaseException) -> bool:
    """Whether memory ran out; on the CPU torch says so in words only."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("can't allocate memory", "not enough memory")
    )
