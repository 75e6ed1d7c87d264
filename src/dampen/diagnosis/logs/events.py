"""TensorBoard event files: one, or a folder of runs such as train/ and validation/ of Keras."""

from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

from ...errors import DampenError, first_line
from ...history import History
from .listed import history_of_rows
from .names import TRAINING, VALIDATION, meaning, words

EVENTS = "*tfevents*"
MAGIC = b"brain.Event:"
"""Stands in the first record of every event file."""


def read_events(path: Path) -> dict[str, list[History]]:
    """By training: folders of events whose names tell a part only (train, validation, loss_train) are parts of the one
    they stand in. One training has the name "".

    Raises `DampenError` where there are no events, they cannot be read, or `tensorboard` is not installed.
    """
    if path.is_file():
        return {"": [history_of_rows(_rows(path, ""), path.name)]}
    folders = sorted({file.parent for file in path.rglob(EVENTS) if file.is_file()})
    if not folders:
        raise DampenError(f"{path.name!r} must hold TensorBoard event files; it has none. Name a file.")
    trainings: dict[Path, list[dict[str, Any]]] = defaultdict(list)
    for folder in folders:
        part = folder != path and _is_part(folder.name)
        trainings[folder.parent if part else folder] += _rows(folder, f"{folder.name}/" if part else "")
    ordered = {t: sorted(rows, key=lambda row: row["wall_time"]) for t, rows in trainings.items()}
    if len(ordered) == 1:
        return {"": [history_of_rows(rows, path.name) for rows in ordered.values()]}
    return {str(t.relative_to(path)): [history_of_rows(rows, str(t))] for t, rows in ordered.items()}


def _is_part(folder: str) -> bool:
    """Whether a name is of a part, besides at most of a quantity: validation, loss_train."""
    told = [word for word in words(folder) if word not in TRAINING and word not in VALIDATION]
    return len(told) < len(words(folder)) and (not told or meaning(" ".join(told)) is not None)


def _rows(path: Path, prefix: str) -> list[dict[str, Any]]:
    """One row per number, in the order in which they were written."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from tensorboard.util.tensor_util import make_ndarray
    except ImportError:
        raise DampenError(
            "TensorBoard's event files must be read by the package tensorboard; it is not installed. Install it: "
            "pip install 'dampen[tensorboard]'."
        ) from None

    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it tells of every file on standard error
    events = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0}, purge_orphaned_data=False)
    try:
        tags = events.Reload().Tags()
        found = [(tag, event, event.value) for tag in tags["scalars"] for event in events.Scalars(tag)]
        for tag in tags["tensors"]:
            numbers = ((event, make_ndarray(event.tensor_proto)) for event in events.Tensors(tag))
            found += [(tag, event, float(n)) for event, n in numbers if n.size == 1 and n.dtype.kind in "fiu"]
    except Exception as error:  # whatever a broken file makes of it
        raise DampenError(f"{path.name!r} must be whole event files; {first_line(error)}.") from None
    if not found:
        raise DampenError(f"{path.name!r} must hold numbers; its events have none.")
    found = [one for one in found if not one[0].endswith("_vs_iterations")]  # Keras again, at steps instead of epochs
    by_epoch = any(tag.startswith("epoch_") for tag, _, _ in found)
    return [
        {"wall_time": event.wall_time, "step": event.step, f"{prefix}{tag}": value}
        for tag, event, value in sorted(found, key=lambda one: one[1].wall_time)
        if not (by_epoch and tag.startswith("batch_"))
    ]
