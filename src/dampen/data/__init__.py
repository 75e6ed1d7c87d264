"""Data sets, their splits, and the facts of a training part."""

from __future__ import annotations

from .dataset import Dataset, as_dataset, load
from .embedding import embed
from .facts import Facts, facts_of
from .open import open_data
from .schema import Schema
from .split import Split, split
from .tables import load_table

__all__ = [
    "Dataset",
    "Facts",
    "Schema",
    "Split",
    "as_dataset",
    "embed",
    "facts_of",
    "load",
    "load_table",
    "open_data",
    "split",
]
