"""CSV and Parquet files as Polars frames; whatever is wrong with a file is said in a sentence."""

from __future__ import annotations

import collections
import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DampenError, first_line
from ..words import counted, listed, shortened
from .cells import MISSING
from .files import check_unpacked

if TYPE_CHECKING:
    from polars import DataFrame

CHUNK_BYTES = 2**24
TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


def is_table(path: Path) -> bool:
    return path.name.lower().endswith(TABLES)


def read_table(path: Path) -> tuple[DataFrame, int]:
    """(frame, number of empty lines left out). Cells of a CSV file stay texts: a column's kind is decided where all
    its cells are seen, and labels keep their spelling."""
    frame, kept = read_rows(path)
    return (frame[kept] if len(kept) < frame.height else frame), frame.height - len(kept)


def read_rows(path: Path) -> tuple[DataFrame, np.ndarray]:
    """(frame, the rows of it that are no empty lines)."""
    import polars as pl

    frame = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    if not frame.height:
        raise DampenError(f"{path.name!r} must have rows; it has a header only.")
    if frame.width == 1:
        return frame, np.arange(frame.height)
    empty = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    return frame, np.flatnonzero(~empty.to_numpy())


def _parquet(path: Path) -> DataFrame:
    import polars as pl

    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise DampenError(f"{path.name!r} must be a Parquet file; it cannot be read: {first_line(error)}.") from None


def _csv(path: Path) -> DataFrame:
    import polars as pl

    separator = _separator(path)
    names = _header(path, separator)
    content = _unpacked(path) if path.suffix.lower() == ".gz" else path
    try:
        frame = pl.read_csv(content, separator=separator, infer_schema=False, null_values=list(MISSING))
    except (pl.exceptions.PolarsError, OSError) as error:
        _check_ragged(path, separator, len(names))
        raise DampenError(f"{path.name!r} must be a CSV file; it cannot be read: {first_line(error)}.") from None
    if frame.width == len(names) and frame[:, -1].null_count():  # a short row reads as if its last cells were empty
        _check_ragged(path, separator, len(names))
    frame.columns = names
    return frame


def _unpacked(path: Path) -> bytes:
    """What a .gz file holds; refused on the way where it grows out of proportion."""
    packed, unpacked = path.stat().st_size, bytearray()
    try:
        with gzip.open(path) as stream:
            while part := stream.read(CHUNK_BYTES):
                unpacked += part
                check_unpacked(path.name, packed, len(unpacked))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _not_text(path, error) from None
    return bytes(unpacked)


@contextmanager
def _text(path: Path) -> Iterator[Iterator[str]]:
    """The file as text, unzipped where it is; what is no text is said so."""
    try:
        opened = gzip.open if path.suffix.lower() == ".gz" else open
        with opened(path, "rt", encoding="utf-8-sig", newline="") as lines:  # type: ignore[operator]
            yield lines
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error, csv.Error) as error:
        raise _not_text(path, error) from None


def _not_text(path: Path, error: Exception) -> DampenError:
    do = "Save it as UTF-8." if isinstance(error, UnicodeDecodeError) else "Save or download it again."
    return DampenError(f"{path.name!r} must be a CSV file, UTF-8 text; it cannot be read: {first_line(error)}. {do}")


def _separator(path: Path) -> str:
    if ".tsv" in path.name.lower():
        return "\t"
    with _text(path) as lines:
        first = next(iter(lines), "")
    return "," if "," in first else max(";\t,", key=first.count)


def _header(path: Path, separator: str) -> list[str]:
    with _text(path) as lines:
        names = [name.strip() for name in next(csv.reader(lines, delimiter=separator), [])]
    if not any(names):
        raise DampenError(f"{path.name!r} must have a header and rows; its first line is empty.")
    names = [name or f"column {number}" for number, name in enumerate(names, 1)]
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    if twice:
        raise DampenError(f"Every column must have a name of its own; {path.name!r} has {listed(twice)} twice.")
    return names


def _check_ragged(path: Path, separator: str, width: int) -> None:
    """Refuse rows with more or fewer cells than the header, by the line of the first one."""
    first: tuple[int, int, str] | None = None
    count = 0
    with _text(path) as lines:
        reader = csv.reader(lines, delimiter=separator)
        for cells in reader:
            if cells and len(cells) != width:
                count += 1
                first = first or (reader.line_num, len(cells), cells[0])
    if first is not None:
        line, found, start = first
        raise DampenError(
            f"Every row of {path.name!r} must have {width} cells, as its header has; got others in {counted(count)}, "
            f"first line {line} with {found}, starting with {shortened(start)}. Quote cells that contain {separator!r}."
        )
