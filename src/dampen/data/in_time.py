"""Splitting in time: the last rows judge, those before them choose, the first ones train."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import DampenError
from ..words import counted, shortened
from .cells import numbers, texts
from .dataset import NUM_PARTS
from .split import TEST_FRACTION, VALIDATION_FRACTION

if TYPE_CHECKING:
    from polars import Series

EPOCH = datetime.datetime(1970, 1, 1)
UNITS = {"day": 86_400e6, "hour": 3_600e6, "minute": 60e6, "second": 1e6}
"""In microseconds."""
EVEN = 0.01
"""Two rows are a step apart where the time between them is off by no more than this share of the step."""
ODD_FRACTION = 0.1
"""Where more than this share of the rows comes no whole number of steps after the row before, there is no step."""


class Times(NamedTuple):
    """values: numbers as they are; dates and times of day in microseconds since 1970. dated: which of the two."""

    values: np.ndarray
    dated: bool


def parts_in_time(column: Series) -> tuple[Tensor, Tensor]:
    """(validation rows, test rows): the last fifth in time is the test part, the fifth before it validation. Rows
    of the same time stay together: the cuts move to the nearest change of time."""
    times = times_of(column).values
    count = len(np.unique(times))
    if count < NUM_PARTS:
        raise DampenError(
            f"The time {column.name!r} must take at least three values, for training, validation and test part; "
            f"got {count}."
        )
    return last_fifths(times)


def last_fifths(times: np.ndarray) -> tuple[Tensor, Tensor]:
    """As `parts_in_time`, of times of which there are at least three."""
    ordered = np.sort(times)
    changes = np.flatnonzero(np.diff(ordered)) + 1
    test_from = _nearest(changes[1:], (1 - TEST_FRACTION) * len(times))
    validation_from = _nearest(changes[changes < test_from], (1 - TEST_FRACTION - VALIDATION_FRACTION) * len(times))
    test = times >= ordered[test_from]
    validation = (times >= ordered[validation_from]) & ~test
    return torch.from_numpy(np.flatnonzero(validation)), torch.from_numpy(np.flatnonzero(test))


def _nearest(changes: np.ndarray, place: float) -> int:
    return int(changes[np.abs(changes - place).argmin()])


def times_of(column: Series) -> Times:
    """The times of all rows; refused where one is none, or not known."""
    import polars as pl

    who = f"The time {column.name!r}"
    dated = column.dtype.is_temporal()
    if dated:
        stamps = column.cast(pl.Datetime) if column.dtype == pl.Date else column
        stamps = stamps.dt.cast_time_unit("us") if stamps.dtype == pl.Datetime else stamps
        values = stamps.to_physical().cast(pl.Float64)
    else:
        values, odd = numbers(column)
        if dated := len(odd) > 0:
            column = texts(column)
            values = dates(column)
            odd = column.filter(column.is_not_null() & values.is_null())
        if len(odd):
            raise DampenError(
                f"{who} must hold numbers or dates such as 2024-05-31 or 2024-05-31 18:30; got text in "
                f"{counted(len(odd))}, first {shortened(odd[0])}."
            )
    missing = values.null_count() + int((~values.is_finite()).sum())
    if missing:
        raise DampenError(f"{who} must be known of every row; got none in {counted(missing)}. Drop these rows.")
    return Times(values.to_numpy(), dated)


def usual_step(name: str, times: np.ndarray, dated: bool) -> float:
    """The time from one row of a series to the next, gaps left aside. times: in order, at least two."""
    steps = np.diff(times)
    again = times[1:][steps == 0]
    if len(again):
        raise DampenError(
            f"The time {name!r} must be another in every row of a series; got {counted(len(again))} with the time of "
            f"another, first {spelled(again[:1], dated)[0]}. Keep one row of each time, and one series in a file."
        )
    step = float(np.sort(steps)[(len(steps) - 1) // 2])
    odd = int((np.abs(steps / step - np.round(steps / step)) > EVEN).sum())
    if odd > ODD_FRACTION * len(steps):
        raise DampenError(
            f"The time {name!r} must go in even steps, but for gaps; its usual step is {step_in_words(step, dated)}, "
            f"and {odd:,} of {len(steps):,} are no multiple of it. Where the rows stand in order and count as evenly "
            "spaced, leave the time out."
        )
    return step


def dates(cells: Series) -> Series:
    """Microseconds since 1970, null for what is no date."""
    import polars as pl

    cells = cells.str.replace(r"^(\d{4})/(\d{1,2})/", "$1-$2-")
    days = cells.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
    found = [days]
    for form in ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"):
        found.append(cells.str.to_datetime(form, strict=False, time_unit="us"))
    merged = pl.DataFrame({str(i): series for i, series in enumerate(found)}).select(pl.coalesce(pl.all())).to_series()
    return merged.to_physical().cast(pl.Float64)


def spelled(times: np.ndarray, dated: bool) -> list[str]:
    """Times of `times_of` as people write them."""
    if not dated:
        return [f"{time:.12g}" for time in times]
    stamps = [EPOCH + datetime.timedelta(microseconds=float(time)) for time in times]
    if all(stamp.time() == datetime.time() for stamp in stamps):
        return [str(stamp.date()) for stamp in stamps]
    return [stamp.isoformat(" ") for stamp in stamps]


def step_in_words(step: float, dated: bool) -> str:
    """The time between two rows: 1 day, 6 hours, 0.5."""
    if not dated:
        return f"{step:g}"
    name, size = next(((name, size) for name, size in UNITS.items() if step >= size), ("second", UNITS["second"]))
    return f"{step / size:g} {name}" + ("" if step == size else "s")
