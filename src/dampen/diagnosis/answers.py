"""What a comparison or a search tells beside its curves: too few seeds, rows in two parts, techniques that do nothing
or too much."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import DampenError
from ..evidence import Evidence, verdict
from ..evidence.verdict import FEWEST_SEEDS, SHARES, USUAL_SEEDS, would_have_been_noticed
from ..history import History
from .diagnose import Diagnosis, by_severity, diagnose
from .finding import Finding
from .metrics import median_metrics

if TYPE_CHECKING:
    from ..study.answers import Answer

NOTHING_POINTS, NOTHING_SHARE = 0.005, 0.01
"""An effect that certainly is no larger is none: of shares, and of other metrics relative to the baseline's score."""
WEAKENED = 3
"""What is too strong is worth a try with a strength that many times nearer to off."""
HELD_BACK = 0.02
"""A recipe whose training metric stays so far below the baseline's (or, of numbers, such a share of it) hinders."""
MANY_ROWS = 0.01
"""Where so large a share of a part stands in the training part, too, its score means little."""
MOST_SEEDS = 100
"""More seeds than this are no advice."""

WHOLE = ""
"""The key of what is of the answer as a whole."""


def diagnose_answer(answer: Answer, data: str = "") -> dict[str, Diagnosis]:
    """Per recipe of a comparison or a search what its trainings and its evidence tell; under "" what is of the whole.
    data: what to write into the commands to try, by default the name of built-in data."""
    from ..presets import BASELINE
    from ..study.answers import Answer, data_in_commands

    if not isinstance(answer, Answer):
        raise DampenError(f"diagnose_answer takes a Comparison or a SearchResult; got {type(answer).__name__}.")
    data = data or data_in_commands(answer.protocol)
    baseline = answer.protocol.get("baseline", BASELINE)
    against = {e.recipe: e for e in answer.evidence if e.baseline == baseline}
    found = {}
    for name, members in answer.histories.items():
        own = diagnose(members, data)
        more = []
        if name in against and baseline in answer.histories:
            more = _of_effect(against[name], members, answer.histories[baseline], answer.recipes[name])
        kinds = {finding.kind for finding in more}
        kept = [finding for finding in own.findings if finding.kind not in kinds]
        found[name] = dataclasses.replace(own, findings=by_severity([*kept, *more]))
    return {WHOLE: _whole(answer, found.get(baseline), data), **found}


def _whole(answer: Answer, baseline: Diagnosis | None, data: str) -> Diagnosis:
    findings = [*_few_seeds(answer.evidence, answer.recipes), *_overlap(answer.protocol)]
    epochs, seeds = (baseline.epochs, baseline.seeds) if baseline else (0, 0)
    return Diagnosis(by_severity(findings), {}, str(answer.protocol["metric"]), epochs, seeds, data=data)


def _few_seeds(evidence: Sequence[Evidence], recipes: Mapping[str, Any]) -> list[Finding]:
    """Where no seed count could tell, or more seeds would settle what is in sight."""
    if not evidence:
        return []
    seeds = evidence[0].seeds
    if seeds < FEWEST_SEEDS:
        said = would_have_been_noticed(evidence)
        return [Finding("few seeds", "high", said[0].upper() + said[1:] + ".", {"seeds": seeds})]
    promising = [e for e in evidence if verdict(e) == "no evidence" and e.effect > e.detectable / 2]
    if any(verdict(e) == "real gain" for e in evidence) or not promising:
        return []
    best = max(promising, key=lambda e: e.effect / e.detectable)
    needed = max(USUAL_SEEDS, math.ceil(seeds * (best.detectable / best.effect) ** 2))
    if needed > MOST_SEEDS:
        return []
    said = (
        f"{best.recipe} looks better, but not by more than luck; if its effect is what it seems, about {needed} seeds "
        f"instead of {seeds} would show it."
    )
    evidence_found = {"seeds": seeds, "needed": needed, "effect": best.effect, "detectable": best.detectable}
    return [Finding("few seeds", "low", said, evidence_found, _in_words(recipes[best.recipe]))]


def _overlap(protocol: Mapping[str, Any]) -> list[Finding]:
    """Rows that stand in two parts."""
    overlap = protocol.get("overlap") or {}
    if not overlap:
        return []
    counts = {f"{part}_{kind}": overlap[part][kind] for part in ("test", "validation") for kind in ("exact", "near")}
    share = max((p["exact"] + p["near"]) / p["num_rows"] for p in overlap.values() if p["num_rows"])
    return [
        Finding(
            "leakage", "high" if share >= MANY_ROWS else "medium", protocol["duplicates"], {**counts, "share": share}
        )
    ]


# ------------------------------------------------------------------ of one recipe


def _of_effect(
    evidence: Evidence, members: Sequence[History], baseline: Sequence[History], recipe: Mapping[str, Any]
) -> list[Finding]:
    if evidence.seeds < FEWEST_SEEDS:
        return []
    said = verdict(evidence)
    farthest = max(abs(evidence.low), abs(evidence.high))
    if said == "no evidence" and farthest <= _nothing(evidence):
        numbers = {"low": evidence.low, "high": evidence.high}
        if farthest == 0:
            told = f"{evidence.recipe} changed no score of any seed: it may not act on this network at all."
            return [Finding("no effect", "medium", told, numbers)]
        metric = evidence.metric.replace("_", " ")
        told = f"{evidence.recipe} changes the {metric} by less than {_size(evidence)}, if at all."
        return [Finding("no effect", "low", told, numbers)]
    return _held_back(evidence, members, baseline, recipe) if said == "harmful" else []


def _nothing(evidence: Evidence) -> float:
    return NOTHING_POINTS if evidence.metric in SHARES else NOTHING_SHARE * abs(evidence.baseline_score)


def _size(evidence: Evidence) -> str:
    return f"{100 * NOTHING_POINTS:.1f} points" if evidence.metric in SHARES else f"{100 * NOTHING_SHARE:.0f} %"


def _held_back(
    evidence: Evidence, members: Sequence[History], baseline: Sequence[History], recipe: Mapping[str, Any]
) -> list[Finding]:
    """Harmful, and the training part is learned less well than without."""
    own, plain = (median_metrics(all_).get("train_metric", math.nan) for all_ in (members, baseline))
    sign = 1.0 if members[0].higher_is_better else -1.0
    behind = sign * (plain - own)
    if not behind > (HELD_BACK if evidence.metric in SHARES else HELD_BACK * abs(plain)):
        return []
    said = (
        f"{evidence.recipe} makes things worse, and with it even the training part is learned less well "
        f"({own:.3g} instead of {plain:.3g}): it is too strong here."
    )
    numbers = {"effect": evidence.effect, "p": evidence.p, "train_metric": own, "baseline_train_metric": plain}
    return [Finding("too strong", "medium", said, numbers, _weaker(recipe))]


def _in_words(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """As a command takes it; nothing of techniques that are not ours."""
    from ..recipe import from_dict

    try:
        return (str(from_dict(recipe)),)
    except DampenError:
        return ()


def _weaker(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """The recipe with its switching strengths a third as far from off; none of techniques that are not ours."""
    from ..contracts import switches
    from ..recipe import from_dict

    try:
        built = from_dict(recipe)
    except DampenError:  # somebody's own technique, of which a record knows the name alone
        return ()
    moved = {}
    for name, technique in built.named.items():
        for strength, off in switches(technique).items():
            value = getattr(technique, strength)
            if all(map(math.isfinite, (value, off))):
                moved[f"{name}.{strength}"] = float(f"{off + (value - off) / WEAKENED:.3g}")
    return (str(built.with_strengths(moved)),) if moved else ()
