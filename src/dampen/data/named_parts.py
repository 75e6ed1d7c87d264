"""Parts that a column names: which rows train, which are watched, which judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..errors import DampenError
from ..words import counted, listed, naturally, shortened
from .cells import texts

if TYPE_CHECKING:
    from polars import Series

NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
"""What a part is called, in any case."""


def named_parts(column: Series) -> tuple[Tensor | None, Tensor]:
    """(validation rows, or None where the column names none; test rows)."""
    who = f"The split {column.name!r}"
    cells = texts(column)
    if cells.null_count():
        raise DampenError(f"{who} must be known of every row; got none in {counted(cells.null_count())}.")
    part_of = {name: part for part, names in NAMES.items() for name in names}
    told = cells.str.strip_chars().str.to_lowercase().to_list()
    odd = naturally({name for name in told if name not in part_of})
    if odd:
        raise DampenError(
            f"{who} must say train, validation (or dev) or test of every row; got {listed(list(map(shortened, odd)))}."
        )
    parts = np.array([part_of[name] for name in told])
    missing = [part for part in ("train", "test") if not (parts == part).any()]
    if missing:
        raise DampenError(f"{who} must name rows to train on and rows to test on; got none that {missing[0]}.")
    validation, test = (torch.from_numpy(np.flatnonzero(parts == part)) for part in ("validation", "test"))
    return (validation if len(validation) else None), test
