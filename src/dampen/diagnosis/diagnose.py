"""The door: one training's history, or several of the same recipe with other seeds, in; findings out."""

from __future__ import annotations

import dataclasses
import statistics
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import DampenError
from ..history import History
from ..records import strict
from .advice import BESIDES, RECIPES, command
from .finding import SEVERITIES, Finding
from .metrics import median_metrics
from .training import training_findings

WIDTH = 80
SHOWN = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "overfitting_score": "validation / training",
    "train_metric": "training",
    "val_metric": "validation",
    "weight_norm": "weight norm",
    "update_ratio": "update / weight",
    "calibration_error": "calibration error",
}
"""Metrics that a terminal shows."""


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """findings: the gravest first; none where the training is healthy, or nothing can be told. metrics: what was
    measured, by name, at the end of the training (of several seeds the median). metric: what train_metric and
    val_metric are. epochs: how many were trained, seeds: how often. source: what it was read from. notes: what a
    reader must know of the log. data: what stands for the data in the commands that are printed."""

    findings: tuple[Finding, ...]
    metrics: dict[str, Any]
    metric: str
    epochs: int
    seeds: int
    source: str = ""
    notes: tuple[str, ...] = ()
    data: str = "DATA"

    @property
    def healthy(self) -> bool:
        """Whether there is no finding."""
        return not self.findings

    def command(self, finding: Finding) -> str:
        """What to type to put the finding's recipes to the test; "" where no technique helps."""
        longer = 2 * self.epochs if finding.kind == "not converged" else self.epochs
        return command(finding.recipes, self.data, longer, finding.evidence.get("needed")) if finding.recipes else ""

    def to_record(self) -> dict[str, Any]:
        """Strict JSON values."""
        findings = [{**f.to_record(), "command": self.command(f)} for f in self.findings]
        return {
            "kind": "dampen diagnosis",
            "version": 1,
            "source": self.source,
            "epochs": self.epochs,
            "seeds": self.seeds,
            "healthy": self.healthy,
            "findings": findings,
            "metric": self.metric,
            "metrics": strict(self.metrics),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """For a terminal of 80 columns."""
        of_seeds = f", {self.seeds} seeds" if self.seeds > 1 else ""
        head = f"{self.source}: " if self.source else ""
        lines = textwrap.wrap(f"{head}{self.epochs} epochs{of_seeds}", WIDTH)
        lines += [f"note: {note}" for note in self.notes]
        lines += self._table()
        for finding in self.findings:
            lines += ["", *self._told(finding)]
        if self.healthy:
            lines += ["", "Nothing stands out."]
        return "\n".join(lines)

    def _table(self) -> list[str]:
        known = {name: told for name, told in SHOWN.items() if name in self.metrics}
        named = {
            name: f"{told} {self.metric.replace('_', ' ')}".strip() if name.endswith("_metric") else told
            for name, told in known.items()
        }
        return [f"  {told:<32} {self.metrics[name]:>10.4g}" for name, told in named.items()]

    def _told(self, finding: Finding) -> list[str]:
        lines = textwrap.wrap(
            f"{finding.severity.upper()}  {finding.kind}: {finding.said}", WIDTH, subsequent_indent="  "
        )
        if besides := BESIDES.get(finding.kind):
            lines += textwrap.wrap(f"Try: {besides}.", WIDTH, initial_indent="  ", subsequent_indent="  ")
        if line := self.command(finding):
            lines += ["  Put to the test:", f"    {line}"]
        return lines


def diagnose(histories: History | Iterable[History], data: str = "DATA") -> Diagnosis:
    """What one training, or several of one recipe with other seeds, tells of itself: of several what holds for at least
    half of them. data: what to write into the commands to try.

    Raises `DampenError` where there is no history.
    """
    members = [histories] if isinstance(histories, History) else list(histories)
    if not members or not all(isinstance(member, History) for member in members):
        raise DampenError(f"diagnose takes a History or several; got {histories!r}. See `Fitted.history`, `read_log`.")
    return Diagnosis(
        findings=by_severity(_together([training_findings(member) for member in members])),
        metrics=median_metrics(members),
        metric=members[0].metric,
        epochs=max(len(member.epochs) for member in members),
        seeds=len(members),
        source=members[0].source,
        notes=tuple(dict.fromkeys(note for member in members for note in member.notes)),
        data=data,
    )


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The gravest first; recipes to try beside each."""
    ranked = sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
    return tuple(
        finding if finding.recipes else dataclasses.replace(finding, recipes=RECIPES.get(finding.kind, ()))
        for finding in ranked
    )


def _together(found: Sequence[Sequence[Finding]]) -> list[Finding]:
    """Of each kind that at least half of the trainings show, the finding of a typical one."""
    by_kind: dict[str, list[Finding]] = {}
    for finding in (finding for of_one in found for finding in of_one):
        by_kind.setdefault(finding.kind, []).append(finding)
    return [_typical(same, len(found)) for same in by_kind.values() if 2 * len(same) >= len(found)]


def _typical(same: Sequence[Finding], of: int) -> Finding:
    """The middle one by severity, then by the first number of its evidence; onsets are those of all."""
    if of == 1:
        return same[0]
    ranked = sorted(same, key=lambda f: (SEVERITIES.index(f.severity), *list(f.evidence.values())[:1]))
    middle = ranked[len(ranked) // 2]
    evidence = {**middle.evidence, "seeds": len(same)}
    if "onset" in evidence:
        onsets = sorted(f.evidence["onset"] for f in same if "onset" in f.evidence)
        evidence |= {"onset": statistics.median_low(onsets), "onset_low": onsets[0], "onset_high": onsets[-1]}
    said = f"In {len(same)} of {of} trainings; of a typical one: {middle.said}"
    return dataclasses.replace(middle, said=said, evidence=evidence)
