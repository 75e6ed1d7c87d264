"""What a search tried, and what each part of its winner is worth. Facts: `search_facts`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ...records import read
from ...words import counted
from .effects import draw_effect, effect_units, limits, name_rows, verdict_key, write_beside
from .labels import note
from .style import (
    BLUE,
    GREY,
    INK,
    PAPER,
    SMALL,
    drawn,
    in_units,
    metric_words,
    new_figure,
    number,
    short,
    told,
)

BEST = 10
"""Trials that are highlighted."""
OFF = -0.14
"""Where the mark for off stands, as a share of an axis, and the mark for a trial without a score."""
JITTER = 0.035
"""Of switches and marks, so that lines which coincide can be seen."""
ROW = 0.62
PALE, DEEP = "#b9b9b4", BLUE


@drawn
def parallel_coordinates(facts: Mapping[str, Any]) -> Figure:
    """Every configuration as a line from its score down through its strengths, the most important first; a mark left of
    an axis says that the technique was off. The best are drawn over the others."""
    trials, axes_facts = read(list(facts["trials"])), list(facts["axes"])
    if not trials or not axes_facts:
        return told("No trials were recorded.")
    scores = np.array([math.nan if t["score"] is None else t["score"] for t in trials], dtype=float)
    places = _positions(trials, axes_facts, scores, facts["higher_is_better"])
    figure = new_figure(1.3 + ROW * (len(axes_facts) + 1))
    axes = figure.subplots()
    sign = 1.0 if facts["higher_is_better"] else -1.0
    order = np.argsort(np.where(np.isfinite(scores), -sign * scores, np.inf), kind="stable")
    best = [i for i in order[:BEST] if np.isfinite(scores[i])]
    rest = np.setdiff1d(np.arange(len(trials)), best)
    levels = np.arange(len(axes_facts) + 1)
    pale = [np.column_stack([places[i], levels]) for i in rest]
    axes.add_collection(LineCollection(pale, colors=PALE, linewidths=0.6, alpha=min(1.0, 0.15 + 30 / len(trials))))
    good = [np.column_stack([places[i], levels]) for i in reversed(best)]
    axes.add_collection(LineCollection(good, colors=DEEP, linewidths=1.3, alpha=0.75, zorder=3))
    if best:
        axes.plot(places[best[0]], levels, color=INK, linewidth=2.4, zorder=4, marker="D", markersize=6)
    _rows(axes, facts, axes_facts, scores)
    lone = f"Black, with diamonds: the best trial. Blue: the next {len(best) - 1}. " if len(best) > 1 else ""
    grey = f"Grey: {'the others' if best else 'all'} of {counted(len(trials), 'configuration')}. "
    note(figure, lone + grey + "Percent: share of the ranking that a technique explains.")
    return figure


@drawn
def ablation_bars(facts: Mapping[str, Any]) -> Figure:
    """What each ingredient of the winner is worth: how much worse the winner is without it, with 95 % intervals."""
    rows = read(list(facts["ablation"]))
    if not rows:
        return told("The winner was not taken apart.")
    scale, unit = effect_units(facts["metric"])
    figure = new_figure(1.7 + 0.36 * len(rows))
    axes = figure.subplots()
    reach = [(scale * row["low"], scale * row["worth"], scale * row["high"]) for row in rows]
    frame = limits(reach)
    for place, (row, own) in enumerate(zip(rows, reach, strict=True)):
        end = min(frame[1], max(frame[0], own[1]))
        axes.barh(place, end, height=0.62, color="#d3dfe8", edgecolor=GREY, linewidth=0.8, zorder=1)
        draw_effect(axes, place, own, row["verdict"], frame)
    write_beside(axes, [(row["low"], row["worth"], row["high"]) for row in rows], "worth", facts["metric"])
    axes.axvline(0.0, color=INK, linewidth=1.1)
    name_rows(axes, [row["ingredient"] for row in rows], frame)
    axes.set_xlabel(f"worth in test {metric_words(facts['metric'])}{unit}: right of 0 it helps")
    figure.legend(handles=verdict_key([row["verdict"] for row in rows]), loc="outside upper left", ncols=3)
    few = "" if facts["enough_seeds"] else " With fewer than six seeds nothing can be told from luck."
    seeds = counted(min(row["seeds"] for row in rows), "seed")
    note(figure, f"{short(facts['winner'])} against itself without each ingredient, {seeds}; 95 % intervals.{few}")
    return figure


# ------------------------------------------------------------------ where lines run


def _positions(
    trials: Sequence[Mapping[str, Any]], axes: Sequence[Mapping[str, Any]], scores: np.ndarray, higher: bool
) -> np.ndarray:
    """(trials, 1 + axes), from 0 to 1 along each axis, the score first."""
    jitter = JITTER * np.random.default_rng(0).uniform(-1, 1, (len(trials), len(axes) + 1))
    found = np.full((len(trials), len(axes) + 1), OFF)
    low, high = _score_limits(scores)
    known = np.isfinite(scores)
    along = (scores[known] - low) / (high - low)
    found[known, 0] = along if higher else 1 - along
    jitter[known, 0] = 0.0
    for column, axis in enumerate(axes, 1):
        for row, trial in enumerate(trials):
            place = trial["places"][column - 1]
            if axis["kind"] == "switch":
                found[row, column] = 1.0 if place is True else OFF
            elif place is not None and not math.isnan(place):
                found[row, column] = _share(place, axis)
                jitter[row, column] = 0.0
    return found + jitter


def _score_limits(scores: np.ndarray) -> tuple[float, float]:
    known = scores[np.isfinite(scores)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _share(value: float, axis: Mapping[str, Any]) -> float:
    low, high = float(axis["low"]), float(axis["high"])
    if high <= low:
        return 0.5
    if axis["log"]:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


# ------------------------------------------------------------------ axes


def _rows(axes: Axes, facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], scores: np.ndarray) -> None:
    axes.set(xlim=(OFF - 0.08, 1.04), ylim=(len(rows) + 0.55, -0.35), xticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    scale, unit = in_units(facts["metric"])
    names = [f"validation\n{metric_words(facts['metric'])}{unit}", *(_title(row) for row in rows)]
    axes.set_yticks(range(len(rows) + 1), names)
    axes.tick_params(axis="y", length=0, pad=6)
    low, high = _score_limits(scores)
    values = np.linspace(low, high, 3)
    along = np.linspace(0, 1, 3) if facts["higher_is_better"] else np.linspace(1, 0, 3)
    _row(axes, 0, [(float(x), number(scale * float(v))) for x, v in zip(along, values, strict=True)], True)
    _mark(axes, 0, "no score", bool((~np.isfinite(scores)).any()))
    for place, row in enumerate(rows, 1):
        if row["kind"] == "switch":
            _mark(axes, place, "off", True)
            _mark(axes, place, "on", True, 1.0)
            continue
        _row(axes, place, [(x, _two_digits(_value(x, row))) for x in (0.0, 0.5, 1.0)], False)
        _mark(axes, place, "off", any(trial["places"][place - 1] is None for trial in facts["trials"]))


def _row(axes: Axes, place: int, ticks: Sequence[tuple[float, str]], better: bool) -> None:
    axes.plot([0, 1], [place, place], color=GREY, linewidth=1.0, zorder=2)
    for x, text in ticks:
        axes.plot([x, x], [place - 0.06, place + 0.06], color=GREY, linewidth=1.0, zorder=2)
        side = "right" if x > 0.9 else "left" if x < 0.1 else "center"
        _write(axes, x, place, f"{text} (best)" if better and x > 0.9 else text, side)


def _mark(axes: Axes, place: int, text: str, there: bool, x: float = OFF) -> None:
    if there:
        axes.plot(x, place, "s", color=PAPER, markeredgecolor=GREY, markersize=9, zorder=2)
        _write(axes, x, place, text, "center" if x < 0.9 else "right")


def _write(axes: Axes, x: float, place: int, text: str, side: str) -> None:
    axes.annotate(
        text, (x, place), (0, -6), textcoords="offset points", ha=side, va="top", fontsize=SMALL, color=INK, zorder=6,
        bbox={"boxstyle": "square,pad=0.08", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.85},
    )  # fmt: skip


def _title(row: Mapping[str, Any]) -> str:
    owner, _, strength = str(row["name"]).rpartition(".")
    name = "learning rate" if row["name"] == "optimizer.lr" else short(owner or strength, 24)
    share = row["importance"]
    percent = "" if share is None else f" {100 * share:.0f} %"
    below = "" if not owner or row["name"] == "optimizer.lr" else f"\n{short(strength.replace('_', ' '), 24)}"
    return f"{name}{percent}{below}"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}".replace("-", "\N{MINUS SIGN}")


def _value(share: float, row: Mapping[str, Any]) -> float:
    low, high = float(row["low"]), float(row["high"])
    return low * (high / low) ** share if row["log"] else low + share * (high - low)
