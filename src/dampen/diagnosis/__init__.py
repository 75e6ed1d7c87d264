"""Histories in, findings out."""

from __future__ import annotations

from .answers import diagnose_answer
from .diagnose import Diagnosis, diagnose
from .finding import KINDS, Finding
from .metrics import final_metrics, overfitting_metrics

__all__ = [
    "KINDS",
    "Diagnosis",
    "Finding",
    "diagnose",
    "diagnose_answer",
    "final_metrics",
    "overfitting_metrics",
]
