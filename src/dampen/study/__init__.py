"""Studies: many trainings, one answer."""

from __future__ import annotations

from .compare import compare
from .comparison import Comparison
from .found import SearchResult
from .search import search

__all__ = ["Comparison", "SearchResult", "compare", "search"]
