"""What is remembered of one training, whoever trained: plain records, no tensors."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from .records import read, strict

VERSION = 2
DIGITS = 6
"""Significant digits of the numbers per layer."""


@dataclasses.dataclass
class History:
    """One training, epoch by epoch. Readers must allow for missing fields: a foreign log knows less than a training of
    ours.

    epochs: one record per epoch with train_loss and train_metric (see `clean`), val_loss and val_metric (of the weights
    that would serve; of several that serve together only the newest), val_score (val_metric, turned so that higher is
    better), train_loss_error and val_loss_error (standard errors of these losses as means over rows), objective (mean
    over the epoch's steps, noise and penalties included),
    penalty_share (of the objective), gradient_norm, weight_norm and weight_norm_l1 (L2 and L1, all tensors, last step),
    update_ratio (L2 norm of the last step over that of the weights; a `Monitor` sees no steps: of the whole epoch),
    zeros_fraction (of the weights of layers, exactly zero), dead_fraction (of hidden units, zero for every row of the
    training sample), lr, steps, epochs (how many there are to be), seconds (this member's share of the pack's time).
    What was not measured is missing; what is NaN was measured, and was none.
    outcome: running, finished, stopped, diverged or, of a foreign log, unknown.
    metric: the name of what train_metric and val_metric are, "" where there is none; higher_is_better: of it.
    clean: whether train_loss and train_metric are of the weights at the epoch's end in evaluation mode, as ours are;
    most programs log the mean over the epoch's steps instead, noise and penalties included.
    served_epoch: the epoch whose weights serve, counted from 1; None where it is not known.
    layers: per layer with weights columns with one number per epoch: l1, l2, update_ratio, zeros_fraction.
    weights: histograms of the weights at a few epochs: {"epoch": 3, "layers": {name: {"low": -0.1, "high": 0.1,
    "counts": [64 whole numbers]}}}.
    final: what serves, on a part that it has not seen: {"part": "test", "rows": 360, "mistakes": 9, "error": 0.01
    (expected calibration error), "brier": 0.04, "confidence_on_mistakes": 0.6, "bins": [{"confidence": 0.97, "right":
    0.95, "rows": 300}, ...]}; empty where numbers are predicted.
    source: what it was read from, for people. notes: what a reader must know of it.
    """

    epochs: list[dict[str, float]] = dataclasses.field(default_factory=list)
    outcome: str = "running"
    version: int = VERSION
    metric: str = ""
    higher_is_better: bool = True
    clean: bool = True
    served_epoch: int | None = None
    layers: dict[str, dict[str, list[float]]] = dataclasses.field(default_factory=dict)
    weights: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    final: dict[str, Any] = dataclasses.field(default_factory=dict)
    source: str = ""
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def seconds(self) -> float:
        return sum(record.get("seconds", 0.0) for record in self.epochs)

    def column(self, name: str) -> list[float]:
        """One number per epoch; NaN where it is not known."""
        return [record.get(name, math.nan) for record in self.epochs]

    def to_record(self) -> dict[str, Any]:
        """Strict JSON: a number that is not finite becomes null or the string "inf"."""
        return {field.name: strict(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @staticmethod
    def from_record(record: dict[str, Any]) -> History:
        """The inverse of `to_record`; what an older record does not hold is as of a fresh history."""
        names = {field.name for field in dataclasses.fields(History)}
        known = {name: value for name, value in record.items() if name in names}
        plain = {name: known.pop(name) for name in ("served_epoch",) if name in known}
        return History(**{name: read(value) for name, value in known.items()}, **plain)
