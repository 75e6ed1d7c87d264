"""Techniques in other people's training loops."""

from __future__ import annotations

from .loop import Attached, attach, rebuild
from .monitor import Monitor

__all__ = ["Attached", "Monitor", "attach", "rebuild"]
