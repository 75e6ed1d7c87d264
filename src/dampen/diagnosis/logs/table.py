"""CSV and TSV: of Keras' `CSVLogger`, of Lightning, of anybody. Files larger than memory are read in pieces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DampenError, first_line
from ...history import History
from .looks import history_of
from .names import understood

if TYPE_CHECKING:
    from polars import DataFrame, Expr

SEPARATORS = ",;\t|"


def read_table(path: Path, head: str, growing: bool = False) -> History:
    """head: the file's first lines. growing: a last line without its end is still being written, and left out.

    Raises `DampenError` where it is no log.
    """
    import polars as pl

    line = next(line for line in head.splitlines() if line.strip())
    separator = max(SEPARATORS, key=line.count)
    try:
        table = pl.scan_csv(
            path, separator=separator, infer_schema=False, truncate_ragged_lines=True, encoding="utf8-lossy"
        )
        names = table.collect_schema().names()
        wanted = list(understood(names))
        numbers = table.select(_number(name, separator) for name in wanted)
        cut = growing and not _ends_whole(path)

        def frames() -> Iterator[DataFrame]:
            before = None
            for frame in numbers.collect_batches(maintain_order=True):
                if before is not None:
                    yield before
                before = frame
            if before is not None:
                yield before.head(-1) if cut else before

        return history_of(frames, names, path.name)
    except pl.exceptions.PolarsError as error:
        raise DampenError(f"{path.name!r} must be a table of text; it cannot be read: {first_line(error)}.") from None


def _number(name: str, separator: str) -> Expr:
    """A cell as a number; missing where it is none. Beside other separators a comma may be the decimal one."""
    import polars as pl

    text = pl.col(name).str.strip_chars()
    return (text if separator == "," else text.str.replace(",", ".", literal=True)).cast(pl.Float64, strict=False)


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
