"""What a training's history tells, as records."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from ..records import read, strict

Severity = Literal["high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")
"""high: the training does not do what it should; medium: there is something to gain; low: good to know."""

KINDS = {
    "underfitting": "the network has not even learned the training part",
    "overfitting": "it gets better on what it trains on and worse on what it does not",
    "overfitting of the loss": "it grows too sure of itself: validation loss rises while the metric does not fall",
    "divergence": "the loss blew up",
    "unstable learning rate": "the loss jumps about: steps are too large",
    "leakage": "validation is better than training, or rows stand in two parts",
    "label noise": "some labels seem to be wrong",
    "no effect": "a technique changes nothing that could be seen",
    "too strong": "a technique keeps the network from learning",
    "not converged": "it was still improving at the end",
    "few seeds": "too few seeds to tell a gain from luck",
}
"""Every kind of finding, and what it means."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """kind: one of KINDS. said: one or two plain sentences with the numbers. evidence: these numbers by name; of
    overfitting also "onset", "onset_low" and "onset_high", epochs counted from 1: where it began, and between which
    epochs this may have been. recipes: what to try, each as `dampen compare --recipe` takes it."""

    kind: str
    severity: Severity
    said: str
    evidence: Mapping[str, Any]
    recipes: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """Strict JSON values."""
        return {**strict(dataclasses.asdict(self)), "recipes": list(self.recipes)}

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Finding:
        """The inverse of `to_record`."""
        return Finding(**{**read(record), "recipes": tuple(record["recipes"])})
