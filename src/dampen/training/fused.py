"""Fast paths of optimizers on the CPU: torch's fused kernels, once per row of the block.

Each equals the plain form in optimizers.py (a test says so); an optimizer without an entry takes the plain form.
The kernels are private to torch and live in this file alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..contracts import Tensors
from ..optimizers import SGD, Adam


def adam(
    optimizer: Adam, values: Mapping[str, float], weights: Tensor, grads: Tensor, state: Tensors, steps: int
) -> None:
    torch._fused_adam_(
        [weights],
        [grads],
        [state["mean"]],
        [state["square"]],
        [],
        [torch.tensor(float(steps))],
        lr=values["optimizer.lr"],
        beta1=values["optimizer.beta1"],
        beta2=values["optimizer.beta2"],
        weight_decay=0.0,
        eps=values["optimizer.eps"],
        amsgrad=False,
        maximize=False,
    )


def sgd(
    optimizer: SGD, values: Mapping[str, float], weights: Tensor, grads: Tensor, state: Tensors, steps: int
) -> None:
    momentum = values["optimizer.momentum"]
    if momentum == 0:  # the kernel then takes no buffer; the plain form's velocity is the gradient
        state["velocity"].copy_(grads)
    torch._fused_sgd_(
        [weights],
        [grads],
        [state["velocity"]] if momentum else [],
        weight_decay=0.0,
        momentum=momentum,
        lr=values["optimizer.lr"],
        dampening=0.0,
        nesterov=optimizer.nesterov and momentum != 0,
        maximize=False,
        is_first_step=steps == 1,
    )


ROW_KERNELS: dict[type, Callable[..., Any]] = {Adam: adam, SGD: sgd}
