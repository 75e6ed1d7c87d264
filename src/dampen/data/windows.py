"""A series in time, to be forecast: a window of its values is the input, a value that follows is the target."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from ..errors import DampenError
from ..words import counted, listed
from . import cells
from .dataset import NUM_PARTS, Dataset, from_arrays
from .in_time import EVEN, last_fifths, spelled, step_in_words, times_of, usual_step
from .reading import read_rows
from .tables import MAX_NUMBERS, check_names

if TYPE_CHECKING:
    from polars import DataFrame, Series

FEWEST = 2 * NUM_PARTS
"""Windows that three parts need."""


@dataclasses.dataclass(frozen=True)
class Windows:
    """How a series is cut: `window` values of `column` in a row are an input, the one `horizon` steps after the last of
    them is its target. time: the column that orders them; "" where the file's order does. step: from one row to the
    next, in the numbers of `times_of`; without a time 1."""

    column: str
    window: int
    horizon: int
    time: str = ""
    step: float = 1.0

    def describe(self) -> str:
        return f"windows of {counted(self.window, 'value')}, {counted(self.horizon, 'step')} ahead"


class Rows(NamedTuple):
    """inputs (N, 1, window), float32. names: the time of what each is to forecast, or the number of its row, from 1;
    after the last row these count on. heading: of the names. notes: what was left out."""

    inputs: Tensor
    names: Sequence[int | str]
    heading: str
    notes: tuple[str, ...]


class _Series(NamedTuple):
    """values (n,) in the order of time, from the first to the last that is there, NaN where one is missing; times (n,);
    breaks (n - 1,): whether two neighbours are not one step apart."""

    values: np.ndarray
    times: np.ndarray
    dated: bool
    step: float
    breaks: np.ndarray


def load_windows(
    path: str | Path,
    *,
    target: str | Sequence[str] | None = None,
    window: int,
    horizon: int = 1,
    time: str | None = None,
) -> Dataset:
    """The windows of a column of a table (.csv, .tsv, also .gz; .parquet), in the order of time: inputs (R, 1, window),
    targets (R, 1). The last fifth of the targets in time is the test part, the fifth before it validation; a window may
    reach back into the part before, where its values are known.

    target: the column; not needed where there is no other, but for the time. time: the column that orders the rows;
    without it their order in the file does. Windows across a gap in time or with a missing value are left out.
    Raises `DampenError` where there are too few, the values are no numbers, or the steps in time are not even.
    """
    window, horizon = _count("window", window), _count("horizon", horizon)
    path = Path(path)
    frame, kept = read_rows(path)
    others = [name for name in frame.columns if name != time]
    targets = (target,) if isinstance(target, str) else tuple(target or (others if len(others) == 1 else ()))
    check_names(path.name, frame.columns, targets, {"time": time}, (), ())
    if len(targets) > 1:
        raise DampenError(f"A series to forecast must be one column; got {listed(targets)}. Name one with --target.")
    windows = Windows(targets[0], window, horizon, time or "")
    series = _series(frame[kept] if time else frame, windows)
    starts, notes = _sound(series, windows, horizon)
    _check_enough(series, windows, len(starts), notes)
    places = starts + window + horizon - 1
    data = from_arrays(_inputs(series, starts, window), series.values[places], name=path.name.partition(".")[0])
    validation_rows, test_rows = last_fifths(series.times[places])
    aside = [name for name in others if name != windows.column]
    return dataclasses.replace(
        data,
        validation_rows=validation_rows,
        test_rows=test_rows,
        parts_from="split in time",
        windows=dataclasses.replace(windows, step=series.step),
        notes=(*((f"left out beside the series: {listed(aside)}",) if aside else ()), *notes),
    )


def rows_of(windows: Windows, frame: DataFrame) -> Rows:
    """Every window of new rows, the last one too, of which nobody knows yet what follows."""
    if windows.column not in frame.columns:
        raise DampenError(
            f"The rows must have the column {windows.column!r} that the network forecasts; they have not."
        )
    timed = windows.time in frame.columns
    series = _series(frame, windows if timed else dataclasses.replace(windows, time="", step=1.0))
    if timed and abs(series.step / windows.step - 1) > EVEN:
        ours, theirs = (step_in_words(step, series.dated) for step in (windows.step, series.step))
        raise DampenError(
            f"The time {windows.time!r} must go in steps of {ours}, as in training; got steps of {theirs}."
        )
    starts, notes = _sound(series, windows, 0)
    if not len(starts):
        raise DampenError(
            f"The rows must hold {counted(windows.window, 'value')} of {windows.column!r} in a row, without a gap; got "
            f"{counted(len(series.values), 'value')}" + "".join(f"; {note}" for note in notes) + "."
        )
    times = series.times[starts + windows.window - 1] + windows.horizon * series.step
    if windows.time and not timed:
        notes = (f"there is no column {windows.time!r}: the file's order is taken for the order in time", *notes)
    names = spelled(times, series.dated) if timed else times.astype(int).tolist()
    return Rows(_inputs(series, starts, windows.window), names, windows.time if timed else "row", notes)


# ------------------------------------------------------------------ the series


def _series(frame: DataFrame, windows: Windows) -> _Series:
    values = _values(frame[windows.column])
    times, dated, step = np.arange(1.0, len(values) + 1), False, windows.step
    if windows.time:
        times, dated = times_of(frame[windows.time])
        order = np.argsort(times)
        values, times = values[order], times[order]
        step = usual_step(windows.time, times, dated) if len(times) > 1 else step
    present = np.flatnonzero(~np.isnan(values))
    if not len(present):
        raise DampenError(f"The target {windows.column!r} must have values; all of its cells are empty.")
    inside = slice(present[0], present[-1] + 1)  # what is missing at the ends is no gap: a file may end in empty lines
    values, times = values[inside], times[inside]
    return _Series(values, times, dated, step, np.abs(np.diff(times) / step - 1) > EVEN)


def _values(column: Series) -> np.ndarray:
    import polars as pl

    who = f"The target {column.name!r}"
    if not (column.dtype.is_numeric() or column.dtype in (pl.String, pl.Boolean)):
        raise DampenError(f"{who} must hold numbers; got {column.dtype}. Name another column with --target.")
    values, odd = cells.numbers(column)
    cells.check_points(odd, who)
    known = column if len(odd) else values.fill_nan(None)
    return cells.only_numbers(known, who, "Mend these cells; leave those empty whose number is missing.")


# ------------------------------------------------------------------ its windows


def _sound(series: _Series, windows: Windows, ahead: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """(where windows begin that reach across no gap and lack no value, notes on the others). ahead: how many steps
    after a window its target is looked up."""
    span, holes = windows.window + ahead, np.isnan(series.values)
    starts = np.arange(max(0, len(series.values) - span + 1))
    torn = _any_of(series.breaks, starts, span - 1)
    lacking = _any_of(holes, starts, windows.window) | holes[starts + span - 1]
    lacking &= ~torn
    notes = []
    if torn.any():
        gaps = f"gaps in {windows.time!r}: {int(series.breaks.sum()):,}"
        usual = f"usual step: {step_in_words(series.step, series.dated)}"
        notes.append(f"{counted(int(torn.sum()), 'window')} across a gap left out ({gaps}; {usual})")
    if lacking.any():
        missing = f"missing values: {int(holes.sum()):,}"
        notes.append(f"{counted(int(lacking.sum()), 'window')} with a missing value left out ({missing})")
    return starts[~torn & ~lacking], tuple(notes)


def _any_of(marks: np.ndarray, starts: np.ndarray, count: int) -> np.ndarray:
    """Whether any of the `count` marks from each start on is set."""
    before = np.concatenate([[0], np.cumsum(marks)])
    return before[starts + count] > before[starts]


def _inputs(series: _Series, starts: np.ndarray, window: int) -> Tensor:
    if len(starts) * window > MAX_NUMBERS:
        raise DampenError(
            f"A series must have at most {MAX_NUMBERS} numbers in its windows; got {len(starts) * window}. Take a "
            "shorter window."
        )
    cut = sliding_window_view(series.values.astype(np.float32), window)[starts]
    return torch.from_numpy(np.ascontiguousarray(cut))[:, None]


def _check_enough(series: _Series, windows: Windows, count: int, notes: tuple[str, ...]) -> None:
    window, horizon, length = windows.window, windows.horizon, len(series.values)
    if length < window + horizon + FEWEST - 1:
        raise DampenError(
            f"The target {windows.column!r} must have at least {window + horizon + FEWEST - 1} values, for windows of "
            f"{window} and targets {horizon} ahead in three parts; got {length}. Take a shorter window."
        )
    if count < FEWEST:
        otherwise = ", or, where the rows count as evenly spaced, leave the time out" if series.breaks.any() else ""
        raise DampenError(
            f"The target {windows.column!r} must have at least {FEWEST} windows of {window} values without a gap; got "
            f"{count}: {', '.join(notes)}. Take a shorter window, fill in what is missing{otherwise}."
        )


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise DampenError(f"{name} must be a whole number, at least 1; got {value!r}.")
    return int(value)
