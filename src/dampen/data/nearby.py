"""What lies in a folder and below it that could be read as a data set, found without reading the data."""

from __future__ import annotations

import csv
import gzip
import os
import shlex
from pathlib import Path
from typing import NamedTuple

from ..errors import DampenError, first_line
from ..words import counted
from .archives import about
from .files import hidden, is_image
from .idx import IMAGES, find_idx, holds_idx, sides_of
from .images import TEST, TRAIN, VALIDATION, class_folders, label_file
from .reading import is_table

TARGETS = ("target", "class", "label", "y")
SKIPPED = frozenset(("node_modules", "site-packages", "venv", "env", "build", "dist"))
MAX_FOLDERS, MAX_FILES = 500, 2000
"""Folders looked into, and entries of one folder looked at; what lies beyond is not listed."""


class Found(NamedTuple):
    """path: as it can be typed. kind: table, archive, IDX images, images or labelled images. about: what the headers
    tell. command: what to type."""

    path: str
    kind: str
    about: str
    command: str


def nearby(folder: str | Path = ".", depth: int = 2) -> list[Found]:
    """Data files and folders in `folder` and at most `depth` folders below it, in the order of their paths.

    Reads headers only; never looks into hidden folders and those of environments and builds.
    """
    found: list[Found] = []
    queue: list[tuple[Path, int]] = [(Path(folder), 0)]
    seen: set[Path] = set()
    while queue and len(seen) < MAX_FOLDERS:
        place, level = queue.pop(0)
        if place.resolve() in seen:  # links may lead in circles
            continue
        seen.add(place.resolve())
        files, folders = _entries(place)
        whole = _as_a_whole(place, files, folders)
        if whole is not None:
            found.append(whole)
            continue
        found += [told for told in map(_of_file, files) if told is not None]
        if level < depth:
            queue += [(path, level + 1) for path in folders]
    return sorted(found, key=lambda one: one.path)


def _entries(place: Path) -> tuple[list[Path], list[Path]]:
    """(files, folders), hidden ones left out."""
    try:
        with os.scandir(place) as entries:
            first = [entry for entry, _ in zip(entries, range(MAX_FILES), strict=False)]
            files = sorted(place / entry.name for entry in first if entry.is_file())
            folders = sorted(place / entry.name for entry in first if entry.is_dir())
    except OSError:  # not ours to read
        return [], []
    return (
        [path for path in files if not hidden(path)],
        [path for path in folders if not hidden(path) and path.name not in SKIPPED],
    )


def _as_a_whole(place: Path, files: list[Path], folders: list[Path]) -> Found | None:
    """The folder itself, where it is a data set."""
    try:
        if files and holds_idx(place):
            return _of_idx(place)
        table = label_file(place)
        if table is not None and (any(map(is_image, files)) or class_folders(place)):
            return _found(place, "labelled images", f"labels in {table.name}")
        return _of_images(place, folders)
    except (DampenError, OSError, EOFError):  # it looks like one and is none: reading it will say why
        return None


def _of_idx(place: Path) -> Found | None:
    shapes = [sides_of(path) for (_, magic), path in find_idx(place).items() if magic == IMAGES]
    if not shapes:
        return None
    rows = sum(shape[0] for shape in shapes)
    return _found(place, "IDX", f"{rows:,} images of {shapes[0][2]} x {shapes[0][1]}")


def _of_images(place: Path, folders: list[Path]) -> Found | None:
    """Class folders, at once or below train/."""
    train = [path for path in folders if path.name.lower() in TRAIN]
    classes = class_folders(train[0]) if train else []
    if not classes:
        direct = [path for path in folders if any(map(is_image, _entries(path)[0]))]
        classes = [path for path in direct if path.name.lower() not in (*TRAIN, *TEST, *VALIDATION)]
    if len(classes) < 2:
        return None
    return _found(place, "images", f"{len(classes):,} classes")


def _of_file(path: Path) -> Found | None:
    try:
        if path.suffix.lower() == ".npz":
            return _found(path, "archive", about(path))
        if is_table(path):
            return _of_table(path)
    except (DampenError, OSError, EOFError, ValueError, IndexError, csv.Error):
        return None
    return None


def _of_table(path: Path) -> Found | None:
    columns, rows = _parquet(path) if path.suffix.lower() == ".parquet" else (_header(path), None)
    if len(columns) < 2:
        return None
    said = counted(len(columns), "column")
    target = next((name for name in columns if name.strip().lower() in TARGETS), None)
    return _found(
        path,
        "table",
        said if rows is None else f"{counted(rows, 'row')}, {said}",
        f" --target {shlex.quote(target) if target else 'COLUMN'}",
    )


def _header(path: Path) -> list[str]:
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else open(path, newline="") as file:
        line = file.readline(2**20)
    return next(csv.reader([line], delimiter=max(",;\t", key=line.count)), [])


def _parquet(path: Path) -> tuple[list[str], int]:
    import polars as pl

    try:
        frame = pl.scan_parquet(path)
        return frame.collect_schema().names(), int(frame.select(pl.len()).collect().item())
    except pl.exceptions.PolarsError as error:
        raise DampenError(first_line(error)) from None


def _found(path: Path, kind: str, about: str, options: str = "") -> Found:
    return Found(str(path), kind, about, f"dampen compare {shlex.quote(str(path))}{options}")
