"""Records as strict JSON holds them: no NaN, no infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

SCALARS = (float, int, str)
INFINITIES = ("inf", "-inf")


def strict(value: Any) -> Any:
    """Numbers, texts, lists and dicts as strict JSON holds them."""
    if isinstance(value, SCALARS):  # first: nearly all of a record are numbers
        return plain_number(value)
    if isinstance(value, Mapping):
        return {name: strict(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [strict(v) for v in value]
    return value


def read(value: Any) -> Any:
    """The inverse of `strict`."""
    if value is None or isinstance(value, SCALARS):
        return read_number(value)
    if isinstance(value, Mapping):
        return {name: read(v) for name, v in value.items()}
    if isinstance(value, list):
        return [read(v) for v in value]
    return value


def plain_number(value: Any) -> Any:
    """A number as strict JSON holds it: null for NaN, "inf" and "-inf" for the infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def read_number(value: Any) -> Any:
    if value is None:
        return math.nan
    return float(value) if isinstance(value, str) and value in INFINITIES else value
