"""Data sets, their splits, and the facts of a training part."""

from __future__ import annotations

from .dataset import Dataset, as_dataset, load
from .facts import Facts, facts_of
from .split import Split, split

__all__ = ["Dataset", "Facts", "Split", "as_dataset", "facts_of", "load", "split"]
