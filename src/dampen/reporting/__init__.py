"""Facts and what is made of them for people: figures, and a page."""

from __future__ import annotations

from . import figures

__all__ = ["figures"]
