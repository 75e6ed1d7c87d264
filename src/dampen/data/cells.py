"""Cells of a table: what counts as missing, as text, as a number, and how labels sort."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DampenError

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


def only_numbers(column: Series, who: str, otherwise: str) -> np.ndarray:
    """Cells as float64 with NaN for what is missing; texts, NaN, infinity and what float32 cannot hold are refused
    by number of rows. who: e.g. "The column 'age'". otherwise: what else could be done about texts."""
    values, odd = numbers(column)
    if len(odd):
        raise DampenError(
            f"{who} must hold numbers; got text in {rows(len(odd))}, first {shortened(odd[0])}. {otherwise}"
        )
    present = values.drop_nulls()
    bad = int((~(present.abs() < 3e38)).sum())
    if bad:
        raise DampenError(
            f"{who} must be finite and below 3e38; got NaN, infinity or more in {rows(bad)}. "
            "Mend these cells, or drop their rows."
        )
    return values.fill_null(float("nan")).to_numpy()


def naturally(labels: Iterable[str]) -> list[str]:
    """Sorted as people sort: numbers by size, digits inside a text as numbers."""
    listed = list(labels)
    try:
        return sorted(listed, key=lambda label: (float(label), label))
    except ValueError:
        return sorted(listed, key=_natural_key)


def _natural_key(label: str) -> tuple[list[tuple[int, int, str]], str]:
    parts = [part for part in re.split(r"([0-9]+)", label) if part]
    return [(0, int(p), "") if p.isascii() and p.isdigit() else (1, 0, p.lower()) for p in parts], label


def rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def shortened(text: str, limit: int = 40) -> str:
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def listed(names: Iterable[str], limit: int = 6) -> str:
    """The first names and how many more there are."""
    every = list(names)
    more = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more
