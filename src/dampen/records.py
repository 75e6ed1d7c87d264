"""Records as strict JSON holds them: no NaN, no infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def strict(value: Any) -> Any:
    """Numbers, texts, lists and dicts as strict JSON holds them."""
    if isinstance(value, Mapping):
        return {name: strict(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [strict(v) for v in value]
    return plain_number(value)


def read(value: Any) -> Any:
    """The inverse of `strict`."""
    if isinstance(value, Mapping):
        return {name: read(v) for name, v in value.items()}
    if isinstance(value, list):
        return [read(v) for v in value]
    return read_number(value) if value is None or value in ("inf", "-inf") else value


def plain_number(value: Any) -> Any:
    """A number as strict JSON holds it: null for NaN, "inf" and "-inf" for the infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def read_number(value: Any) -> Any:
    return math.nan if value is None else float(value) if value in ("inf", "-inf") else value
