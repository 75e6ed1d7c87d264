"""Rows that stand in two parts of a split, for the protocol of an answer."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..data.dataset import Dataset
from ..data.duplicates import duplicates, sentence
from ..data.split import Split


def overlap(data: Dataset, parts: Split) -> dict[str, Any]:
    """duplicates: a sentence; overlap: the counts of its record. Both are empty where no row stands twice, of data
    on disk, which are too many to look through, and of a series cut into windows: where two are alike the series
    repeats itself, as it will where it is forecast, and no target stands in two parts."""
    found = None if data.on_disk or data.windows is not None else duplicates(data, parts)
    if not found or not (found.test.found or found.validation.found):
        return {"duplicates": "", "overlap": {}}
    return {"duplicates": sentence(found), "overlap": dataclasses.asdict(found)}
