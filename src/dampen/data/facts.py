"""Facts of a training part: what techniques and models may know about the data. Fitted per seed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import torch
from torch import Tensor

TENSORS = ("mean", "std", "low", "high", "prior", "target_mean", "target_std")


@dataclasses.dataclass(frozen=True, eq=False)
class Facts:
    """task: "classes" or "numbers". num_outputs: classes, or target columns. mean, std, low, high: of the inputs,
    per channel for images (C, 1, 1), else per column, shaped to broadcast against one example. prior: share of
    each class. target_mean, target_std: per target column (0 and 1 for classes)."""

    task: str
    num_rows: int
    num_outputs: int
    input_shape: tuple[int, ...]
    mean: Tensor
    std: Tensor
    low: Tensor
    high: Tensor
    prior: Tensor
    target_mean: Tensor
    target_std: Tensor

    @property
    def num_classes(self) -> int:
        return self.num_outputs if self.task == "classes" else 0

    @property
    def num_inputs(self) -> int:
        return math.prod(self.input_shape)

    @property
    def words(self) -> frozenset[str]:
        """Which words of the vocabulary of `needs` these data answer."""
        return words_of(self.task, self.input_shape)

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Facts:
        """The same facts with other numbers: a member's own."""
        copy = object.__new__(Facts)
        copy.__dict__.update(self.__dict__, **tensors)
        return copy

    def tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in TENSORS}


def words_of(task: str, input_shape: tuple[int, ...]) -> frozenset[str]:
    return frozenset(({"classes"} if task == "classes" else set()) | ({"images"} if len(input_shape) == 3 else set()))


def facts_of(inputs: Tensor, targets: Tensor, task: str) -> Facts:
    """Facts of a training part: inputs (N, ...), targets (N, C) one-hot or (N, M) numbers."""
    dims = (0, 2, 3) if inputs.dim() == 4 else (0,)
    wide, dtype = inputs.double(), inputs.dtype  # squares of small or large units leave single precision
    mean = wide.mean(dims, keepdim=True)[0]
    low, high = inputs.amin(dims, keepdim=True)[0], inputs.amax(dims, keepdim=True)[0]
    deviation = (wide - mean).square().mean(dims, keepdim=True)[0].sqrt().to(dtype)
    target_std = targets.double().std(0, correction=0).to(targets.dtype)
    numbers = task == "numbers"
    return Facts(
        task=task,
        num_rows=len(inputs),
        num_outputs=targets.shape[-1],
        input_shape=tuple(inputs.shape[1:]),
        mean=mean.to(dtype),
        std=_or_one(deviation, high > low),
        low=low,
        high=high,
        prior=targets.mean(0),
        target_mean=targets.mean(0) if numbers else torch.zeros_like(targets[0]),
        target_std=_or_one(target_std, targets.amax(0) > targets.amin(0)) if numbers else torch.ones_like(target_std),
    )


def _or_one(std: Tensor, varies: Tensor) -> Tensor:
    """A column that never varies is left at its own scale; rounding of the mean gives it a tiny deviation."""
    return torch.where(varies, std, torch.ones_like(std))
