"""The answer of `compare` as plain records: what `report` reads and what a person prints."""

from __future__ import annotations

import dataclasses
import json
import platform
import textwrap
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..errors import DampenError
from ..evidence import Evidence, conclusion, verdict
from ..evidence.verdict import FEWEST_SEEDS, SHARES, verdict_in_table, would_have_been_noticed
from ..history import History
from ..records import plain_number, read, strict

VERSION = 1
WIDTH = 80
STILL_IMPROVING = 0.02
"""A validation loss that fell by more than this share from the tenth before to the last tenth of the epochs."""
WITHOUT = "without "
"""How names of recipes begin that lack an ingredient of the winner."""
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """evidence: one record per recipe against the baseline, best effect first. scores: test scores per recipe,
    {"metric": [one per seed], "loss": [...]}. recipes: as plain dicts. histories: per recipe one per seed.
    notes: what a reader must know of a recipe ("not yet converged", "2 of 12 diverged").
    protocol: data, model, settings, seeds, how often the test part was opened, machine, seconds. plan: who trained with
    whom. examples: of recipes that change images, a few before and after, see `study/examples.py`."""

    evidence: tuple[Evidence, ...]
    scores: Mapping[str, Mapping[str, list[float]]]
    recipes: Mapping[str, dict[str, Any]]
    histories: Mapping[str, list[History]]
    notes: Mapping[str, list[str]]
    protocol: Mapping[str, Any]
    plan: Mapping[str, Any]
    versions: Mapping[str, str]
    interrupted: bool = False
    examples: Mapping[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """Strict JSON values; the verdicts are there for other readers, `from_record` computes its own."""
        return {
            "kind": "dampen comparison",
            "version": VERSION,
            "conclusion": self.conclusion,
            "evidence": [{**e.to_record(), "verdict": verdict(e)} for e in self.evidence],
            "scores": {n: {k: [plain_number(v) for v in vs] for k, vs in s.items()} for n, s in self.scores.items()},
            "recipes": strict(self.recipes),
            "histories": {name: [h.to_record() for h in all_] for name, all_ in self.histories.items()},
            "notes": dict(self.notes),
            "protocol": dict(self.protocol),
            "plan": strict(self.plan),
            "versions": dict(self.versions),
            "interrupted": self.interrupted,
            "examples": strict(self.examples),
        }

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> Comparison:
        if record.get("kind") != "dampen comparison":
            raise DampenError("A comparison must come from `dampen compare --json`; got another kind of file.")
        missing = [name for name in Comparison.__dataclass_fields__ if name not in {*record, "examples"}]
        if missing:
            raise DampenError(f"A comparison must have {missing[0]!r}; the record has not. Run `dampen compare` again.")
        evidence = [{k: v for k, v in e.items() if k != "verdict"} for e in record["evidence"]]
        return Comparison(
            evidence=tuple(Evidence.from_record(e) for e in evidence),
            histories={n: [History.from_record(h) for h in all_] for n, all_ in record["histories"].items()},
            scores=read(record["scores"]),
            recipes=read(record["recipes"]),
            examples=read(record.get("examples", {})),
            **{n: record[n] for n in ("notes", "protocol", "plan", "versions", "interrupted")},
        )

    def save(self, path: str | Path) -> None:
        """Write strict JSON."""
        text = json.dumps(self.to_record(), allow_nan=False, indent=1)
        Path(path).write_text(text + "\n", encoding="utf-8")

    @property
    def conclusion(self) -> str:
        """One plain sentence about the whole table."""
        if self.interrupted and not self.evidence:
            return "Interrupted before two recipes were complete: there is nothing to compare."
        return conclusion(self.evidence)

    def rows(self) -> list[dict[str, str]]:
        """The table in words: one row per recipe, best effect first, the baseline where its effect of 0 puts it."""
        rows = [(e.effect, _row(e, self.notes.get(e.recipe, []))) for e in self.evidence]
        base = self.protocol["baseline"]
        if base in self.scores:
            own = self.scores[base]["metric"]
            score = number(sum(own) / len(own), self.protocol["metric"])
            rows.append((0.0, {**dict.fromkeys(COLUMNS, ""), "recipe": base, "score": score, "cost": "1.0"}))
            rows[-1][1]["note"] = "; ".join(self.notes.get(base, []))
        return [row for _, row in sorted(rows, key=lambda pair: -pair[0])]

    def __str__(self) -> str:
        lines = [*self.lines(), ""] if self.evidence else []
        return "\n".join([*lines, *textwrap.wrap(self.conclusion, WIDTH)])

    def lines(self) -> list[str]:
        """The table and its footnotes as text, 80 columns unless a recipe's name is long."""
        metric = self.protocol["metric"]
        heads = {**COLUMNS, "score": _HEADS.get(metric, metric)}
        rows = [heads, *self.rows()]
        rows = [{**row, "recipe": row["recipe"] + ("*" if row.get("note") else "")} for row in rows]
        widths = {name: max(len(row[name]) for row in rows) for name in COLUMNS}
        right = {"score", "p", "cost"}
        lines = []
        for row in rows:
            cells = [row[n].rjust(widths[n]) if n in right else row[n].ljust(widths[n]) for n in COLUMNS]
            lines.append(" ".join(cells).rstrip())
        lines.insert(1, "-" * max(len(line) for line in lines))
        return lines + self._footnotes()

    def _footnotes(self) -> list[str]:
        unsure = [e for e in self.evidence if verdict(e) == "no evidence" and e.detectable > 0]
        lines = [""]
        if unsure and self.evidence[0].seeds >= FEWEST_SEEDS:
            sentence = would_have_been_noticed(unsure)
            lines += textwrap.wrap(sentence[0].upper() + sentence[1:] + ".", WIDTH)
        for note in dict.fromkeys(note for notes in self.notes.values() for note in notes):
            noted = [name for name, notes in self.notes.items() if note in notes]
            who = "all recipes" if len(noted) == len(self.notes) > 1 else ", ".join(noted)
            lines += textwrap.wrap(f"* {note}: {who}", WIDTH, subsequent_indent="  ")
        if self.protocol.get("duplicates"):
            lines += textwrap.wrap(f"Note: {self.protocol['duplicates']}", WIDTH)
        if self.interrupted:
            lines.append("Interrupted: recipes whose seeds were not all trained are left out.")
        return lines if len(lines) > 1 else []


COLUMNS = {
    "recipe": "recipe",
    "score": "score",
    "gain": "gain [95 %]",
    "p": "p",
    "new": "on new data",
    "cost": "cost",
    "verdict": "verdict",
}
_HEADS = {
    **{"accuracy": "acc %", "balanced_accuracy": "bal %"},
    **{"label_accuracy": "acc %", "balanced_label_accuracy": "bal %", "label_log_loss": "log_loss"},
}


def _row(evidence: Evidence, notes: list[str]) -> dict[str, str]:
    metric = evidence.metric
    low, high = evidence.new_low, evidence.new_high
    new = "" if low is None or high is None else interval(low, high, metric)
    return {
        "recipe": evidence.recipe,
        "score": number(evidence.score, metric),
        "gain": gain(evidence),
        "p": p_in_words(evidence.p),
        "new": new,
        "cost": "" if evidence.cost is None else f"{evidence.cost:.1f}",
        "verdict": verdict_in_table(evidence),
        "note": "; ".join(notes),
    }


def p_in_words(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<.001"


def number(value: float, metric: str) -> str:
    return f"{100 * value:.1f}" if metric in SHARES else f"{value:.3g}"


def signed(value: float, metric: str) -> str:
    return f"{100 * value:+.1f}" if metric in SHARES else f"{value:+.2g}"


def interval(low: float, high: float, metric: str) -> str:
    return f"[{signed(low, metric)}, {signed(high, metric)}]"


def gain(evidence: Evidence) -> str:
    """The effect and its interval."""
    return f"{signed(evidence.effect, evidence.metric)} {interval(evidence.low, evidence.high, evidence.metric)}"


def notes_of(histories: list[History]) -> list[str]:
    """What a reader must know of a recipe's members."""
    notes = []
    diverged = sum(h.outcome == "diverged" for h in histories)
    if diverged:
        notes.append(f"{diverged} of {len(histories)} diverged and count as guessing, or with weights kept before")
    if 2 * sum(map(still_improving, histories)) > len(histories):
        notes.append("not yet converged")
    return notes


def still_improving(history: History) -> bool:
    """Whether the validation loss still fell at the end of a run that was not stopped."""
    losses = [record["val_loss"] for record in history.epochs]
    tenth = max(1, len(losses) // 10)
    if history.outcome != "finished" or len(losses) < 2 * tenth:
        return False
    last, before = sum(losses[-tenth:]), sum(losses[-2 * tenth : -tenth])
    return last < (1 - STILL_IMPROVING) * before


def versions() -> dict[str, str]:
    from .. import __version__

    return {"dampen": __version__, "python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
