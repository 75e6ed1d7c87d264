"""TensorBoard event files: one, or a folder of runs such as train/ and validation/ of Keras."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ...errors import DampenError, first_line
from ...history import History
from .listed import history_of_rows
from .names import TRAINING, VALIDATION, meaning, words

EVENTS = "*tfevents*"
MAGIC = b"brain.Event:"
"""Stands in the first record of every event file."""
MOST_BYTES = 2**31
"""No record is longer: that is the most that its format allows."""

Row = dict[str, float]


def read_events(path: Path) -> dict[str, list[History]]:
    """By training: folders of events whose names tell a part only (train, validation, loss_train) are parts of the one
    they stand in. One training has the name "".

    Raises `DampenError` where there are no events, they cannot be read, or `tensorboard` is not installed.
    """
    folders = sorted({file.parent for file in path.rglob(EVENTS) if file.is_file()}) if path.is_dir() else [path]
    if not folders:
        raise DampenError(f"{path.name!r} must hold event files of TensorBoard; it has none. Name a file.")
    trainings: dict[Path, list[Row]] = defaultdict(list)
    for folder in folders:
        part = folder != path and _is_part(folder.name)
        trainings[folder.parent if part else folder] += _rows(folder, f"{folder.name}/" if part else "")
    ordered = {t: sorted(rows, key=lambda row: row["wall_time"]) for t, rows in trainings.items() if rows}
    if not ordered:
        raise DampenError(f"{path.name!r} must hold numbers; its events have none.")
    if len(ordered) == 1:
        return {"": [history_of_rows(rows, path.name) for rows in ordered.values()]}
    return {str(t.relative_to(path)): [history_of_rows(rows, str(t))] for t, rows in ordered.items()}


def _is_part(folder: str) -> bool:
    """Whether a name is of a part, besides at most of a quantity: validation, loss_train."""
    told = [word for word in words(folder) if word not in TRAINING and word not in VALIDATION]
    return len(told) < len(words(folder)) and (not told or meaning(" ".join(told)) is not None)


def _rows(folder: Path, prefix: str) -> list[Row]:
    """One row per number of every event file of a folder, or of one file, in the order in which they were written."""
    files = [folder] if folder.is_file() else sorted(file for file in folder.glob(EVENTS) if file.is_file())
    rows = []
    for file in files:
        try:
            rows += [
                {"wall_time": time, "step": step, f"{prefix}{tag}": number}
                for time, step, tag, number in _numbers(file)
                if not tag.endswith("_vs_iterations")  # Keras again, at steps instead of epochs
            ]
        except ImportError:
            raise DampenError(
                "TensorBoard's event files must be read by the package tensorboard; it is not installed. Install it: "
                "pip install 'dampen[tensorboard]'."
            ) from None
        except ValueError as error:
            raise DampenError(f"{file.name!r} must be an event file of TensorBoard; {first_line(error)}.") from None
    if any(name.startswith(f"{prefix}epoch_") for row in rows for name in row):
        rows = [row for row in rows if not any(name.startswith(f"{prefix}batch_") for name in row)]
    return rows


def _numbers(file: Path) -> Iterator[tuple[float, int, str, float]]:
    """(time, step, tag, number). The records are read by themselves: TensorBoard's own reader would begin with
    loading TensorFlow where that is installed, which takes seconds."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.util.tensor_util import make_ndarray

    for record in _records(file):
        try:
            event = Event.FromString(record)
        except DecodeError:
            raise ValueError("one of its records is damaged") from None
        for value in event.summary.value:
            if value.HasField("simple_value"):
                yield event.wall_time, event.step, value.tag, value.simple_value
            elif value.HasField("tensor") and len(value.tensor.tensor_shape.dim) == 0:
                number = make_ndarray(value.tensor)
                if number.dtype.kind in "fiu":
                    yield event.wall_time, event.step, value.tag, float(number)


def _records(file: Path) -> Iterator[bytes]:
    """Records of TFRecord, each: length (8 bytes), its checksum (4), data, their checksum (4). One that is still being
    written ends the file."""
    with file.open("rb") as stream:
        while len(head := stream.read(12)) == 12:
            (length,) = struct.unpack("<Q", head[:8])
            if length > MOST_BYTES:
                raise ValueError("one of its records is damaged")
            data = stream.read(length + 4)
            if len(data) < length + 4:
                return
            yield data[:length]
