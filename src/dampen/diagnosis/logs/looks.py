"""Rows of a log in, a `History` out: an epoch of it per look, that is where validation was measured."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from ...errors import DampenError
from ...history import History
from .names import BY_STEP, OURS, TEST, UNDERSTOOD, Column, understood
from .rows import Cell, Row, read_rows

if TYPE_CHECKING:
    from polars import DataFrame

Look = dict[str, Cell]
FEWEST_LOOKS, MUCH_FURTHER = 3, 3
"""So many looks at validation, and training that counts so many times as far, show that they count different things."""
MOSTLY = 0.9
"""A column known at so large a share of the looks of the best known one is as good as it."""
MOST_STEPS = 100
"""Steps without epochs and validation are put together to so many looks: from batch to batch every loss jumps about."""
SHOWN = 12
"""So many names of columns are told."""


def history_of(frames: Callable[[], Iterable[DataFrame]], names: Iterable[str], source: str) -> History:
    """The history of one training.

    frames: gives the log from its beginning, in pieces whose columns are numbers. names: of all columns; only the ones
    that are understood need be in the frames. source: what is read, for people.

    Raises `DampenError` where no column is a loss, or no row has a number.
    """
    names = list(names)
    columns = understood(names)
    _check_loss(columns, names, source)
    rows, added_up = read_rows(frames, columns, source)
    if not rows:
        raise DampenError(f"{source!r} must have rows with numbers; it has none.")
    notes = ["It has very many looks; those of one epoch are added up."] if added_up else []
    rows = _later_ones(_on_one_scale(_over_all_epochs(rows), columns, notes), notes)
    looks = _looks(rows, columns, notes)
    chosen = _chosen(looks, columns, notes)
    values = {field: _values(looks, name, columns[name], notes) for field, name in chosen.items()}
    told = chosen.get("val_metric") or chosen.get("train_metric")
    metric = columns[told] if told else None
    return History(
        epochs=[{field: column[i] for field, column in values.items() if i in column} for i in range(len(looks))],
        outcome="unknown",
        metric=metric.name if metric else "",
        higher_is_better=metric.higher_is_better if metric else True,
        clean=False,
        source=source,
        notes=notes,
    )


def _check_loss(columns: Mapping[str, Column], names: list[str], source: str) -> None:
    if not any(column.role == "loss" for column in columns.values()):
        plain = ["".join(sign if sign.isprintable() else "?" for sign in name) for name in names[:SHOWN]]
        shown = ", ".join(name if len(name) <= 40 else name[:39] + "…" for name in plain)
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise DampenError(
            f"A log must have a column of the loss; {source!r} has {shown or 'no columns'}{more}. Names such as these "
            f"are understood: {UNDERSTOOD}."
        )


# ------------------------------------------------------------------ rows to looks


def _whole(rows: list[Row]) -> bool:
    """Whether every row tells a whole epoch."""
    return all(row.epoch is not None and row.epoch.is_integer() for row in rows)


def _place(row: Row, index: int, whole: bool) -> float:
    """Where in the training a row stands."""
    places = (row.epoch, row.step) if whole else (row.step, row.epoch)
    return next((place for place in places if place is not None), index)


def _over_all_epochs(rows: list[Row]) -> list[Row]:
    """Steps that begin anew in every epoch say nothing of the order; the epochs do."""
    known = [(row.epoch, row.step) for row in rows if row.epoch is not None and row.step is not None]
    anew = any(later[1] < earlier[1] and later[0] > earlier[0] for earlier, later in itertools.pairwise(known))
    return [row._replace(step=None, first_step=None) for row in rows] if anew else rows


def _on_one_scale(rows: list[Row], columns: Mapping[str, Column], notes: list[str]) -> list[Row]:
    """Where training counts steps and validation counts epochs, as many loops do in TensorBoard, both as steps."""
    judges = [any(columns[name].part == "val" for name in row.cells) for row in rows]
    places = [row.step for row, judging in zip(rows, judges, strict=True) if judging]
    others = [row.step for row, judging in zip(rows, judges, strict=True) if not judging and row.step is not None]
    apart = all(row.epoch is None for row in rows) and None not in places and len(places) >= FEWEST_LOOKS
    if not apart or not others or {b - a for a, b in itertools.pairwise(places)} != {1.0}:
        return rows
    steps, first = max(others) / len(places), places[0]
    if max(others) < MUCH_FURTHER * (places[-1] + 1):
        return rows
    notes.append("Training counts steps and validation epochs; they are put side by side.")
    return [
        row._replace(step=(row.step - first + 1) * steps, first_step=None) if judging else row
        for row, judging in zip(rows, judges, strict=True)
    ]


def _later_ones(rows: list[Row], notes: list[str]) -> list[Row]:
    """Without what was trained again after a resume: where a column goes back, what it had from there on is void. Rows
    of other columns may go back, such as all of validation after all of training."""
    whole = _whole(rows)
    kept: list[tuple[float, Row]] = []
    reached: dict[str, float] = {}
    for index, row in enumerate(rows):
        place = _place(row, index, whole)
        begin = place if whole or row.first_step is None else row.first_step
        if any(reached.get(name, -math.inf) > begin for name in row.cells):
            kept = [(old, other) for old, other in kept if old < begin]
            reached = {name: min(old, begin) for name, old in reached.items()}
            _note(notes, REPEATED)
        kept.append((place, row))
        reached |= dict.fromkeys(row.cells, place)
    return [row for _, row in kept]


REPEATED = "Epochs are repeated, as after a resume; the later ones count."


def _note(notes: list[str], said: str) -> None:
    if said not in notes:
        notes.append(said)


def _looks(rows: list[Row], columns: Mapping[str, Column], notes: list[str]) -> list[Look]:
    """Rows of one look put together, in the order of the training."""
    judge = _judge(rows, columns)
    whole = _whole(rows)
    by_epoch = whole and _once_per_epoch(rows, judge)
    grouped: dict[tuple[float, ...], Look] = defaultdict(dict)
    for index, row in enumerate(rows):
        if by_epoch or (judge is None and row.epoch is not None):
            key: tuple[float, ...] = (float(math.ceil(row.epoch)),)
        elif whole and row.epoch is not None and row.step is not None:
            key = (row.epoch, row.step)
        else:
            key = (_place(row, index, whole=False),)
        _add(grouped[key], row.cells)
    looks = _joined([grouped[key] for key in sorted(grouped)], judge)
    if judge is None and len(looks) > MOST_STEPS and all(row.epoch is None for row in rows):
        looks = _together(looks)
        notes.append(f"It tells of steps, not of epochs: they are put together to {len(looks)} looks.")
    epochs = len({math.ceil(row.epoch) for row in rows if row.epoch is not None})
    if judge is not None and epochs and len(looks) != epochs:
        notes.append(f"Validation was measured {len(looks)} times in {epochs} epochs; each counts as an epoch here.")
    if any(columns[name].part == "train" for look in looks for name in look):
        while not any(columns[name].part == "train" for name in looks[-1]):
            looks.pop()
        while not any(columns[name].part == "train" for name in looks[0]):
            looks.pop(0)
    return looks


def _judge(rows: list[Row], columns: Mapping[str, Column]) -> str | None:
    """The column of validation that makes a row a look: of the loss, else of a metric; None where there is none."""
    known = Counter(name for row in rows for name in row.cells if columns[name].part == "val")
    often = [name for name in known if known[name] >= max(known.values()) / 2]
    return min(often, key=lambda name: (columns[name].role != "loss", columns[name].rank), default=None)


def _once_per_epoch(rows: list[Row], judge: str | None) -> bool:
    steps = defaultdict(set)
    for row in rows:
        if judge in row.cells:
            steps[row.epoch].add(row.step)
    return judge is None or statistics.median(map(len, steps.values())) <= 1


def _add(look: Look, cells: Mapping[str, Cell]) -> None:
    for name, cell in cells.items():
        look[name] = look[name].with_later(cell) if name in look else cell


def _together(looks: list[Look]) -> list[Look]:
    """Neighbours added up, evenly, to MOST_STEPS looks."""
    merged = [Look() for _ in range(MOST_STEPS)]
    for index, look in enumerate(looks):
        _add(merged[index * MOST_STEPS // len(looks)], look)
    return merged


def _joined(groups: list[Look], judge: str | None) -> list[Look]:
    """What was logged without validation belongs to the next look."""
    if judge is None:
        return groups
    looks, pending = [], Look()
    for group in groups:
        _add(pending, group)
        if judge in group:
            looks.append(pending)
            pending = Look()
    return looks


# ------------------------------------------------------------------ columns to fields


def _chosen(looks: list[Look], columns: Mapping[str, Column], notes: list[str]) -> dict[str, str]:
    """The column of each field of a history's epochs."""
    known = Counter(name for look in looks for name in look)

    def best(role: str, part: str = "", name: str | None = None) -> str | None:
        fitting = [c for c in known if columns[c][:2] == (role, part) and name in (None, columns[c].name)]
        enough = MOSTLY * max((known[column] for column in fitting), default=0)
        return min((c for c in fitting if known[c] >= enough), key=lambda c: columns[c].rank, default=None)

    metrics = {columns[c].name: columns[c].rank[1:3] for c in known if columns[c].role == "metric"}
    pairs = {name: {part: best("metric", part, name) for part in ("train", "val")} for name in metrics}
    ordered = sorted(
        metrics, key=lambda name: (None in pairs[name].values(), pairs[name]["val"] is None, metrics[name])
    )
    first = ordered[0] if ordered else None
    losses = {columns[c].name: columns[c].rank[1:3] for c in known if columns[c].role == "loss"}
    both = [name for name in losses if best("loss", "train", name) and best("loss", "val", name)]
    paired = min(both, key=lambda name: losses[name]) if both else None
    fields = {f"{part}_loss": best("loss", part, paired) for part in ("train", "val")}
    fields |= {f"{part}_metric": best("metric", part, first) for part in ("train", "val")} if first else {}
    fields |= {role: best(role) for role in ("lr", "gradient_norm", *OURS)}
    chosen = {field: column for field, column in fields.items() if column is not None}
    if len(ordered) > 1:
        notes.append(f"Other metrics in the log: {', '.join(ordered[1:])}.")
    loss = next((columns[chosen[field]].name for field in ("val_loss", "train_loss") if field in chosen), "loss")
    if loss != "loss":
        notes.append(f"The loss is {loss!r}.")
    if "val_loss" in chosen and columns[chosen["val_loss"]].rank[0] == TEST:
        notes.append("There is no validation part; the test part stands for it.")
    return chosen


def _values(looks: list[Look], name: str, column: Column, notes: list[str]) -> dict[int, float]:
    """By look: the mean of what was logged for it; the last where most looks have one number only, and of a learning
    rate."""
    cells = {index: look[name] for index, look in enumerate(looks) if name in look}
    counts = [cell.number for cell in cells.values()]
    if column.role == "lr" or statistics.median(counts) <= 1:
        if column.role == "loss" and max(counts) > 1 and column.rank[-1] != BY_STEP:
            _note(notes, REPEATED)
        return {index: cell.last for index, cell in cells.items()}
    return {index: cell.total / cell.number for index, cell in cells.items()}
