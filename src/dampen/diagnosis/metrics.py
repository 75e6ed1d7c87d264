"""The usual metrics of overfitting, per epoch and at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..history import History
from .series import Array

KEPT = (
    *("train_loss", "val_loss", "train_metric", "val_metric", "objective", "weight_norm", "weight_norm_l1"),
    *("update_ratio", "gradient_norm", "penalty_share", "zeros_fraction", "dead_fraction", "lr"),
)
"""Columns of a history that are metrics already."""
SURENESS = {"error": "calibration_error", "brier": "brier", "confidence_on_mistakes": "confidence_on_mistakes"}


def overfitting_metrics(history: History) -> dict[str, list[float]]:
    """Per epoch; NaN where it is not known, and what no epoch knows is left out. Besides the columns of the history:

    loss_gap <- val_loss - train_loss
    metric_gap <- train_metric - val_metric, turned so that positive means worse on validation
    overfitting_score <- val_loss / train_loss
    norm_ratio <- weight_norm_l1 / weight_norm    (small: few weights carry the network)
    """
    columns = {name: np.asarray(history.column(name), dtype=np.float64) for name in KEPT}
    sign = 1.0 if history.higher_is_better else -1.0
    with np.errstate(all="ignore"):
        columns |= {
            "loss_gap": columns["val_loss"] - columns["train_loss"],
            "metric_gap": sign * (columns["train_metric"] - columns["val_metric"]),
            "overfitting_score": ratio(columns["val_loss"], columns["train_loss"]),
            "norm_ratio": ratio(columns["weight_norm_l1"], columns["weight_norm"]),
        }
    return {name: column.tolist() for name, column in columns.items() if not np.isnan(column).all()}


def ratio(above: Array, below: Array) -> Array:
    """Only of what is above 0: the ratio to a loss below 0 says nothing."""
    return np.where((below > 0) & np.isfinite(below), above / below, np.nan)


def final_metrics(history: History) -> dict[str, Any]:
    """The same at the last epoch that has them, and how sure the network is: calibration_error (expected), brier,
    confidence_on_mistakes; served_epoch where it is known."""
    found: dict[str, Any] = {
        name: next(value for value in reversed(column) if not math.isnan(value))
        for name, column in overfitting_metrics(history).items()
    }
    found |= {told: history.final[name] for name, told in SURENESS.items() if name in history.final}
    if history.served_epoch is not None:
        found["served_epoch"] = history.served_epoch
    return found


def median_metrics(histories: Sequence[History]) -> dict[str, Any]:
    """Of several seeds the median of each."""
    each = [final_metrics(history) for history in histories]
    names = dict.fromkeys(name for metrics in each for name in metrics)
    return {name: float(np.nanmedian([m[name] for m in each if name in m])) for name in names}
