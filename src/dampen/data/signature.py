"""What goes into a trained network and what comes out: known without its data, and enough to read new rows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import DampenError
from .dataset import Dataset
from .facts import TASKS
from .lengths import are_series, of_one_length
from .schema import CATEGORY, NUMBER, Schema
from .texts import Vocabulary
from .windows import Windows, rows_of

MOST_NUMBERS = 2**40
"""Of one row; anything beyond is no row."""


@dataclasses.dataclass(frozen=True)
class Signature:
    """task: one of `TASKS`. input_shape: of one encoded row. num_outputs: classes, labels, or target columns.
    classes: names of classes or labels in the order of the outputs; none for numbers. schema, num_tokens, vocabulary,
    windows: as in `Dataset`."""

    task: str
    input_shape: tuple[int, ...]
    num_outputs: int
    classes: tuple[str, ...] = ()
    schema: Schema | None = None
    num_tokens: int = 0
    vocabulary: Vocabulary | None = None
    windows: Windows | None = None

    @classmethod
    def of(cls, data: Dataset) -> Signature:
        """Classes without labels are called by their numbers."""
        count = data.targets.shape[1]
        classes = data.classes or tuple(map(str, range(0 if data.task == "numbers" else count)))
        how = {name: getattr(data, name) for name in ("schema", "num_tokens", "vocabulary", "windows")}
        return cls(data.task, data.input_shape, count, classes, **how)

    def check_rows(self, inputs: Tensor) -> Tensor:
        """Encoded rows, or a sentence where they are none of this network's."""
        if tuple(inputs.shape[1:]) != self.input_shape:
            wanted = ", ".join(["rows", *map(str, self.input_shape)])
            raise DampenError(f"inputs must have shape ({wanted}), as in training; got {tuple(inputs.shape)}.")
        if not self.num_tokens:
            return inputs
        ids = inputs.long()
        if bool((ids != inputs).any()) or bool((ids < 0).any()) or bool((ids >= self.num_tokens).any()):
            raise DampenError(f"Texts must be token ids, whole numbers from 0 to {self.num_tokens - 1}; got others.")
        return ids

    def to_record(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        vocabulary = None if self.vocabulary is None else dataclasses.asdict(self.vocabulary)
        return {
            "task": self.task,
            "input_shape": list(self.input_shape),
            "num_outputs": self.num_outputs,
            "classes": list(self.classes),
            "schema": None if self.schema is None else self.schema.to_record(),
            "num_tokens": self.num_tokens,
            "vocabulary": vocabulary,
            "windows": None if self.windows is None else dataclasses.asdict(self.windows),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Signature:
        """What `to_record` wrote. Raises `DampenError` where a record of unknown origin is not such a one."""
        try:
            schema, vocabulary, windows = record["schema"], record["vocabulary"], record.get("windows")
            signature = cls(
                task=record["task"],
                input_shape=tuple(record["input_shape"]),
                num_outputs=record["num_outputs"],
                classes=tuple(record["classes"]),
                schema=None if schema is None else Schema.from_record(schema),
                num_tokens=record["num_tokens"],
                vocabulary=None if vocabulary is None else _vocabulary(**vocabulary),
                windows=None if windows is None else Windows(**windows),
            )
            sound = signature._is_sound()
        except (KeyError, TypeError, ValueError, AttributeError):
            sound = False
        if not sound:
            raise DampenError("A network's inputs and outputs must be described as dampen does; these are not.")
        return signature

    def _is_sound(self) -> bool:
        """Whether the parts are of their types and agree with each other."""
        shape, count = self.input_shape, self.num_outputs
        if not all(_is_count(side) for side in (*shape, count)) or not 0 < math.prod(shape) <= MOST_NUMBERS:
            return False
        labels = len(self.classes) == (0 if self.task == "numbers" else count)
        tokens = type(self.num_tokens) is int and (self.num_tokens == 0 or (self.num_tokens > 1 and len(shape) == 1))
        words = self.vocabulary is None or (len(self.vocabulary), (self.vocabulary.length,)) == (self.num_tokens, shape)
        columns = self.schema is None or (_is_schema(self.schema) and (len(self.schema.features),) == shape)
        known = self.task in TASKS and all(isinstance(label, str) for label in self.classes)
        series = self.windows is None or (
            _is_windows(self.windows) and (self.task, (1, self.windows.window), 1) == ("numbers", shape, count)
        )
        return labels and tokens and words and columns and series and known


def _vocabulary(words: Any, length: Any, column: Any) -> Vocabulary:
    if not all(isinstance(word, str) for word in words) or not _is_count(length) or not isinstance(column, str):
        raise TypeError
    return Vocabulary(tuple(words), length, column)


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_schema(schema: Schema) -> bool:
    names = [column.name for column in schema.columns]
    return len(set(names)) == len(names) and all(
        isinstance(column.name, str)
        and column.kind in (NUMBER, CATEGORY)
        and all(isinstance(category, str | None) for category in column.categories)
        and len(set(column.categories)) == len(column.categories)
        and type(column.missing) is bool
        and type(column.offset) in (int, float)
        and math.isfinite(column.offset)
        for column in schema.columns
    )


def _is_windows(windows: Windows) -> bool:
    names = isinstance(windows.column, str) and isinstance(windows.time, str)
    step = type(windows.step) in (int, float) and 0 < windows.step < math.inf
    return names and step and _is_count(windows.window) and _is_count(windows.horizon)


def encoded(signature: Signature, inputs: Any) -> Tensor:
    """Rows (N, ...) as the network takes them, from arrays or tensors of such rows, a Polars frame with the columns
    of its table, a list of texts, or one of series that may be shorter. NaN passes only where the network fills it, and
    at the end of series."""
    if hasattr(inputs, "get_column"):  # a Polars frame, without importing Polars to see
        return of_frame(signature, inputs)
    if signature.vocabulary is not None and not hasattr(inputs, "shape") and _are_texts(inputs):
        return signature.vocabulary.encode(inputs)
    if len(signature.input_shape) == 2 and signature.windows is None:
        (inputs,), _ = of_one_length(inputs, length=signature.input_shape[1] if are_series(inputs) else 0)
    return signature.check_rows(_of_array(signature, inputs))


def of_frame(signature: Signature, frame: Any) -> Tensor:
    if signature.schema is not None:
        return signature.schema.encode(frame)
    if signature.vocabulary is not None and signature.vocabulary.column:
        return signature.vocabulary.encode_column(frame)
    if signature.windows is not None:
        return rows_of(signature.windows, frame).inputs
    raise DampenError("The network must have been trained on a table to take one; it was trained on arrays.")


def _are_texts(inputs: Any) -> bool:
    return isinstance(inputs, list | tuple) and bool(inputs) and all(isinstance(text, str | None) for text in inputs)


def _of_array(signature: Signature, inputs: Any) -> Tensor:
    try:
        rows = torch.as_tensor(inputs)
    except (TypeError, ValueError, RuntimeError):
        raise DampenError(f"inputs must be an array of numbers; got {type(inputs).__name__}.") from None
    if rows.dim() < 2 or not rows.numel() or rows.is_complex():
        raise DampenError(f"inputs must have shape (rows, ...), at least one row of numbers; got {tuple(rows.shape)}.")
    if rows.dtype == torch.uint8 or signature.num_tokens:
        return rows
    rows = rows.float()
    fills = signature.schema is not None and bool(signature.schema.indicators)
    if not bool((rows.isfinite() | (rows.isnan() if fills else torch.zeros_like(rows, dtype=torch.bool))).all()):
        raise DampenError("inputs must be finite and below 3e38; got NaN, infinity or more. Fill or drop these rows.")
    return rows
