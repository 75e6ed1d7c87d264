"""`trainer_state.json` of the Trainer of Hugging Face's Transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...history import History
from .listed import history_of_rows


def read_trainer_state(state: Mapping[str, Any], source: str) -> History:
    """The last row of a finished training sums it up: its train_loss is a mean over everything, and left out."""
    rows = [row for row in state["log_history"] if isinstance(row, Mapping) and "train_runtime" not in row]
    return history_of_rows(rows, source)


def is_trainer_state(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("log_history"), list)
