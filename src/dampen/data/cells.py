"""Cells of a table: what counts as missing, as text, as a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import DampenError
from ..words import counted, shortened

if TYPE_CHECKING:
    from polars import Series

MISSING = ("", "NA")
"""Texts that stand for a missing cell, blanks around them left aside."""


def texts(column: Series) -> Series:
    """Cells as texts without blanks around them; null where missing."""
    import polars as pl

    stripped = column.cast(pl.String).str.strip_chars()
    return stripped.set(stripped.is_in(list(MISSING)), None)


def numbers(column: Series) -> tuple[Series, Series]:
    """(cells as float64, null where missing or no number; the texts that are no numbers)."""
    import polars as pl

    if column.dtype != pl.String:
        return column.cast(pl.Float64), pl.Series(column.name, [], pl.String)
    values = column.cast(pl.Float64, strict=False)
    if values.null_count() > column.null_count():  # blanks, `NA`, or texts
        column = texts(column)
        values = column.cast(pl.Float64, strict=False)
    return values, column.filter(column.is_not_null() & values.is_null())


def check_points(odd: Series, who: str) -> None:
    """Refuse decimal commas: as texts, the numbers would pass for as many categories as there are rows."""
    if len(odd) and odd.str.contains(r"^\s*[+-]?[0-9]+,[0-9]+\s*$").all():
        raise DampenError(
            f"{who} must have decimal points; got decimal commas in {counted(len(odd))}, first {shortened(odd[0])}. "
            "Turn them into points."
        )


def only_numbers(column: Series, who: str, otherwise: str) -> np.ndarray:
    """Cells as float64 with NaN for what is missing; texts, NaN, infinity and what float32 cannot hold are refused
    by number of rows. who: e.g. "The column 'age'". otherwise: what else could be done about texts."""
    values, odd = numbers(column)
    if len(odd):
        raise DampenError(
            f"{who} must hold numbers; got text in {counted(len(odd))}, first {shortened(odd[0])}. {otherwise}"
        )
    present = values.drop_nulls()
    bad = int((~(present.abs() < 3e38)).sum())
    if bad:
        raise DampenError(
            f"{who} must be finite and below 3e38; got NaN, infinity or more in {counted(bad)}. "
            "Mend these cells, or drop their rows; where a number is missing, leave the cell empty."
        )
    return values.fill_null(float("nan")).to_numpy()
