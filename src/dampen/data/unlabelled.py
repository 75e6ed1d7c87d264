"""Rows to predict, from the same files as data to learn from, with or without their targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from ..errors import DampenError
from ..words import counted
from .dataset import BUILT_IN, Dataset
from .fetch import KNOWN, OPENML
from .files import is_image
from .idx import holds_idx, rows_of_idx
from .images import rows_of_images
from .open import missing, open_data
from .reading import is_table, read_rows
from .signature import Signature, encoded, of_frame
from .windows import rows_of


class Unlabelled(NamedTuple):
    """inputs: rows (N, ...) as the network takes them. names: what each is called, its number in the source, from 1,
    or its file; of windows what they forecast. heading: "row", "file" or the column of the times. notes: what was
    left out."""

    inputs: Tensor
    names: Sequence[int | str]
    heading: str
    notes: tuple[str, ...] = ()


def open_rows(source: str | Path, signature: Signature, skip_broken: bool = False) -> Unlabelled:
    """Rows of a network with this signature, from a built-in name, a table (.csv, .tsv, also .gz; .parquet), an
    archive (.npz), an image, or a folder of IDX files or images. Targets may be there; they are not looked at.

    skip_broken: leave out images that cannot be read. Raises `DampenError` where the rows are none of this network.
    """
    name, path = str(source), Path(source)
    if name in BUILT_IN or name in KNOWN or name.startswith(OPENML):
        return _numbered(of_dataset(signature, open_data(name)))
    if not path.exists():
        raise missing(name, path)
    if path.is_dir() and holds_idx(path):
        return _numbered(encoded(signature, rows_of_idx(path)))
    if path.is_dir() or is_image(path):
        images, names, broken = rows_of_images(path, skip_broken)
        notes = (f"Broken files left out: {broken:,}.",) if broken else ()
        return Unlabelled(encoded(signature, images), names, "file", notes)
    if path.suffix.lower() == ".npz":
        from .archives import rows_of_npz

        return _numbered(encoded(signature, rows_of_npz(path)))
    if not is_table(path):
        raise DampenError(
            f"DATA must be a table (.csv, .tsv, .gz, .parquet), an .npz file, an image or a folder; got {path}."
        )
    return _of_table(path, signature)


def of_dataset(signature: Signature, data: Dataset) -> Tensor:
    """The inputs of a data set that was encoded as the network's was."""
    if any(getattr(data, name) != getattr(signature, name) for name in ("schema", "vocabulary", "windows")):
        raise DampenError(
            f"The data set {data.name} must be encoded as the network's was; it is not. Give the file it comes from."
        )
    return signature.check_rows(data.inputs)


def _numbered(inputs: Tensor) -> Unlabelled:
    return Unlabelled(inputs, range(1, len(inputs) + 1), "row")


def _of_table(path: Path, signature: Signature) -> Unlabelled:
    frame, kept = read_rows(path)
    left_out = frame.height - len(kept)
    notes = (f"{counted(left_out)} without any cell left out",) if left_out else ()
    if not len(kept):
        raise DampenError(f"{path.name!r} must have rows; all of them are empty.")
    if signature.windows is not None:
        rows = rows_of(signature.windows, frame[kept] if signature.windows.time in frame.columns else frame)
        return Unlabelled(*rows)
    inputs = of_frame(signature, frame[kept] if left_out else frame)
    return Unlabelled(inputs, (kept + 1).tolist(), "row", notes)
