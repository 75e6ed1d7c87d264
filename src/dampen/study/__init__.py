"""Studies: many trainings, one answer."""

from __future__ import annotations

from .compare import compare
from .comparison import Comparison

__all__ = ["Comparison", "compare"]
