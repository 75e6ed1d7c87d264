"""Tables: CSV and Parquet files with a target column, and numbers and categories or a text."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import DampenError, NoSuchName
from ..words import counted, listed, naturally, shortened
from .cells import check_points, numbers, only_numbers, texts
from .dataset import NUM_PARTS, Dataset, check_labels
from .in_time import dates, parts_in_time
from .named_parts import named_parts
from .reading import read_table
from .schema import CATEGORY, MIXED, NUMBER, Column, Schema
from .split import sizes_by_group
from .target import MOSTLY, Target, target_of
from .texts import known_of, tokens_of, unreadable, vocabulary_of

if TYPE_CHECKING:
    from polars import DataFrame, Series

MAX_CATEGORIES = 1000
MAX_NUMBERS = 2**30
"""Encoded tables of more numbers than this (4 GiB) are refused."""


class Read(NamedTuple):
    """A file: its rows, its name, and the rows that are its own test part."""

    frame: DataFrame
    name: str
    test_rows: Tensor | None
    empty: int


def load_table(
    path: str | Path,
    *,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    group: str | None = None,
    time: str | None = None,
    split: str | None = None,
    text: str | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    categories: str = "onehot",
    scale: str = "standard",
    test: str | Path | None = None,
) -> Dataset:
    """A CSV (.csv, .tsv, also .gz) or Parquet file as a data set.

    target: the column to predict, or several: labels, each there or not, or numbers. task: "classes", "labels" or
    "numbers", where the columns do not tell. group: rows of one
    group never stand in two parts. time: the last rows in time are the test part. split: the column that says of each
    row whether it is to train, validation (or dev) or test. text: the column of texts to learn from, as token ids;
    columns besides are left out. drop: columns to leave out.
    categorical: columns of numbers that are names of categories. categories: "onehot" or "embed". scale: "standard",
    "quantile", "robust" or "bins". test: a second file with the same columns, its test part. Empty cells and `NA` are
    missing.

    Raises `DampenError` where the file, a column or a cell does not fit, by name and number of rows.
    """
    read = _read(Path(path), None if test is None else Path(test))
    frame = read.frame
    schema = Schema((), categories, scale)
    targets = () if target is None else (target,) if isinstance(target, str) else tuple(target)
    roles = {"group": group, "time": time, "split": split, "text": text}
    check_names(read.name, frame.columns, targets, roles, drop, categorical)
    source = {name: frame[name] for name in frame.columns if name not in drop}
    del frame
    empty, name, test_rows = read.empty, read.name, read.test_rows
    del read
    if len(next(iter(source.values()))) < 2 * NUM_PARTS:
        raise DampenError(f"{name!r} must have at least {2 * NUM_PARTS} rows; got {len(next(iter(source.values())))}.")
    aside = {role: source.pop(column) for role, column in roles.items() if column is not None}
    cells = [source.pop(column) for column in targets]
    if not source and text is None:
        raise DampenError(f"{name!r} must have a column besides the target; none is left.")
    wanted = target_of(cells, task)
    codes = _groups(aside["group"]) if "group" in aside else None
    validation_rows, parts_from = None, ""
    if "time" in aside:
        (validation_rows, test_rows), parts_from = parts_in_time(aside["time"]), "split in time"
    if "split" in aside:
        (validation_rows, test_rows), parts_from = named_parts(aside["split"]), f"parts as in {split!r}"
    _check_learnable(wanted, codes, validation_rows, test_rows)
    known = Dataset(
        name=name.partition(".")[0],
        inputs=torch.empty(0),
        targets=wanted.targets,
        task=wanted.task,
        classes=wanted.classes,
        test_rows=test_rows,
        validation_rows=validation_rows,
        groups=codes,
        parts_from=parts_from,
        notes=_notes(empty, codes),
    )
    if text is not None:
        return _of_texts(known, aside["text"], list(source))
    columns = tuple(_column(column, column.name in categorical) for column in source.values())
    schema = Schema(columns, categories, scale)
    _check_size(schema, wanted)
    notes = known.notes + _row_numbers(source) + _dates_as_texts(source, schema)
    return dataclasses.replace(known, inputs=schema.assemble(source), schema=schema, notes=notes)


def _read(path: Path, test: Path | None) -> Read:
    import polars as pl

    frame, empty = read_table(path)
    if test is None:
        return Read(frame, path.name, None, empty)
    held_out, more = read_table(test)
    if set(held_out.columns) != set(frame.columns):
        odd = listed(sorted(set(held_out.columns) ^ set(frame.columns)))
        raise DampenError(f"{test.name!r} must have the columns of {path.name!r}; {odd} are in one of them only.")
    try:
        both = pl.concat([frame, held_out.select(frame.columns)])
    except pl.exceptions.PolarsError:
        raise DampenError(f"{test.name!r} must have columns of the types of {path.name!r}; it does not.") from None
    return Read(both, path.name, torch.arange(len(frame), len(both)), empty + more)


def check_names(
    name: str,
    columns: list[str],
    targets: Sequence[str],
    roles: dict[str, str | None],
    drop: Sequence[str],
    categorical: Sequence[str],
) -> None:
    has = f"{name!r} has {listed(columns, 12)}."
    if not targets:
        raise DampenError(f"target must name the column to predict; {has} Name it with --target.")
    named = [*targets, *(column for column in roles.values() if column is not None)]
    for column in (*named, *drop, *categorical):
        if column not in columns:
            raise NoSuchName("column", column, columns, has)
    uses = named + list(dict.fromkeys(drop))
    twice = [column for column, count in collections.Counter(uses).items() if count > 1]
    if twice:
        raise DampenError(f"A column must have one use; {listed(twice)} has two.")
    if roles.get("text") is not None and categorical:
        raise DampenError("A text must be learned from alone; got --categorical too. Leave it or --text out.")
    ways = [f"--{role}" for role in ("group", "time", "split") if roles.get(role) is not None]
    if len(ways) > 1:
        raise DampenError(f"A table must be split in one way; got {' and '.join(ways)}. Leave one out.")


# ------------------------------------------------------------------ columns


def _column(column: Series, categorical: bool) -> Column:
    """Kind, categories and storage of one column."""
    import polars as pl

    if column.dtype.is_temporal() or column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        raise DampenError(
            f"The column {column.name!r} must hold numbers or texts; got {column.dtype}. Leave it out with --drop, "
            "or turn it into numbers."
        )
    values, odd = numbers(column)
    check_points(odd, f"The column {column.name!r}")
    present = len(values) - values.null_count() + len(odd)
    by_type = column.dtype in (pl.Boolean, pl.Categorical, pl.Enum)
    if categorical or by_type or not present or len(odd) > (1 - MOSTLY) * present:
        return _categories(column)
    stored = only_numbers(column, f"The column {column.name!r}", MIXED)
    finite = stored[~np.isnan(stored)]
    low, high = finite.min(), finite.max()
    flat = 0 < high - low < 1e-3 * max(abs(low), abs(high))
    return Column(column.name, NUMBER, missing=len(finite) < len(stored), offset=float(low) if flat else 0.0)


def _categories(column: Series) -> Column:
    cells = texts(column)
    found = cells.drop_nulls().unique().to_list()
    if len(found) > MAX_CATEGORIES:
        raise DampenError(
            f"The column {column.name!r} must have at most {MAX_CATEGORIES} categories; got {len(found)}, such as "
            f"{shortened(naturally(found)[0])}. It looks like a name or a text: leave it out with --drop."
        )
    return Column(column.name, CATEGORY, (*naturally(found), *((None,) if cells.null_count() else ())))


def _of_texts(known: Dataset, column: Series, others: list[str]) -> Dataset:
    """The data set with the texts of a column as inputs. The vocabulary never looks at a test part of its own."""
    cells = texts(column).to_list()
    held_out = set() if known.test_rows is None else set(known.test_rows.tolist())
    learnable = [row for row in range(len(cells)) if row not in held_out]
    vocabulary = vocabulary_of([cells[row] for row in learnable])
    if not vocabulary.words:
        raise DampenError(f"The column {column.name!r} must hold texts; all its cells are empty.")
    longer = sum(len(tokens_of(cell or "")) > vocabulary.length for cell in cells)
    inputs = vocabulary.encode(cells)
    empty, strange = (int(rows.sum()) for rows in unreadable(inputs, known_of(inputs[learnable], len(vocabulary))))
    notes = (
        *known.notes,
        *((f"{counted(empty, 'text')} without a word",) if empty else ()),
        *((f"{counted(strange, 'text')} of words too rare to be learned",) if strange else ()),
        *((f"left out beside the text: {listed(others)}",) if others else ()),
        *((f"{counted(longer, 'text')} cut off after {vocabulary.length} tokens",) if longer else ()),
    )
    vocabulary = dataclasses.replace(vocabulary, column=column.name)
    return dataclasses.replace(known, inputs=inputs, num_tokens=len(vocabulary), vocabulary=vocabulary, notes=notes)


def _notes(empty: int, groups: Tensor | None) -> tuple[str, ...]:
    idle = 0 if groups is None else len(groups) - sum(sizes_by_group(groups.numpy()))
    return (
        *((f"{counted(empty)} without any cell left out",) if empty else ()),
        *((f"{counted(idle)} idle under every seed, so that no group stands in two parts",) if idle else ()),
    )


def _row_numbers(source: dict[str, Series]) -> tuple[str, ...]:
    """A note on columns that count the rows: where a file is sorted by class, they give the answer away."""
    found = []
    for column in source.values():
        few, odd = numbers(column.head(1000))
        if len(odd) or few.null_count() or few[-1] - few[0] != len(few) - 1:
            continue
        values = numbers(column)[0].to_numpy()
        if len(values) > 1 and np.array_equal(np.diff(values), np.ones(len(values) - 1)):
            found.append(f"the column {column.name!r} numbers the rows; leave it out with --drop if that is all it is")
    return tuple(found)


def _dates_as_texts(source: dict[str, Series], schema: Schema) -> tuple[str, ...]:
    """A note on texts that are dates: as categories a day says nothing of the next."""
    found = []
    for column in schema.categorical:
        cells = [category for category in column.categories if category is not None]
        if cells and dates(source[column.name].head(1000).drop_nulls()).null_count() == 0:
            found.append(
                f"the column {column.name!r} holds dates, read as {len(cells)} categories; leave it out with "
                "--drop, or split in time with --time"
            )
    return tuple(found)


def _check_size(schema: Schema, wanted: Target) -> None:
    numbers = len(wanted.targets) * len(schema.features)
    if numbers > MAX_NUMBERS:
        largest = sorted(schema.categorical, key=lambda column: -len(column.categories))
        names = listed((f"{column.name} ({len(column.categories)})" for column in largest), 3)
        raise DampenError(
            f"The table must have at most {MAX_NUMBERS} numbers once encoded; got {numbers}. Leave out columns with "
            f"many categories: {names or 'there are none'}."
        )


# ------------------------------------------------------------------ groups, and whether classes can be learned


def _groups(column: Series) -> Tensor:
    """The number of each row's group, from 0."""
    cells = texts(column)
    if cells.null_count():
        raise DampenError(
            f"The group {column.name!r} must be known of every row; got none in {counted(cells.null_count())}."
        )
    _, codes = np.unique(cells.to_numpy(), return_inverse=True)
    count = int(codes.max()) + 1
    if count < NUM_PARTS:
        raise DampenError(
            f"The group {column.name!r} must have at least {NUM_PARTS} values, one for each part; got {count}."
        )
    return torch.from_numpy(codes)


def _check_learnable(
    wanted: Target, groups: Tensor | None, validation_rows: Tensor | None, test_rows: Tensor | None
) -> None:
    """Every class must reach the training part of every seed."""
    if groups is not None and test_rows is not None:
        raise DampenError("A table with a test file must not be split by groups; leave --group out.")
    if wanted.task == "labels":
        held_out = [rows for rows in (validation_rows, test_rows) if rows is not None]
        check_labels(wanted.targets, wanted.classes, torch.cat(held_out) if held_out else None)
    if wanted.task != "classes":
        return
    codes = wanted.targets.argmax(1)
    learnable = torch.ones(len(codes), dtype=torch.bool)
    needed, of = NUM_PARTS, "rows, one for each part"
    if test_rows is not None:
        learnable[test_rows] = False
        needed, of = NUM_PARTS - 1, "rows outside the test part"
    if validation_rows is not None:
        learnable[validation_rows] = False
        needed, of = 1, "row to train on"
    counts = codes[learnable].bincount(minlength=len(wanted.classes))
    if groups is not None:
        of = "groups, one for each part"
        counts = torch.stack([codes, groups]).unique(dim=1)[0].bincount(minlength=len(wanted.classes))
    rare = int(counts.argmin())
    if counts[rare] < needed:
        raise DampenError(
            f"Every class must have at least {needed} {of}; class {wanted.classes[rare]} of {wanted.name!r} has "
            f"{counts[rare]}. Drop the class, merge it with another, or pass --task numbers where it is a number."
        )
