"""Facts of a training part: what techniques and models may know about the data. Fitted per seed."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .schema import Schema
from .texts import known_of

TASKS = ("classes", "labels", "numbers")
"""One class per row; any number of labels, each there or not; numbers."""
TENSORS = ("mean", "std", "low", "high", "prior", "target_mean", "target_std")
TABLE_TENSORS = ("fill", "known", "quantiles")
"""Of tables, and `known` of texts; None where nothing is missing, categorical, scaled by quantiles."""
BINS, MOST_BINS = 24, 1024
"""A column of numbers in bins has so many, and all columns together no more than `MOST_BINS`, one each at least."""
CHUNK_NUMBERS = 2**21
"""Rows are looked at in chunks of about this many numbers, in double precision: large data need little beside."""


@dataclasses.dataclass(frozen=True, eq=False)
class Facts:
    """task: one of `TASKS`. num_outputs: classes, labels, or target columns. mean, std, low, high: of the inputs,
    per channel for images (C, 1, 1) and series (C, 1), else per column, shaped to broadcast against one example; of
    texts 0, 1 and the range of the ids, shape ().
    prior: share of each class or label. target_mean, target_std: per target column (0 and 1 for classes, labels).

    Of tables, per feature (F,), numbers before features that are 0 or 1: mean and std are of the numbers present,
    0 and 1 for the others. fill: what stands in for a missing number, the mean. known: 0 for a feature of which the
    training part has no row (a category that it lacks), else 1. quantiles: of each column of numbers, (columns, Q).

    num_tokens: of texts, the size of the vocabulary, padding and unknown included; 0 for other data. known, of texts:
    1 for a token that the training part has often enough to learn of it (texts.py), else 0.

    parts() goes through the training part's inputs as they are, in chunks; nothing is kept of them.
    """

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
    fill: Tensor | None = None
    known: Tensor | None = None
    quantiles: Tensor | None = None
    schema: Schema | None = None
    num_tokens: int = 0
    parts: Callable[[], Iterator[Tensor]] | None = None

    @property
    def num_classes(self) -> int:
        return self.num_outputs if self.task == "classes" else 0

    @property
    def num_inputs(self) -> int:
        """What a network's first layer gets of a row: its features, and of a number in bins one input per bin."""
        return math.prod(self.input_shape) if self.schema is None else len(self.schema.features) + self.more_by_bins

    @property
    def more_by_bins(self) -> int:
        """How many inputs the first layer has more than a row has features."""
        if self.schema is None or self.schema.scale != "bins" or self.quantiles is None:
            return 0
        count, edges = self.quantiles.shape
        return count * (edges - 2)

    @property
    def column_of_feature(self) -> tuple[int, ...]:
        """The source column of each feature of a table: a category's features move together."""
        return tuple(range(self.num_inputs)) if self.schema is None else self.schema.column_of_feature

    @property
    def num_columns(self) -> int:
        """Source columns of a table."""
        return self.num_inputs if self.schema is None else len(self.schema.columns)

    def by_feature(self, cells: Tensor) -> Tensor:
        """(..., columns) -> (..., features): what holds for a cell of the source holds for each of its features."""
        if self.schema is None:
            return cells
        return cells.index_select(-1, torch.tensor(self.schema.column_of_feature, device=cells.device))

    @property
    def number_std(self) -> Tensor:
        """std where the inputs are numbers that vary, else 0: how far a feature may be moved."""
        moves = self.high > self.low
        if self.schema is not None:  # numbers stand before the features that are 0 or 1
            moves = moves & (torch.arange(len(moves), device=moves.device) < len(self.schema.numbers))
        return torch.where(moves, self.std, 0.0)

    @property
    def words(self) -> frozenset[str]:
        """Which words of the vocabulary of `needs` these data answer."""
        return words_of(self.task, self.input_shape, self.num_tokens)

    def covariance(self, change: Callable[[Tensor], Tensor], *, diagonal: bool = False) -> tuple[Tensor, Tensor]:
        """Mean (F,) and covariance (F, F), or its diagonal (F,), of what `change` makes of the training part's inputs
        (N, ...) -> (N, F), in double precision. Goes through all rows twice at every call."""
        mean = self._sum(lambda x: change(x).double().sum(0)) / self.num_rows

        def products(part: Tensor) -> Tensor:
            away = change(part).double() - mean
            return away.square().sum(0) if diagonal else away.T @ away

        return mean, self._sum(products) / self.num_rows

    def _sum(self, summed: Callable[[Tensor], Tensor]) -> Tensor:
        assert self.parts is not None
        return functools.reduce(torch.add, (summed(part.to(self.mean)) for part in self.parts()))

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Facts:
        """The same facts with other numbers: a member's own."""
        copy = object.__new__(Facts)
        copy.__dict__.update(self.__dict__, **tensors)
        return copy

    def tensors(self) -> dict[str, Tensor]:
        of_tables = {name: getattr(self, name) for name in TABLE_TENSORS}
        return {
            **{name: getattr(self, name) for name in TENSORS},
            **{name: tensor for name, tensor in of_tables.items() if tensor is not None},
        }


def words_of(task: str, input_shape: tuple[int, ...], num_tokens: int = 0) -> frozenset[str]:
    kinds = {1: ("table",), 2: ("series", "places"), 3: ("images", "places")}
    inputs = ("tokens",) if num_tokens else ("continuous", *kinds.get(len(input_shape), ()))
    return frozenset((*inputs, *(("classes",) if task == "classes" else ())))


def facts_of(
    inputs: Tensor,
    targets: Tensor,
    task: str,
    *,
    rows: Tensor | None = None,
    schema: Schema | None = None,
    num_tokens: int = 0,
) -> Facts:
    """Facts of a training part: inputs (N, ...), targets (N, C) one-hot, (N, L) of 0 and 1 or (N, M) numbers, or those
    `rows` of them. Whole numbers as inputs (uint8) have facts of the targets' type. num_tokens: of texts (N, T), the
    size of the vocabulary."""
    dtype = inputs.dtype if inputs.is_floating_point() else targets.dtype
    targets = targets if rows is None else targets[rows.to(targets.device)]
    moments = _of_tokens(num_tokens, targets) if num_tokens else _moments(inputs, rows, _missing(schema))
    mean, std = moments.mean.to(dtype), _or_one(moments.std.to(dtype), moments.high > moments.low)
    low, high = moments.low.to(dtype), moments.high.to(dtype)
    numbers = task == "numbers"
    return Facts(
        task=task,
        num_rows=len(targets),
        num_outputs=targets.shape[-1],
        input_shape=tuple(inputs.shape[1:]),
        low=low,
        high=high,
        prior=targets.mean(0),
        target_mean=targets.mean(0) if numbers else torch.zeros_like(targets[0]),
        target_std=_target_std(targets) if numbers else torch.ones_like(targets[0]),
        **(dict(mean=mean, std=std) if schema is None else _of_table(schema, mean, std, moments, inputs, rows)),
        **(dict(known=known_of(inputs if rows is None else inputs[rows], num_tokens).to(dtype)) if num_tokens else {}),
        schema=schema,
        num_tokens=num_tokens,
        parts=functools.partial(_parts, inputs, rows),
    )


def _or_one(std: Tensor, varies: Tensor) -> Tensor:
    """A column that never varies is left at its own scale; rounding of the mean gives it a tiny deviation."""
    return torch.where(varies, std, torch.ones_like(std))


def _target_std(targets: Tensor) -> Tensor:
    deviation = targets.double().std(0, correction=0).to(targets.dtype)
    return _or_one(deviation, targets.amax(0) > targets.amin(0))


def _missing(schema: Schema | None) -> bool:
    return schema is not None and bool(schema.indicators)


# ------------------------------------------------------------------ moments, chunk after chunk


class _Moments(NamedTuple):
    """In double precision, shaped like `Facts.mean`. Of what has no value at all: 0."""

    mean: Tensor
    std: Tensor
    low: Tensor
    high: Tensor
    any: Tensor


def _of_tokens(num_tokens: int, like: Tensor) -> _Moments:
    """Ids are names, not amounts: no scale of their own (mean 0, deviation 1), from the first id to the last."""
    zero = torch.zeros((), dtype=torch.float64, device=like.device)
    return _Moments(mean=zero, std=zero + 1, low=zero, high=zero + num_tokens - 1, any=zero == 0)


def _moments(inputs: Tensor, rows: Tensor | None, missing: bool) -> _Moments:
    """Two passes: squares of small or large units leave single precision, and of large means even double."""
    dims = {3: (0, 2), 4: (0, 2, 3)}.get(inputs.dim(), (0,))
    counts, sums, lows, highs = [], [], [], []
    for part in _parts(inputs, rows):
        sums.append(_without_nan(part, 0.0, missing).sum(dims, keepdim=True)[0])
        every = torch.full_like(sums[-1], part.numel() // sums[-1].numel())
        counts.append(every - part.isnan().sum(dims, keepdim=True)[0] if missing else every)
        lows.append(_without_nan(part, math.inf, missing).amin(dims, keepdim=True)[0])
        highs.append(_without_nan(part, -math.inf, missing).amax(dims, keepdim=True)[0])
    count = torch.stack(counts).sum(0)
    mean = torch.stack(sums).sum(0) / count.clamp(min=1)
    squares = torch.zeros_like(mean)
    for part in _parts(inputs, rows):
        squares += _without_nan(part - mean, 0.0, missing).square().sum(dims, keepdim=True)[0]
    low, high = torch.stack(lows).amin(0), torch.stack(highs).amax(0)
    return _Moments(
        mean,
        (squares / count.clamp(min=1)).sqrt(),
        torch.where(count > 0, low, 0.0),
        torch.where(count > 0, high, 0.0),
        count > 0,
    )


def _parts(inputs: Tensor, rows: Tensor | None) -> Iterator[Tensor]:
    """Chunks of the rows, as doubles."""
    size = max(1, CHUNK_NUMBERS // max(1, inputs[0].numel()))
    if rows is None:
        yield from (part.double() for part in inputs.split(size))
    else:
        yield from (inputs[part].double() for part in rows.to(inputs.device).split(size))


def _without_nan(values: Tensor, instead: float, missing: bool) -> Tensor:
    return torch.where(values.isnan(), instead, values) if missing else values


# ------------------------------------------------------------------ tables


def _of_table(
    schema: Schema, mean: Tensor, std: Tensor, moments: _Moments, inputs: Tensor, rows: Tensor | None
) -> dict[str, Tensor | None]:
    """Mean and deviation of the numbers alone, and what only tables have."""
    num_numbers, num_features = len(schema.numbers), len(schema.features)
    binary = torch.arange(num_features, device=mean.device) >= num_numbers
    mean, std = torch.where(binary, 0.0, mean), torch.where(binary, 1.0, std)
    known = torch.where(binary, moments.high > 0, moments.any).to(mean.dtype)
    num_rows = len(inputs) if rows is None else len(rows)
    num_quantiles = _num_quantiles(schema.scale, num_numbers, num_rows) if num_numbers else 0
    return {
        "mean": mean,
        "std": std,
        "fill": mean.clone() if schema.indicators else None,
        "known": known if num_features > num_numbers else None,
        "quantiles": _quantiles(inputs, rows, num_numbers, num_quantiles).to(mean) if num_quantiles else None,
    }


def _num_quantiles(scale: str, num_numbers: int, num_rows: int) -> int:
    """How many quantiles of each column a scale needs, the lowest and the highest number among them."""
    bins = max(1, min(BINS, MOST_BINS // num_numbers))
    return {"quantile": max(5, min(100, num_rows)), "robust": 5, "bins": bins + 1}.get(scale, 0)


def _quantiles(inputs: Tensor, rows: Tensor | None, num_numbers: int, count: int) -> Tensor:
    """`count` evenly spaced quantiles of each column's numbers, from lowest to highest: (columns, Q)."""
    shares = np.linspace(0, 1, count)
    found = np.zeros((num_numbers, count))
    for column in range(num_numbers):
        values = inputs[:, column] if rows is None else inputs[:, column][rows.to(inputs.device)]
        ordered = np.sort(values.cpu().numpy())  # NaN goes last
        present = ordered[: len(ordered) - int(np.isnan(ordered).sum())]
        if len(present):
            found[column] = np.interp(shares * (len(present) - 1), np.arange(len(present)), present)
    return torch.from_numpy(found)
