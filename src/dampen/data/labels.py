"""Tables of file names and labels, such as the train.csv of a folder of images."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from ..errors import DampenError
from ..words import counted, listed
from .files import IMAGE_SUFFIXES

FILE_COLUMNS = (
    *("filename", "file_name", "file", "image", "image_name", "img", "path", "filepath", "image_path"),
    *("image_id", "id", "name"),
)
LABEL_COLUMNS = ("label", "labels", "class", "target", "class_name", "category", "y")


def read_labels(path: Path, required: bool = True) -> tuple[list[str], list[str]]:
    """(file names, labels) of a table with a header; columns are found by their usual names, or are the only two.
    Where there is no column of labels and none is `required`, there are no labels."""
    header, rows = _read(path)
    file_column = _column(header, FILE_COLUMNS)
    label_column = _column(header, LABEL_COLUMNS)
    if len(header) == 2 and None in (file_column, label_column):
        file_column = 0 if file_column is None and label_column != 0 else file_column
        file_column = 1 if file_column is None else file_column
        label_column = 1 - file_column
    if label_column is None and not required:
        return [], []
    if file_column is None or label_column is None:
        raise DampenError(
            f"{path.name} must have a column of file names (such as {FILE_COLUMNS[0]}) and one of labels (such as "
            f"{LABEL_COLUMNS[0]}); got {listed(header, 3)}. If it is a table without images, name its --target."
        )
    names = [row[file_column].strip() for row in rows]
    labels = [row[label_column].strip() for row in rows]
    empty = [name or "(no name)" for name, label in zip(names, labels, strict=True) if not label or not name]
    if empty:
        raise DampenError(
            f"Every line of {path.name} must have a file name and a label; {counted(len(empty), 'line')} without: "
            f"{listed(empty, 3)}. Fill or delete them."
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DampenError(
            f"{path.name} must name every file once; {counted(len(twice), 'file')} more often: {listed(twice, 3)}. "
            "Delete the lines that are too many."
        )
    return names, labels


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows, all of one length; comma, semicolon or tab, whichever is most in the header."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            start = file.readline()
            file.seek(0)
            rows = [row for row in csv.reader(file, delimiter=max(",;\t", key=start.count)) if row]
    except FileNotFoundError:
        raise DampenError(f"There is no file {str(path)!r}.") from None
    except (UnicodeDecodeError, csv.Error):
        raise DampenError(f"{path.name} must be a table as UTF-8 text; it is none.") from None
    if len(rows) < 2:
        raise DampenError(
            f"{path.name} must have a header and at least one line below it; got {counted(len(rows), 'line')}."
        )
    header, body = [name.strip() for name in rows[0]], rows[1:]
    if any(Path(cell).suffix.lower() in IMAGE_SUFFIXES for cell in header):
        raise DampenError(f"{path.name} must begin with a header such as filename,label; got {','.join(header)}.")
    for line, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise DampenError(
                f"{path.name} must have {counted(len(header), 'cell')} in every line; line {line} has {len(row)}."
            )
    return header, body


def _column(header: list[str], known: tuple[str, ...]) -> int | None:
    """The first of `known` that is in the header, whatever its case."""
    lower = [name.lower().replace(" ", "_") for name in header]
    return next((lower.index(name) for name in known if name in lower), None)
