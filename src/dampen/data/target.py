"""The target of a table: one column of classes or numbers, or several of labels or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..errors import DampenError
from ..words import counted, listed, naturally, shortened
from .cells import check_points, numbers, only_numbers, texts
from .facts import TASKS

if TYPE_CHECKING:
    from polars import Series

FEW = 20
"""Whole numbers of at most this many values, each in FEW_ROWS rows on average, are taken for classes."""
FEW_ROWS = 5
MAX_CLASSES = 1000
NO_AND_YES = (("0", "1"), ("0.0", "1.0"), ("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"))
"""What the cells of a label hold, in any case."""
MOSTLY = 0.9
"""A column with at least this share of numbers is meant to hold numbers."""


class Target(NamedTuple):
    """name: of the column, or of all of them. targets (R, C) one-hot, (R, L) of 0 and 1 or (R, M) numbers, float32.
    classes: as the source spells them, in the order of the targets' columns; of labels the columns' names."""

    name: str
    task: str
    targets: Tensor
    classes: tuple[str, ...]


def target_of(columns: Sequence[Series], task: str | None) -> Target:
    """The target, with the task that was asked for or the one that the cells tell plainly. Several columns are labels
    where each holds two values that say yes and no, else numbers."""
    if task is not None and task not in TASKS:
        raise DampenError(f"task must be {', '.join(TASKS[:-1])} or {TASKS[-1]}; got {task!r}.")
    cells = [texts(column) for column in columns]
    for each in cells:
        if each.null_count():
            raise DampenError(
                f"The target {each.name!r} must have a value in every row; got none in {counted(each.null_count())}. "
                "Drop these rows."
            )
    if len(columns) > 1 or task == "labels":
        labels = task == "labels" or (task is None and all(_yes_of(each) is not None for each in cells))
        return _labels(cells) if labels else _several_numbers(columns, task)
    task = task or _task_of(cells[0])
    return _classes(cells[0]) if task == "classes" else _numbers(columns[0])


def _several_numbers(columns: Sequence[Series], task: str | None) -> Target:
    names = listed([column.name for column in columns])
    if task == "classes":
        raise DampenError(f"Classes must stand in one column; got {names}. Name one of them, or pass --task labels.")
    parts = [_numbers(column) for column in columns]
    return Target(names, "numbers", torch.cat([part.targets for part in parts], 1), ())


def _yes_of(cells: Series) -> str | None:
    """Which of a column's values says yes, where it has two that say yes and no."""
    found = {value.strip().lower(): value for value in cells.unique().to_list()}
    return next((found[yes] for no, yes in NO_AND_YES if found.keys() == {no, yes}), None)


def _labels(cells: Sequence[Series]) -> Target:
    rows = []
    for each in cells:
        yes = _yes_of(each)
        if yes is None:
            values = naturally(each.unique().to_list())
            raise DampenError(
                f"The label {each.name!r} must hold two values, such as 0 and 1 or no and yes; got "
                f"{listed(list(map(shortened, values)))}. Leave it out, or pass --task numbers where all are numbers."
            )
        rows.append(torch.from_numpy((each == yes).to_numpy().copy()))
    names = [each.name for each in cells]
    return Target(listed(names), "labels", torch.stack(rows, 1).float(), tuple(names))


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
