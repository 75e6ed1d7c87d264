"""Networks of our own, and what any network tells of itself (layout.py)."""

from __future__ import annotations

from .cnn import CNN
from .mlp import MLP
from .residual import ResidualCNN

__all__ = ["CNN", "MLP", "ResidualCNN"]
