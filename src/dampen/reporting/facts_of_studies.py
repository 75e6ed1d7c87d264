"""What a comparison or a search found, as plain dicts that strict JSON holds: what the figures draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..evidence import Evidence, verdict
from ..evidence.verdict import FEWEST_SEEDS
from ..records import strict

if TYPE_CHECKING:
    from ..study.comparison import Comparison
    from ..study.found import SearchResult

MOST_AXES = 10
LR = "optimizer.lr"


def comparison_facts(comparison: Comparison) -> dict[str, Any]:
    """recipes: one record per recipe, best effect first, in the metric's own units, turned so that positive = better:
    effect, low, high, new_low, new_high, p, verdict, score, cost, notes. baseline: its name; baseline_score: the mean
    over its seeds. enough_seeds: whether any verdict but "no evidence" was possible."""
    rows = [_judged(e) | {"notes": list(comparison.notes.get(e.recipe, []))} for e in comparison.evidence]
    baseline = str(comparison.protocol["baseline"])
    scores = comparison.scores.get(baseline, {}).get("metric", [])
    return strict(
        {
            "kind": "dampen comparison facts",
            "metric": comparison.protocol["metric"],
            "data": comparison.protocol.get("data", ""),
            "baseline": baseline,
            "baseline_score": sum(scores) / len(scores) if scores else None,
            "seeds": min((e.seeds for e in comparison.evidence), default=0),
            "enough_seeds": all(e.seeds >= FEWEST_SEEDS for e in comparison.evidence),
            "recipes": sorted(rows, key=lambda row: -row["effect"]),
        }
    )


def _judged(e: Evidence) -> dict[str, Any]:
    names = ("recipe", "effect", "low", "high", "new_low", "new_high", "p", "score", "score_sd", "cost", "seeds")
    return {name: getattr(e, name) for name in names} | {"verdict": verdict(e)}


def search_facts(result: SearchResult) -> dict[str, Any]:
    """axes: what the trials' values are drawn on, the most important first, at most `MOST_AXES`, one per technique:
    {"name", "kind": "strength" or "switch", "low", "high", "log", "importance" (None where not known)}. trials: of
    the result, less those without values, with "places": per axis the value, or None where the technique is off.
    ablation: what each ingredient of the winner is worth: minus the effect of leaving it out, with interval and verdict
    turned alike; what is worth most first.
    """
    from ..training.metrics import METRICS

    importance = dict(result.importance)
    trials = [trial for trial in result.trials if trial["values"]]
    axes = _axes(trials, importance)
    placed = [
        {
            **{k: trial[k] for k in ("trial", "score", "epochs")},
            "places": [_place(trial["values"], axis) for axis in axes],
        }
        for trial in trials
    ]
    metric = str(result.protocol["metric"])
    return strict(
        {
            "kind": "dampen search facts",
            "study": result.study,
            "metric": metric,
            "higher_is_better": METRICS[metric].higher_is_better,
            "winner": result.winner,
            "seeds": result.protocol.get("seeds_confirmed"),
            "importance": importance,
            "axes": axes,
            "trials": placed,
            "evidence": [_judged(e) | {"baseline": e.baseline} for e in result.evidence],
            "ablation": [_worth(e) for e in result.worth],
            "enough_seeds": all(e.seeds >= FEWEST_SEEDS for e in result.ablation),
        }
    )


def _worth(e: Evidence) -> dict[str, Any]:
    return {
        "ingredient": e.recipe,
        "worth": e.effect,
        **{name: getattr(e, name) for name in ("low", "high", "p", "seeds")},
        "verdict": verdict(e),
    }


# ------------------------------------------------------------------ axes of a search


def _axes(trials: Sequence[Mapping[str, Any]], importance: Mapping[str, float]) -> list[dict[str, Any]]:
    """One per technique: the strength that matters most, which tells also where it was off, or else the switch."""
    known: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for trial in trials for name in trial["values"]):
        known.setdefault(name.rpartition(".")[0] or name, []).append(name)
    axes = []
    for owner, names in known.items():
        strengths = [name for name in names if "." in name]
        name = max(strengths, key=lambda n: importance.get(n, 0.0), default=owner)
        axes.append(_axis(name, trials, importance.get(owner, importance.get(name))))
    axes = [axis for axis in axes if axis["differs"]]
    ranked = sorted(axes, key=lambda axis: -(axis["importance"] or 0.0))
    return [{key: value for key, value in axis.items() if key != "differs"} for axis in ranked[:MOST_AXES]]


def _axis(name: str, trials: Sequence[Mapping[str, Any]], importance: float | None) -> dict[str, Any]:
    values = [trial["values"].get(name) for trial in trials]
    about: dict[str, Any] = {"name": name, "importance": importance, "differs": len(set(values)) > 1}
    numbers = [float(value) for value in values if value is not None]
    if "." not in name:
        return about | {"kind": "switch", "low": None, "high": None, "log": False}
    low, high = min(numbers), max(numbers)
    return about | {"kind": "strength", "low": low, "high": high, "log": low > 0 and _logarithmic(name, low, high)}


def _logarithmic(name: str, low: float, high: float) -> bool:
    """As the technique declares the strength; of one that is not in the catalogue by how far the values reach."""
    from ..contracts import tunables
    from ..techniques import CATALOGUE

    owner, _, strength = name.rpartition(".")
    declared = {technique.__name__: technique for technique in CATALOGUE}.get(owner)
    if declared is not None and strength in tunables(declared):
        return tunables(declared)[strength].log
    return name == LR or math.log10(high / low) > 2


def _place(values: Mapping[str, Any], axis: Mapping[str, Any]) -> float | bool | None:
    """None: off."""
    value = values.get(axis["name"])
    if axis["kind"] == "switch":
        return bool(value)
    return None if value is None else float(value)
