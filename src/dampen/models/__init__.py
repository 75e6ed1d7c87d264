"""Networks of our own, and what any network tells of itself (layout.py)."""

from __future__ import annotations

from .cnn import CNN
from .lstm import LSTM
from .mlp import MLP
from .residual import ResidualCNN
from .transformer import Transformer

__all__ = ["CNN", "LSTM", "MLP", "ResidualCNN", "Transformer"]
