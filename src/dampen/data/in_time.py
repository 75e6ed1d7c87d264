"""Splitting in time: the last rows judge, those before them choose, the first ones train."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..errors import DampenError
from ..words import counted, shortened
from .cells import numbers, texts
from .split import TEST_FRACTION, VALIDATION_FRACTION

if TYPE_CHECKING:
    from polars import Series


def parts_in_time(column: Series) -> tuple[Tensor, Tensor]:
    """(validation rows, test rows): the last fifth in time is the test part, the fifth before it validation. Rows
    of the same time stay together: the cuts move to the nearest change of time."""
    times = _times(column)
    ordered = np.sort(times)
    changes = np.flatnonzero(np.diff(ordered)) + 1
    if len(changes) < 2:
        raise DampenError(
            f"The time {column.name!r} must take at least three values, for training, validation and test part; "
            f"got {len(changes) + 1}."
        )
    test_from = _nearest(changes[1:], (1 - TEST_FRACTION) * len(times))
    validation_from = _nearest(changes[changes < test_from], (1 - TEST_FRACTION - VALIDATION_FRACTION) * len(times))
    test = times >= ordered[test_from]
    validation = (times >= ordered[validation_from]) & ~test
    return torch.from_numpy(np.flatnonzero(validation)), torch.from_numpy(np.flatnonzero(test))


def _nearest(changes: np.ndarray, place: float) -> int:
    return int(changes[np.abs(changes - place).argmin()])


def _times(column: Series) -> np.ndarray:
    """Numbers, dates or times as numbers that grow with time."""
    import polars as pl

    who = f"The time {column.name!r}"
    if column.dtype.is_temporal():
        values = column.to_physical().cast(pl.Float64)
    else:
        values, odd = numbers(column)
        if len(odd):
            column = texts(column)
            values = dates(column)
            odd = column.filter(column.is_not_null() & values.is_null())
        if len(odd):
            raise DampenError(
                f"{who} must hold numbers or dates such as 2024-05-31 or 2024-05-31 18:30; got text in "
                f"{counted(len(odd))}, first {shortened(odd[0])}."
            )
    missing = values.null_count() + int(values.is_nan().sum())
    if missing:
        raise DampenError(f"{who} must be known of every row; got none in {counted(missing)}. Drop these rows.")
    return values.to_numpy()


def dates(cells: Series) -> Series:
    """Microseconds since 1970, null for what is no date."""
    import polars as pl

    days = cells.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
    found = [days]
    for form in ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"):
        found.append(cells.str.to_datetime(form, strict=False, time_unit="us"))
    merged = pl.DataFrame({str(i): series for i, series in enumerate(found)}).select(pl.coalesce(pl.all())).to_series()
    return merged.to_physical().cast(pl.Float64)
