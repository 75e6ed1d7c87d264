"""Networks of our own, and what any network tells of itself (layout.py)."""

from __future__ import annotations

from typing import Any

from .cnn import CNN
from .lstm import LSTM
from .mlp import MLP
from .residual import ResidualCNN
from .transformer import Transformer

__all__ = ["BY_NAME", "CNN", "LSTM", "MLP", "ResidualCNN", "Transformer", "network_for"]

BY_NAME: dict[str, Any] = {"mlp": MLP, "cnn": CNN, "residual": ResidualCNN, "transformer": Transformer, "lstm": LSTM}


def network_for(data: Any) -> Any:
    """What a data set is compared with where nobody names a network: a transformer for texts, else a perceptron."""
    return Transformer() if "tokens" in data.words else MLP()
