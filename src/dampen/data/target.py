"""The target column of a table: classes or numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..errors import DampenError
from ..words import counted, naturally, shortened
from .cells import check_points, numbers, only_numbers, texts

if TYPE_CHECKING:
    from polars import Series

TASKS = ("classes", "numbers")
FEW = 20
"""Whole numbers of at most this many values, each in FEW_ROWS rows on average, are taken for classes."""
FEW_ROWS = 5
MAX_CLASSES = 1000
MOSTLY = 0.9
"""A column with at least this share of numbers is meant to hold numbers."""


class Target(NamedTuple):
    """name: of the column. targets (R, C) one-hot or (R, 1) numbers, float32. classes: labels as the source spells
    them, in the order of the columns."""

    name: str
    task: str
    targets: Tensor
    classes: tuple[str, ...]


def target_of(column: Series, task: str | None) -> Target:
    """The target, with the task that was asked for or the one that the cells tell plainly."""
    if task is not None and task not in TASKS:
        raise DampenError(f"task must be classes or numbers; got {task!r}.")
    cells = texts(column)
    if cells.null_count():
        raise DampenError(
            f"The target {column.name!r} must have a value in every row; got none in {counted(cells.null_count())}. "
            "Drop these rows."
        )
    task = task or _task_of(cells)
    return _classes(cells) if task == "classes" else _numbers(column)


def _task_of(cells: Series) -> str:
    values, odd = numbers(cells)
    check_points(odd, f"The target {cells.name!r}")
    distinct = cells.n_unique()
    if len(odd):
        if distinct > FEW and len(odd) <= (1 - MOSTLY) * len(cells):
            raise DampenError(
                f"The target {cells.name!r} must hold numbers or classes; got numbers with text in "
                f"{counted(len(odd))}, first {shortened(odd[0])}. Drop these rows, or pass --task classes."
            )
        return "classes"
    few = distinct <= FEW and distinct * FEW_ROWS <= len(cells)
    whole = bool((values == values.round()).all())
    spelled_whole = whole and bool(cells.str.contains(r"^[+-]?[0-9]+$").all())
    if (spelled_whole and few) or distinct < 2:
        return "classes"
    if not spelled_whole and not (whole and few):
        return "numbers"
    what = f"whole numbers of {distinct} values" if spelled_whole else f"{distinct} values such as {cells[0]}"
    raise DampenError(
        f"The target {cells.name!r} must be plainly classes or numbers; got {what}. Pass --task classes or "
        "--task numbers."
    )


def _classes(cells: Series) -> Target:
    import polars as pl

    labels = naturally(cells.unique().to_list())
    if len(labels) < 2:
        raise DampenError(f"The target {cells.name!r} must have at least two classes; got one, {labels[0]}.")
    if len(labels) > MAX_CLASSES:
        raise DampenError(
            f"The target {cells.name!r} must have at most {MAX_CLASSES} classes; got {len(labels)}, such as "
            f"{shortened(labels[0])}. Is it a number? Pass --task numbers."
        )
    codes = torch.from_numpy(cells.cast(pl.Enum(labels)).to_physical().cast(pl.Int64).to_numpy().copy())
    targets = torch.zeros(len(cells), len(labels))
    targets[torch.arange(len(cells)), codes] = 1
    return Target(cells.name, "classes", targets, tuple(labels))


def _numbers(column: Series) -> Target:
    values = only_numbers(column, f"The target {column.name!r}", "Mend or drop these rows, or pass --task classes.")
    if (values == values[0]).all():
        raise DampenError(f"The target must vary; got the value {values[0]:g} in all {counted(len(values))}.")
    return Target(column.name, "numbers", torch.from_numpy(values.astype("float32"))[:, None], ())
