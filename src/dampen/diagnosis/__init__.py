"""Histories in, findings out."""

from __future__ import annotations

from .diagnose import Diagnosis, diagnose
from .finding import KINDS, Finding

__all__ = ["KINDS", "Diagnosis", "Finding", "diagnose"]
