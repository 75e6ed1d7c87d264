"""What the readers of images and archives share: limits on what is unpacked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import DampenError
from ..words import counted, listed, natural, size
from .dataset import Dataset

HARMLESS_BYTES = 16 * 2**20
"""What unpacks to no more than this may be packed as tightly as it likes."""
PACKED_AT_MOST = 400
"""Real arrays stay below it (sparse word counts of 0.8 % reach 300); nothing but one value repeated reaches 1,000."""
LARGEST_BYTES = 16 * 2**30
"""Everything is held in memory; a set beyond this needs another program."""
SHEET = "contact-sheet.png"
"""What `dampen augment` lays beside the copies it writes, for people; no image to learn from."""
IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm", ".pbm"))


def check_unpacked(what: str, packed: int, unpacked: int) -> None:
    """Refuse, before anything is unpacked, what would grow out of proportion or beyond memory (sizes in bytes)."""
    if unpacked > HARMLESS_BYTES and unpacked > PACKED_AT_MOST * packed:
        raise DampenError(
            f"{what} must not unpack to more than {PACKED_AT_MOST} times its size; {size(packed)} would become "
            f"{size(unpacked)}. If it is no attack, store it with less compression."
        )
    if unpacked > LARGEST_BYTES:
        raise DampenError(
            f"{what} must fit in memory, at most {size(LARGEST_BYTES)}; it would take {size(unpacked)}. "
            "Take fewer rows or smaller images."
        )


def check_test_classes(labels: Sequence | np.ndarray, test_labels: Sequence | np.ndarray) -> None:
    """Refuse a class that stands in the test part only (floats are numbers, no classes)."""
    values, counts = np.unique(np.asarray(test_labels), return_counts=True)
    if np.issubdtype(values.dtype, np.floating):
        return
    new = np.setdiff1d(values, np.asarray(labels))
    if len(new):
        rows = int(counts[np.isin(values, new)].sum())
        raise DampenError(
            f"Every class of the test part must stand in the training part too; missing there: {listed(new, 3)} "
            f"({counted(rows, 'test row')}). Drop these rows or move some of them."
        )


def naturally_ordered(data: Dataset) -> Dataset:
    """The same data with classes in the order a person would count: 2 before 10."""
    order = sorted(range(len(data.classes)), key=lambda code: natural(data.classes[code]))
    classes = tuple(data.classes[code] for code in order)
    return dataclasses.replace(data, targets=data.targets[:, order], classes=classes)


def hidden(path: Path) -> bool:
    """What systems leave lying about: dot files, and macOS's copies inside archives; and a contact sheet."""
    return path.name.startswith((".", "__MACOSX")) or path.name in ("Thumbs.db", "desktop.ini", SHEET)


def is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not hidden(path)
