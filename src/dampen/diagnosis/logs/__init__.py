"""Logs of other programs, and our own: read into histories."""

from __future__ import annotations

from .door import read_any, read_log

__all__ = ["read_any", "read_log"]
