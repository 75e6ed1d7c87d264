"""Networks of our own, and what any network tells of itself (layout.py)."""

from __future__ import annotations

from .mlp import MLP

__all__ = ["MLP"]
