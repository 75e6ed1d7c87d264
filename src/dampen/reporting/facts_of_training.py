"""What one recipe's training was like, over its seeds, as a plain dict that strict JSON holds: what figures draw."""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..diagnosis.metrics import overfitting_metrics, ratio
from ..errors import DampenError
from ..history import DIGITS, History
from ..records import strict

IN_NATS = ("accuracy", "balanced_accuracy", "log_loss", "label_accuracy", "balanced_label_accuracy", "label_log_loss")
OF_NUMBERS = ("r2", "mse", "mae")
SHORTER = {"weight_norm": "l2", "weight_norm_l1": "l1"}
"""What is called as its layers' columns are."""
BINS = 15
"""Of calibration: as `expected_calibration_error` has them, equally wide."""
NORMAL_95 = 1.959964
MEETING_PLACES = 64
"""Bins of the histogram of all weights together."""


def training_facts(histories: Sequence[History], onset: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Trainings of one recipe, one per seed, as the figures of a training take them.

    onset: the evidence of a finding of overfitting: "onset", "onset_low", "onset_high", epochs counted from 1.

    epochs: 1, 2, ... as far as the longest goes; still_training: how many seeds got there. curves: by name, each
    {"mean", "low", "high", "seeds"} with one number per epoch: mean, least and greatest over the seeds whose number is
    finite, and how many these are. Besides what a history records these are overfitting_score (validation loss over
    training loss), loss_gap and metric_gap (how much worse validation is), and norm_ratio (L1 over L2 norm). layers:
    per layer the means of l1, l2, norm_ratio, update_ratio, zeros_fraction. not_finite_from: the first epoch with a
    loss that is no longer a number. served_epochs: one per seed that knows; served_epoch: their median. weights:
    histograms, of the first history that has them, "all" layers together beside them. calibration: see History.final,
    pooled over seeds. loss_unit: "" where it is not known. What is not known is absent or None.
    Raises `DampenError` where there is no history.
    """
    histories = list(histories)
    if not histories:
        raise DampenError("training_facts needs at least one History; got none. Train first, or read a log.")
    longest = max(len(h.epochs) for h in histories)
    curves = {name: _over_seeds(columns, longest) for name, columns in _columns(histories).items()}
    served = [h.served_epoch for h in histories if h.served_epoch is not None]
    return strict(
        {
            "kind": "dampen training facts",
            "seeds": len(histories),
            "epochs": list(range(1, longest + 1)),
            "still_training": [sum(len(h.epochs) > epoch for h in histories) for epoch in range(longest)],
            "metric": histories[0].metric,
            "higher_is_better": histories[0].higher_is_better,
            "clean": all(h.clean for h in histories),
            "loss_unit": _loss_unit(histories[0]),
            "curves": {name: curve for name, curve in curves.items() if curve is not None},
            "layers": _layers(histories, longest),
            "not_finite_from": _not_finite_from(histories),
            "served_epochs": served,
            "served_epoch": statistics.median_low(served) if served else None,
            "onset": _onset(onset),
            "weights": _weights(histories),
            "calibration": _calibration([h.final for h in histories if h.final.get("bins")]),
        }
    )


def _loss_unit(history: History) -> str:
    """A foreign log's loss may be any."""
    if history.outcome == "unknown":
        return ""
    units = {**dict.fromkeys(IN_NATS, "nats"), **dict.fromkeys(OF_NUMBERS, "squared units of the target")}
    return units.get(history.metric, "")


def _onset(onset: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if onset is None or onset.get("onset") is None:
        return None
    return {"epoch": onset["onset"], "low": onset.get("onset_low"), "high": onset.get("onset_high")}


# ------------------------------------------------------------------ curves


def _columns(histories: Sequence[History]) -> dict[str, list[list[float]]]:
    """One column per seed, for every curve."""
    metrics = [overfitting_metrics(history) for history in histories]
    known = dict.fromkeys(name for of_one in metrics for name in of_one)
    return {SHORTER.get(name, name): [of_one.get(name, []) for of_one in metrics] for name in known}


def _stacked(columns: Sequence[Sequence[float] | np.ndarray], longest: int) -> np.ndarray:
    """(seeds, epochs), NaN where a number is missing, infinite or after the end."""
    stacked = np.full((len(columns), longest), math.nan)
    for row, column in zip(stacked, columns, strict=True):
        row[: len(column)] = column
    return np.where(np.isfinite(stacked), stacked, math.nan)


def _over_seeds(columns: Sequence[Sequence[float] | np.ndarray], longest: int) -> dict[str, list[Any]] | None:
    stacked = _stacked(columns, longest)
    known = np.isfinite(stacked).sum(0)
    if not known.any():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an epoch that no seed knows is NaN
        parts = {"mean": np.nanmean(stacked, 0), "low": np.nanmin(stacked, 0), "high": np.nanmax(stacked, 0)}
    return {**{name: _rounded(part) for name, part in parts.items()}, "seeds": known.tolist()}


def _rounded(values: np.ndarray) -> list[float]:
    """To as many digits as a record holds: means of more would say nothing and fill the page."""
    return [float(f"{value:.{DIGITS}g}") for value in values]


def _layers(histories: Sequence[History], longest: int) -> dict[str, dict[str, list[float]]]:
    """In the order of the first history; a layer that another seed lacks is the mean of the others."""
    facts: dict[str, dict[str, list[float]]] = {}
    for name in dict.fromkeys(name for h in histories for name in h.layers):
        own = [{key: np.array(c, dtype=float) for key, c in h.layers.get(name, {}).items()} for h in histories]
        for layer in own:
            if {"l1", "l2"} <= layer.keys():
                layer["norm_ratio"] = ratio(layer["l1"], layer["l2"])
        names = dict.fromkeys(key for layer in own for key in layer)
        curves = {key: _over_seeds([layer.get(key, np.array([])) for layer in own], longest) for key in names}
        facts[name] = {key: curve["mean"] for key, curve in curves.items() if curve is not None}
    return facts


def _not_finite_from(histories: Sequence[History]) -> int | None:
    """A loss that was a number once and is none now; one that never was is not recorded."""
    found = []
    for name in ("train_loss", "val_loss"):
        for history in histories:
            finite = np.isfinite(np.array(history.column(name), dtype=float))
            after = np.flatnonzero(~finite & np.logical_or.accumulate(finite))
            infinite = np.flatnonzero(np.isinf(np.array(history.column(name), dtype=float)))
            found += [int(epochs[0]) + 1 for epochs in (after, infinite) if len(epochs)]
    return min(found, default=None)


# ------------------------------------------------------------------ weights and calibration


def _weights(histories: Sequence[History]) -> list[dict[str, Any]]:
    weights = next((h.weights for h in histories if h.weights), [])
    return [{**looked, "all": _together(list(looked["layers"].values()))} for looked in weights if looked["layers"]]


def _together(histograms: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One histogram of several: within a bin weights are taken to be spread evenly."""
    low, high = min(h["low"] for h in histograms), max(h["high"] for h in histograms)
    edges = np.linspace(low, high, MEETING_PLACES + 1)
    below = np.zeros(MEETING_PLACES + 1)
    for histogram in histograms:
        counts = np.asarray(histogram["counts"], dtype=float)
        own = np.linspace(histogram["low"], histogram["high"], len(counts) + 1)
        if own[-1] > own[0]:
            below += np.interp(edges, own, np.concatenate([[0.0], np.cumsum(counts)]))
        else:  # all its weights are one number, which may be the highest
            below += counts.sum() * np.append(edges[:-1] > own[0], True)
    return {"low": low, "high": high, "counts": _rounded(np.diff(below))}


def _calibration(finals: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Bins of all seeds together. Seeds look at much the same rows, so the interval of a bin counts the rows of one."""
    if not finals:
        return None
    sums = np.zeros((BINS, 3))  # rows, confidence and right answers in each bin
    for bin_ in (bin_ for final in finals for bin_ in final["bins"] if bin_["rows"]):
        place = min(BINS - 1, max(0, math.ceil(round(bin_["confidence"] * BINS, 9)) - 1))
        sums[place] += bin_["rows"] * np.array([1.0, bin_["confidence"], bin_["right"]])
    bins = [
        {"confidence": float(c / n), "right": float(r / n), "rows": int(n), **_interval(r / n, n / len(finals))}
        for n, c, r in sums
        if n
    ]
    rows = sum(b["rows"] for b in bins)
    if not rows:
        return None
    return {
        "part": finals[0].get("part", ""),
        "seeds": len(finals),
        "bins": bins,
        "rows": rows,
        "error": sum(b["rows"] * abs(b["right"] - b["confidence"]) for b in bins) / rows,
        "mistakes": sum(final.get("mistakes") or 0 for final in finals),
        "brier": _weighted(finals, "brier", "rows"),
        "confidence_on_mistakes": _weighted(finals, "confidence_on_mistakes", "mistakes"),
    }


def _interval(share: float, rows: float) -> dict[str, float]:
    """Wilson's 95 % interval of a share of so many rows. Wilson, 1927, Journal of the American Statistical
    Association 22."""
    z2 = NORMAL_95**2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    reach = NORMAL_95 / (1 + z2 / rows) * math.sqrt(max(0.0, share * (1 - share)) / rows + z2 / (4 * rows**2))
    return {"low": float(middle - reach), "high": float(middle + reach)}


def _weighted(finals: Sequence[Mapping[str, Any]], name: str, by: str) -> float | None:
    pairs = [(float(f[name]), float(f[by])) for f in finals if f.get(name) is not None and f.get(by)]
    pairs = [(value, weight) for value, weight in pairs if math.isfinite(value)]
    return sum(v * w for v, w in pairs) / sum(w for _, w in pairs) if pairs else None
