"""Techniques in other people's training loops."""

from __future__ import annotations

from .loop import Attached, attach, rebuild

__all__ = ["Attached", "attach", "rebuild"]
