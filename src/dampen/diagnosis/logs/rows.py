"""Rows of a log, of any length: numbers of many rows are added up where nothing is measured between them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ...errors import DampenError
from .names import Column

if TYPE_CHECKING:
    from polars import DataFrame, Expr

MOST = 100_000
"""Looks at a training that are kept apart."""


class Cell(NamedTuple):
    """Numbers of one column: their sum, how many, and the last."""

    total: float
    number: int
    last: float

    def with_later(self, other: Cell) -> Cell:
        return Cell(self.total + other.total, self.number + other.number, other.last)


class Row(NamedTuple):
    """One row of a log, or neighbours added up. epoch and step: of the last of them; None where the log has none.
    first_step: of the first of them."""

    epoch: float | None
    step: float | None
    first_step: float | None
    cells: dict[str, Cell]


Boundary = Callable[[list[str]], "Expr"]
"""Where a row is not added to the one before, given the columns of validation."""


class _TooMany(Exception):
    """More rows than are kept apart."""


def read_rows(
    frames: Callable[[], Iterable[DataFrame]], columns: Mapping[str, Column], name: str
) -> tuple[list[Row], bool]:
    """The rows of a log, and whether looks of one epoch had to be added up.

    frames: gives the log from its beginning, in pieces, columns of float; it may be called up to three times. Rows are
    kept apart where they are few; else those of one epoch between two measurements on validation are added up, at
    last all of one epoch. Raises `DampenError` where even those are more than 100,000.
    """
    roles = {column.role for column in columns.values()}
    parts = {column.part for column in columns.values()}
    for boundary, possible in ((_every_row, True), (_looks, "val" in parts), (_epochs, "epoch" in roles)):
        with contextlib.suppress(_TooMany):
            if possible:
                rows = _read(frames, columns, boundary)
                return (_of_epochs(rows), True) if boundary is _epochs else (rows, False)
    raise DampenError(f"{name!r} must have at most {MOST:,} looks or epochs; it has more. Log one row per epoch.")


def _read(frames: Callable[[], Iterable[DataFrame]], columns: Mapping[str, Column], boundary: Boundary) -> list[Row]:
    rows: list[Row] = []
    for frame in frames():
        for row in _added_up(frame, columns, boundary):
            rows.append(row)
            if len(rows) > MOST:
                raise _TooMany
    return rows


def _of_epochs(rows: list[Row]) -> list[Row]:
    return [row._replace(epoch=None if row.epoch is None else float(math.floor(row.epoch)), step=None) for row in rows]


def _added_up(frame: DataFrame, columns: Mapping[str, Column], boundary: Boundary) -> Iterator[Row]:
    import polars as pl

    roles = {column.role: name for name, column in columns.items() if column.role in ("epoch", "step")}
    values = [name for name, column in columns.items() if column.role not in roles and name in frame.columns]
    if not values:
        return
    numbered = frame.filter(pl.any_horizontal(pl.col(values).is_not_null())).select(
        *(pl.col(name).cast(pl.Float64).alias(f"value {place}") for place, name in enumerate(values)),
        # a row without an epoch, such as one of a learning rate, stands before what it belongs to
        _position(frame, roles.get("epoch")).backward_fill().forward_fill().alias("epoch"),
        _position(frame, roles.get("step")).forward_fill().alias("step"),
    )
    validation = [f"value {place}" for place, name in enumerate(values) if columns[name].part == "val"]
    apart = numbered.with_columns(boundary(validation).fill_null(False).cum_sum().alias("run"))
    sums: list[Expr] = [pl.col("epoch", "step").last(), pl.col("step").first().alias("first step")]
    for place in range(len(values)):
        cell = pl.col(f"value {place}")
        sums += [
            cell.sum().alias(f"total {place}"),
            cell.count().alias(f"count {place}"),
            cell.drop_nulls().last().alias(f"last {place}"),
        ]
    for _, epoch, step, first_step, *cells in apart.group_by("run", maintain_order=True).agg(sums).iter_rows():
        found = {name: Cell(*cells[3 * place : 3 * place + 3]) for place, name in enumerate(values)}
        yield Row(epoch, step, first_step, {name: cell for name, cell in found.items() if cell.number})


def _position(frame: DataFrame, name: str | None) -> Expr:
    import polars as pl

    return (
        pl.lit(None, dtype=pl.Float64)
        if name not in frame.columns
        else pl.when(pl.col(name).is_finite()).then(pl.col(name))
    )


def _every_row(validation: list[str]) -> Expr:
    import polars as pl

    return pl.int_range(pl.len()) >= 0


def _looks(validation: list[str]) -> Expr:
    import polars as pl

    measured = pl.any_horizontal(pl.col(validation).is_not_null()) if validation else pl.lit(False)
    return _epochs(validation) | measured | measured.shift(1) | (pl.col("step") < pl.col("step").shift(1))


def _epochs(validation: list[str]) -> Expr:
    import polars as pl

    epoch = pl.col("epoch").floor()
    return epoch.ne_missing(epoch.shift(1))
