"""Logs of other programs, and our own: read into histories."""

from __future__ import annotations

from .door import read_answer, read_log

__all__ = ["read_answer", "read_log"]
