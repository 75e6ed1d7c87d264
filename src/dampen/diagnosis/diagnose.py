"""The door: a history, or several of the same training with other seeds, in; findings out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from ..history import History
from ..records import strict
from .finding import Finding


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """findings: the gravest first; none where the training is healthy, or nothing can be told. metrics: what was
    measured, by name, at the end of the training (of several seeds the median). source: what it was read from. notes:
    what a reader must know of the log. commands: one line for a shell per thing to try."""

    findings: tuple[Finding, ...]
    metrics: dict[str, Any]
    epochs: int
    source: str = ""
    notes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether there is no finding."""
        return not self.findings

    def to_record(self) -> dict[str, Any]:
        """Strict JSON values."""
        return {
            "kind": "dampen diagnosis",
            "version": 1,
            "source": self.source,
            "epochs": self.epochs,
            "healthy": self.healthy,
            "findings": [finding.to_record() for finding in self.findings],
            "metrics": strict(self.metrics),
            "notes": list(self.notes),
            "commands": list(self.commands),
        }

    def __str__(self) -> str:
        """For a terminal of 80 columns."""
        raise NotImplementedError


def diagnose(histories: History | Iterable[History], data: str = "DATA") -> Diagnosis:
    """What one training, or several of one recipe with other seeds, tells of itself. data: what to write into the
    commands to try."""
    raise NotImplementedError
