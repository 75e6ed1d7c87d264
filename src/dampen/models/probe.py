"""One forward pass that is watched: what ran, in which order, on tensors of which shape."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .kinds import EMBEDDINGS, OTHER_FUNCTIONAL, ZERO_AT_ZERO, is_whole, kind_of


class Call(NamedTuple):
    """A module ran, or a functional activation outside of any layer (kinds "function" and "other function", path "").

    kind: see kinds.py. entered, left: the shapes of the first tensor that went in and of what came out, without the
    rows; None where it was no tensor. time_axis: which axis of what came out is time, rows counted."""

    kind: str
    path: str
    entered: tuple[int, ...] | None = None
    left: tuple[int, ...] | None = None
    time_axis: int | None = None
    num_inputs: int = 0


def calls_of(model: nn.Module, example: Tensor) -> list[Call]:
    """Run the model and list what ran, in the order in which it was done."""
    calls: list[Call] = []
    inside: list[nn.Module] = []
    last = [2]  # series come as (N, C, T)

    def leave(module: nn.Module, args: Any, output: Any, path: str) -> None:
        if is_whole(module):
            inside.pop()
        output = output[0] if isinstance(output, tuple) and output else output
        entered = tuple(args[0].shape[1:]) if args and isinstance(args[0], Tensor) else None
        left, axis = None, None
        if isinstance(output, Tensor):
            left, axis = tuple(output.shape[1:]), _time_axis(module, output, len(example), last)
        calls.append(Call(kind_of(module, output), path, entered, left, axis, len(args)))

    def enter(module: nn.Module, _args: Any) -> None:
        inside.append(module)

    handles = []
    for path, module in model.named_modules():
        handles += [module.register_forward_pre_hook(enter)] if is_whole(module) else []
        handles.append(module.register_forward_hook(functools.partial(leave, path=path)))
    try:
        with _FunctionalActivations(calls, inside):
            model(example)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _time_axis(module: nn.Module, output: Tensor, rows: int, last: list[int]) -> int | None:
    """In front where the rows come second, (T, N, C). What a convolution over one axis made, (N, C, T), and what a
    linear layer made, (N, T, C), are told apart by the `last` such layer that ran."""
    if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
        last[0] = 2
    elif isinstance(module, (nn.Linear, nn.RNNBase, nn.MultiheadAttention, *EMBEDDINGS)):
        last[0] = 1
    if output.dim() != 3:
        return None
    in_front = isinstance(module, nn.RNNBase) and not module.batch_first
    return 0 if in_front or (output.shape[0] != rows and output.shape[1] == rows) else last[0]


class _FunctionalActivations(TorchFunctionMode):
    def __init__(self, calls: list[Call], inside: list[nn.Module]) -> None:
        super().__init__()
        self.calls, self.inside = calls, inside

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in ZERO_AT_ZERO | OTHER_FUNCTIONAL and not self.inside:
            self.calls.append(Call("function" if name in ZERO_AT_ZERO else "other function", ""))
        return func(*args, **(kwargs or {}))
