"""A data set: inputs, targets, and what is known of them before any split."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DampenError, NoSuchName
from ..words import counted
from .facts import CHUNK_NUMBERS, words_of
from .lengths import of_one_length
from .schema import Schema
from .texts import Vocabulary

if TYPE_CHECKING:
    from .windows import Windows

NUM_PARTS = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """inputs (R, ...) float32, or uint8 for images (R, C, H, W), or int64 for texts as token ids (R, T);
    targets (R, C) one-hot for one of C classes, (R, L) of 0 and 1 for labels of which several may hold at once, or
    (R, M) numbers; float32. task: "classes", "labels" or "numbers".
    classes: names of classes or labels in the order of the columns.

    test_rows, validation_rows: row numbers of parts that are the same for every seed, or None. groups (R,): the
    number of each row's group, where no group may stand in two parts. schema: of a table, whose missing numbers are
    NaN in the inputs. notes: what was left out or looked odd when the data were read. on_disk: whether the inputs are
    a file mapped into memory, to be read batch by batch. num_tokens: of texts, the size of the vocabulary, padding
    and unknown included; 0 for other data. vocabulary: which words they are. windows: how rows were cut from a
    series that is to be forecast. parts_from: in words, where test_rows and validation_rows come from."""

    name: str
    inputs: Tensor
    targets: Tensor
    task: str
    classes: tuple[str, ...] = ()
    test_rows: Tensor | None = None
    validation_rows: Tensor | None = None
    groups: Tensor | None = None
    schema: Schema | None = None
    notes: tuple[str, ...] = ()
    on_disk: bool = False
    num_tokens: int = 0
    vocabulary: Vocabulary | None = None
    windows: Windows | None = None
    parts_from: str = ""

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.inputs.shape[1:])

    @property
    def words(self) -> frozenset[str]:
        return words_of(self.task, self.input_shape, self.num_tokens)

    @property
    def protocol(self) -> str:
        return "resampled" if self.test_rows is None else "fixed test"

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of inputs, targets and what decides the split: the same data, the same name."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (self.inputs, self.targets, self.test_rows, self.validation_rows, self.groups):
            if part is None:
                continue
            digest.update(str(tuple(part.shape)).encode())
            digest.update(np.ascontiguousarray(part.numpy()).data)
        return digest.hexdigest()

    def describe(self) -> str:
        kind = "numbers as targets" if self.task == "numbers" else f"{self.targets.shape[1]} {self.task}"
        shape = f"inputs {' x '.join(str(side) for side in self.input_shape)}"
        if self.num_tokens:
            shape = f"texts of up to {self.input_shape[0]} tokens, {self.num_tokens:,} words"
        shape = self.windows.describe() if self.windows else shape
        parts = [f"{len(self.inputs)} rows", self.schema.describe() if self.schema else shape, kind]
        parts += ["no group in two parts"] if self.groups is not None else []
        given = "" if self.validation_rows is None else "validation part given"
        parts += [self.parts_from or given] if self.parts_from or given else []
        return f"{self.name}: {', '.join(parts)}"


def digits() -> Dataset:
    """1,797 handwritten digits as images (1, 8, 8) with values from 0 to 16, shipped with scikit-learn."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return from_arrays(bunch.images[:, None], bunch.target, name="digits")


BUILT_IN = {"digits": digits}


def load(name: str) -> Dataset:
    """A built-in data set by its name; raises `DampenError` with the nearest one where there is none."""
    if name not in BUILT_IN:
        raise NoSuchName("data set", name, BUILT_IN, f"Built in: {', '.join(BUILT_IN)}.")
    return BUILT_IN[name]()


def as_dataset(data: Any) -> Dataset:
    """A data set from its name or path, from (inputs, targets), or from (inputs, targets, test inputs, test
    targets)."""
    if isinstance(data, Dataset):
        _check_parts(data)
        return data
    if isinstance(data, str | Path):
        from .open import open_data

        return open_data(data)
    if isinstance(data, Sequence) and len(data) in (2, 4):
        return from_arrays(*data)
    raise DampenError(
        "data must be a name, a path, a Dataset, (inputs, targets) or (inputs, targets, test inputs, test targets); "
        f"got {type(data).__name__}."
    )


def _check_parts(data: Dataset) -> None:
    """What `dataclasses.replace` may have put together."""
    count = len(data.inputs)
    _check_as_many(data.inputs, data.targets)
    for name in ("test_rows", "validation_rows"):
        rows = getattr(data, name)
        if rows is not None and len(rows) and not (rows.min() >= 0 and rows.max() < count):
            raise DampenError(
                f"Dataset.{name} must be numbers of its {count} rows, from 0 to {count - 1}; got {int(rows.min())} "
                f"to {int(rows.max())}. Replace it together with inputs and targets."
            )


def from_arrays(
    inputs: Any, targets: Any, test_inputs: Any = None, test_targets: Any = None, *, name: str = "arrays"
) -> Dataset:
    """Arrays or tensors: inputs (R, ...) numbers, uint8 images (R, C, H, W) kept as such; targets (R,) of whole
    numbers, booleans or strings (classes), (R, L) of booleans or whole numbers 0 and 1 (labels, several of which may
    hold at once), or (R,) or (R, M) of floats (numbers). A test part of its own makes the protocol "fixed test". A
    `np.memmap` of float32 or uint8 is not read into memory, unless there is a test part.
    Series (R, C, T) may have unequal lengths: a list of arrays (T,) or (C, T), or NaN at their ends (`lengths.py`)."""
    on_disk = isinstance(inputs, np.memmap) and inputs.dtype in (np.float32, np.uint8) and test_inputs is None
    (inputs, test_inputs), notes = of_one_length(inputs, test_inputs)
    inputs, targets = _numbers(inputs, "inputs"), _array(targets, "targets")
    _check_shapes(inputs, targets)
    test_rows = None
    if (test_inputs is None) != (test_targets is None):
        raise DampenError("A test part must have inputs and targets; got one of the two.")
    if test_inputs is not None:
        test_inputs, test_targets = _numbers(test_inputs, "test inputs"), _array(test_targets, "test targets")
        _check_test(inputs, targets, test_inputs, test_targets)
        test_rows = torch.arange(len(inputs), len(inputs) + len(test_inputs))
        inputs, targets = np.concatenate([inputs, test_inputs]), np.concatenate([targets, test_targets])
    if np.issubdtype(targets.dtype, np.floating):
        return dataclasses.replace(_with_numbers(name, _tensor(inputs), targets, test_rows, on_disk), notes=notes)
    if targets.ndim == 2 and targets.shape[1] > 1:
        return dataclasses.replace(_with_labels(name, _tensor(inputs), targets, test_rows, on_disk), notes=notes)
    if targets.ndim != 1:
        raise DampenError(
            f"Class targets must have shape (rows,); got {targets.shape}. Flatten them; numbers must be floats."
        )
    labels, codes = np.unique(targets, return_inverse=True)
    _check_classes(labels, codes, test_rows)
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(codes), len(labels)).float()
    classes = tuple(map(str, labels))
    return Dataset(name, _tensor(inputs), one_hot, "classes", classes, test_rows, notes=notes, on_disk=on_disk)


def _with_numbers(name: str, inputs: Tensor, targets: np.ndarray, test_rows: Tensor | None, on_disk: bool) -> Dataset:
    numbers = _finite(targets.reshape(len(targets), -1), "targets")
    if (numbers == numbers[0]).all():
        raise DampenError(f"The target must vary; got the value {numbers[0][0]:g} in all {len(numbers)} rows.")
    return Dataset(name, inputs, torch.from_numpy(numbers), "numbers", test_rows=test_rows, on_disk=on_disk)


def _with_labels(name: str, inputs: Tensor, targets: np.ndarray, test_rows: Tensor | None, on_disk: bool) -> Dataset:
    if targets.dtype.kind not in "biu" or not np.isin(targets, (0, 1)).all():
        raise DampenError(
            "Targets of several columns must be labels, booleans or whole numbers 0 and 1, or numbers as floats; "
            f"got {targets.dtype} such as {targets[0].tolist()}."
        )
    labels = tuple(map(str, range(targets.shape[1])))
    numbers = torch.from_numpy(targets.astype(np.float32))
    check_labels(numbers, labels, test_rows)
    return Dataset(name, inputs, numbers, "labels", labels, test_rows, on_disk=on_disk)


def check_labels(targets: Tensor, labels: Sequence[str], test_rows: Tensor | None = None) -> None:
    """Refuse a label that all rows have, or none; the rows of a test part do not count."""
    learnable = torch.ones(len(targets), dtype=torch.bool)
    if test_rows is not None:
        learnable[test_rows] = False
    counts = targets[learnable].sum(0).tolist()
    parts = NUM_PARTS if test_rows is None else NUM_PARTS - 1
    for label, count in zip(labels, counts, strict=True):
        if not parts <= count <= int(learnable.sum()) - parts:
            raise DampenError(
                f"Every label must be there in at least {parts} rows, one for each part, and be missing in as many; "
                f"label {label} is there in {count:.0f} of {int(learnable.sum())}. Leave it out."
            )


def _tensor(array: np.ndarray) -> Tensor:
    """The same memory. Nobody writes to it: what torch warns of, where it is a file opened for reading, is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)


def _array(values: Any, what: str) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    try:
        array = np.asarray(values)
    except ValueError:
        raise DampenError(f"{what} must be an array; got rows of different lengths.") from None
    if array.ndim == 0 or (array.dtype == object and len({type(value) for value in array.ravel()}) > 1):
        raise DampenError(f"{what} must be an array of one kind of value; got {repr(values)[:60]}.")
    return array.astype(str) if array.dtype == object else array


def _numbers(values: Any, what: str) -> np.ndarray:
    array = _array(values, what)
    real = np.issubdtype(array.dtype, np.number) and not np.issubdtype(array.dtype, np.complexfloating)
    if array.ndim < 2 or array.size == 0 or not (real or array.dtype == bool):
        raise DampenError(
            f"{what} must be real numbers of shape (rows, ...), at least one column; "
            f"got shape {array.shape}, type {array.dtype}."
        )
    return _finite(array, what)


def _finite(values: np.ndarray, what: str) -> np.ndarray:
    """float32, or uint8 as it is for images: a quarter of the memory. NaN, infinity and what float32 cannot hold are
    refused by column and number of rows."""
    if values.dtype == np.uint8 and values.ndim == 4:
        return values
    with np.errstate(over="ignore"):
        short = values.astype(np.float32, copy=False)
    size = max(1, CHUNK_NUMBERS * len(short) // max(short.size, 1))
    bad = sum((~np.isfinite(short[i : i + size])).reshape(-1, short[0].size).sum(0) for i in range(0, len(short), size))
    if np.any(bad):
        columns = np.flatnonzero(bad)
        first = ", ".join(f"column {c} ({counted(int(bad[c]))})" for c in columns[:3])
        more = f" and {len(columns) - 3} more" if len(columns) > 3 else ""
        raise DampenError(
            f"{what} must be finite and below 3e38; got NaN, infinity or more in {first}{more}. "
            "Fill or drop these rows."
        )
    return short


def _check_as_many(inputs: Any, targets: Any) -> None:
    if len(inputs) != len(targets):
        raise DampenError(f"inputs and targets must have as many rows; got {len(inputs)} and {len(targets)}.")


def _check_shapes(inputs: np.ndarray, targets: np.ndarray) -> None:
    _check_as_many(inputs, targets)
    if len(inputs) < 2 * NUM_PARTS:
        raise DampenError(
            f"data must have at least {2 * NUM_PARTS} rows, two for each of training, validation and test part; "
            f"got {len(inputs)}."
        )


def _check_test(inputs: np.ndarray, targets: np.ndarray, test_inputs: np.ndarray, test_targets: np.ndarray) -> None:
    if len(test_inputs) != len(test_targets):
        raise DampenError(
            f"test inputs and targets must have as many rows; got {len(test_inputs)} and {len(test_targets)}."
        )
    for what, ours, theirs in (("inputs", inputs, test_inputs), ("targets", targets, test_targets)):
        if ours.shape[1:] != theirs.shape[1:] or _kind(ours) != _kind(theirs):
            raise DampenError(
                f"test {what} must be like {what}, {ours.dtype} {('rows', *ours.shape[1:])}; "
                f"got {theirs.dtype} {('rows', *theirs.shape[1:])}."
            )


def _kind(array: np.ndarray) -> str:
    """whole numbers and booleans are one kind, floats one, text one."""
    return array.dtype.kind.translate(str.maketrans("ubS", "iiU"))


def _check_classes(labels: np.ndarray, codes: np.ndarray, test_rows: Tensor | None) -> None:
    if len(labels) < 2:
        raise DampenError(f"The target must have at least two classes; got one, {labels[0]!s}.")
    learnable = codes if test_rows is None else codes[: len(codes) - len(test_rows)]
    parts = NUM_PARTS if test_rows is None else NUM_PARTS - 1
    counts = np.bincount(learnable, minlength=len(labels))
    rare = int(counts.argmin())
    if counts[rare] < parts:
        raise DampenError(
            f"Every class must have at least {parts} rows, one for each part; class {labels[rare]!s} has "
            f"{counts[rare]}. Drop the class or merge it with another. (Are the targets numbers? Pass floats.)"
        )
