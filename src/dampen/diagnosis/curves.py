"""The curves of a history as arrays, as far as they are numbers."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..history import History
from .series import Array

SHARES = frozenset(
    (
        *("accuracy", "acc", "balanced_accuracy", "categorical_accuracy", "binary_accuracy", "f1", "auc", "auroc"),
        *("label_accuracy", "balanced_label_accuracy"),
        *("precision", "recall", "dice", "iou", "sparse_categorical_accuracy", "top1", "top_1"),
    )
)
"""Metrics between 0 and 1 of which 1 is perfect."""
ACCURACIES = SHARES & {"accuracy", "acc", "categorical_accuracy", "sparse_categorical_accuracy", "top1", "top_1"}
PERCENT = 1.5
"""A share that is larger is one in percent."""


class Curves(NamedTuple):
    """Losses, metrics turned so that more is better; (E,) each, or of no number where they are not known. error: how
    far the difference of the losses may be off because of the rows that were looked at. whole: how many epochs the log
    has; those from the first number on that is not finite are cut off. share: whether the metric is one of which 1 is
    perfect and 0 the worst; accuracy: whether it is how often the likeliest class is right."""

    train: Array
    val: Array
    train_metric: Array
    val_metric: Array
    error: float
    clean: bool
    share: bool
    accuracy: bool
    lr: Array
    whole: int

    @property
    def epochs(self) -> int:
        return max(len(self.train), len(self.val))


def curves_of(history: History) -> Curves:
    sign = 1.0 if history.higher_is_better else -1.0
    train, val = _column(history, "train_loss"), _column(history, "val_loss")
    if len(train) == len(val):
        val = _without_gaps(train, val)
    metrics = [sign * _column(history, name) for name in ("train_metric", "val_metric")]
    known = [column for column in (train, val) if len(column)]
    whole = len(history.epochs) if known else 0
    sound = np.ones(whole, dtype=bool)
    for column in known:
        sound &= np.isfinite(column)
    end = whole if sound.all() else int(np.argmin(sound))
    train_metric, val_metric = (column[:end] if np.isfinite(column[:end]).all() else column[:0] for column in metrics)
    name = history.metric.lower().removeprefix("val_").replace(" ", "_")
    highest = max((float(column.max()) for column in (train_metric, val_metric) if len(column)), default=0.0)
    if name in SHARES and highest > PERCENT:
        train_metric, val_metric = train_metric / 100, val_metric / 100
    return Curves(
        train[:end],
        val[:end],
        train_metric,
        val_metric,
        math.hypot(*(_typical_error(history, part) for part in ("train", "val"))),
        history.clean,
        name in SHARES,
        name in ACCURACIES,
        _column(history, "lr")[:end],
        whole,
    )


def _without_gaps(train: Array, val: Array) -> Array:
    """Some programs log NaN where they did not validate: it is as it was before, if training and what follows is
    finite."""
    filled = val.copy()
    for epoch in np.flatnonzero(np.isnan(val) & np.isfinite(train)):
        if np.isfinite(val[epoch:]).any():
            filled[epoch] = filled[epoch - 1] if epoch else val[np.isfinite(val)][0]
    return filled


def _typical_error(history: History, part: str) -> float:
    errors = _column(history, f"{part}_loss_error")
    return float(np.median(errors[np.isfinite(errors)])) if np.isfinite(errors).any() else 0.0


def _column(history: History, name: str) -> Array:
    """Numbers per epoch; none at all where the log does not know them. What was not measured in an epoch is as it was
    when last measured; NaN stays NaN."""
    values = [record.get(name) for record in history.epochs]
    known = [value for value in values if value is not None]
    if not known:
        return np.empty(0)
    filled, last = [], known[0]
    for value in values:
        last = last if value is None else value
        filled.append(last)
    return np.asarray(filled, dtype=np.float64)
