"""The schema of a table: its columns in order, their kinds and categories. Turns raw rows into rows for a model.

The coding is cell by cell and holds no statistics: numbers stay as they are, categories become 0 and 1. What is
fitted (mean, fill, quantiles, which categories were seen) is fitted on each seed's training part, in facts.py.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DampenError
from ..words import counted, listed
from .cells import only_numbers, texts

if TYPE_CHECKING:
    from polars import DataFrame, Series

NUMBER, CATEGORY = "number", "category"
CODINGS, SCALES = ("onehot", "embed"), ("standard", "quantile", "robust", "bins")
MIXED = "Mend these cells, leave the column out with --drop, or take it as texts with --categorical."
LEARNED = "Mend these cells: a network has learned numbers there."


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of the source. categories: of the whole data set, None among them where cells are missing.
    missing: whether a column of numbers has missing cells, which an indicator then marks. offset: what numbers are
    stored less, where single precision would lose their differences (times in seconds since 1970)."""

    name: str
    kind: str
    categories: tuple[str | None, ...] = ()
    missing: bool = False
    offset: float = 0.0


@dataclasses.dataclass(frozen=True)
class Schema:
    """columns: in the source's order. coding: whether models see categories one-hot or embed them. scale: whether
    the fixed first layer standardises numbers, maps their quantiles to a normal distribution, measures them from
    their median in units of the middle half's width, outliers drawn in, or cuts them into bins.

    Features stand in this order: the numbers; an indicator for each column of numbers with missing cells; the
    categories of each column.
    """

    columns: tuple[Column, ...]
    coding: str = "onehot"
    scale: str = "standard"

    def __post_init__(self) -> None:
        for option, value, known in (("categories", self.coding, CODINGS), ("scale", self.scale, SCALES)):
            if value not in known:
                either = f"{', '.join(known[:-1])} or {known[-1]}"
                raise DampenError(f"{option} must be {either}; got {value!r}.")

    @functools.cached_property
    def numbers(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind == NUMBER)

    @functools.cached_property
    def indicators(self) -> tuple[Column, ...]:
        return tuple(column for column in self.numbers if column.missing)

    @functools.cached_property
    def categorical(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind == CATEGORY)

    @functools.cached_property
    def features(self) -> tuple[str, ...]:
        """Names of the columns of the encoded rows."""
        return (
            *(column.name for column in self.numbers),
            *(f"{column.name} is missing" for column in self.indicators),
            *(
                f"{column.name} = {category or 'missing'}"
                for column in self.categorical
                for category in column.categories
            ),
        )

    @functools.cached_property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """The features of each source column."""
        groups: dict[str, tuple[int, ...]] = {column.name: () for column in self.columns}
        owners = [*self.numbers, *self.indicators, *(c for c in self.categorical for _ in c.categories)]
        for feature, owner in enumerate(owners):
            groups[owner.name] += (feature,)
        return groups

    @functools.cached_property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """(first feature, one past the last) of each categorical column."""
        spans, start = [], len(self.numbers) + len(self.indicators)
        for column in self.categorical:
            spans.append((start, start + len(column.categories)))
            start += len(column.categories)
        return tuple(spans)

    @functools.cached_property
    def column_of_feature(self) -> tuple[int, ...]:
        """The number of the source column of each feature."""
        owners = {feature: n for n, features in enumerate(self.groups.values()) for feature in features}
        return tuple(owners[feature] for feature in range(len(owners)))

    @functools.cached_property
    def missing_row(self) -> tuple[float, ...]:
        """The features of a row whose every cell is missing: 1 where a feature says so, else 0. A category that has
        no word for missing is all zeros, as an unknown one is."""
        indicators = range(len(self.numbers), len(self.numbers) + len(self.indicators))
        spans = zip(self.categorical, self.spans, strict=True)
        said = {*indicators, *(start + c.categories.index(None) for c, (start, _) in spans if None in c.categories)}
        return tuple(float(feature in said) for feature in range(len(self.features)))

    def describe(self) -> str:
        """In words, with what is not the default."""
        mapped = {"quantile": " by quantiles", "robust": " by quartiles", "bins": " in bins"}.get(self.scale, "")
        embedded = " embedded" if self.coding == "embed" else ""
        kinds = ((len(self.numbers), f"numeric{mapped}"), (len(self.categorical), f"categorical{embedded}"))
        each = ", ".join(f"{count} {kind}" for count, kind in kinds if count)
        return f"{counted(len(self.columns), 'column')} ({each})"

    def encode(self, frame: DataFrame) -> Tensor:
        """Raw rows, a Polars frame with these columns in any order, as rows for the model: (R, F) float32, NaN for
        a missing number, zeros for a category that the data set does not have."""
        absent = [column.name for column in self.columns if column.name not in frame.columns]
        if absent:
            raise DampenError(f"The rows must have the columns of the data set; {listed(absent)} are not there.")
        return self.assemble({column.name: frame[column.name] for column in self.columns}, LEARNED)

    def assemble(self, source: dict[str, Series], otherwise: str = MIXED) -> Tensor:
        """`encode` for columns that are not needed afterwards: `source` is emptied on the way, to spare memory.
        otherwise: what else could be done about texts among numbers."""
        height = len(next(iter(source.values())))
        matrix = np.zeros((height, len(self.features)), dtype=np.float32)
        indicator = len(self.numbers)
        for feature, column in enumerate(self.numbers):
            values = only_numbers(source.pop(column.name), f"The column {column.name!r}", otherwise)
            matrix[:, feature] = values - column.offset if column.offset else values
            if column.missing:
                matrix[:, indicator] = np.isnan(values)
                indicator += 1
            elif missing := int(np.isnan(values).sum()):
                raise DampenError(
                    f"The column {column.name!r} must have a number in every row, as in the data set; got none in "
                    f"{counted(missing)}. No network has learned what to make of that."
                )
        for column, (start, _) in zip(self.categorical, self.spans, strict=True):
            codes = _codes(source.pop(column.name), column.categories)
            known = np.flatnonzero(codes >= 0)
            matrix[known, start + codes[known]] = 1
        return torch.from_numpy(matrix)

    def to_record(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON."""
        columns = [{**dataclasses.asdict(column), "categories": list(column.categories)} for column in self.columns]
        return {"columns": columns, "coding": self.coding, "scale": self.scale}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Schema:
        columns = (Column(**{**column, "categories": tuple(column["categories"])}) for column in record["columns"])
        return cls(tuple(columns), record["coding"], record["scale"])


def _codes(column: Series, categories: tuple[str | None, ...]) -> np.ndarray:
    """The number of each cell's category, -1 where it is not among them."""
    import polars as pl

    present = [category for category in categories if category is not None]
    codes = texts(column).cast(pl.Enum(present), strict=False).to_physical()
    unknown = categories.index(None) if None in categories else -1
    missing = texts(column).is_null()
    return codes.cast(pl.Int64).fill_null(-1).set(missing, unknown).to_numpy()
