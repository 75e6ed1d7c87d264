"""What a comparison found: effects with their intervals, and what they cost. Facts: `comparison_facts`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from ...records import read
from ...words import counted
from .effects import (
    FAR,
    MARKS,
    draw_effect,
    effect_units,
    in_words,
    level_in_words,
    limits,
    name_rows,
    span,
    verdict_key,
    write_beside,
)
from .labels import label_points, note
from .style import GREY, INK, drawn, metric_words, new_figure, number, short, told

ROW = 0.235
"""Inches per recipe."""
BEST = 12
"""Recipes that are named beside those of the front, if there is room."""
DASHES = (0, (5, 2))


@drawn
def forest(facts: Mapping[str, Any]) -> Figure:
    """The effect of each recipe against the baseline with its 95 % interval, simultaneous over all of them, and thinner
    the interval for new data. Best first. What would stretch the axis is cut off at an arrow; its numbers are told."""
    rows = read(list(facts["recipes"]))
    if not rows:
        return told("No recipe was compared with the baseline.")
    scale, unit = effect_units(facts["metric"])
    figure = new_figure(1.9 + ROW * len(rows))
    axes = figure.subplots()
    reach = [(scale * row["low"], scale * row["effect"], scale * row["high"]) for row in rows]
    new = [_new(row, scale) for row in rows]
    frame = limits([(*own, *more) for own, more in zip(reach, new, strict=True)])
    axes.axvline(0.0, color=INK, linewidth=1.1)
    for place, (row, own, more) in enumerate(zip(rows, reach, new, strict=True)):
        if more:
            span(axes, place, more[0], more[1], frame, 1.0, GREY)
        draw_effect(axes, place, own, row["verdict"], frame)
    name_rows(axes, [row["recipe"] for row in rows], frame)
    write_beside(axes, [(row["low"], row["effect"], row["high"]) for row in rows], "effect", facts["metric"])
    axes.set_xlabel(f"effect on test {metric_words(facts['metric'])}{unit}: right of 0 is better")
    _name_baseline(axes, facts, frame)
    figure.legend(handles=verdict_key([row["verdict"] for row in rows]), loc="outside upper left", ncols=3)
    thin = "; thin: for new data of this kind." if any(new) else "."
    few = "" if facts["enough_seeds"] else " With fewer than six seeds nothing can be told from luck."
    seeds = counted(facts["seeds"], "seed")
    note(figure, f"{seeds}. Thick: 95 % interval, simultaneous over all recipes{thin}{few}")
    return figure


@drawn
def cost_against_gain(facts: Mapping[str, Any]) -> Figure:
    """What each recipe gains and what training with it costs. The line joins those of which none is both cheaper and
    better."""
    rows = [row for row in read(list(facts["recipes"])) if row["cost"] is not None and math.isfinite(row["effect"])]
    if not rows:
        return told("No cost was measured: there is nothing to weigh the gains against.")
    scale, unit = effect_units(facts["metric"])
    points = np.array([(row["cost"], scale * row["effect"]) for row in rows] + [(1.0, 0.0)])
    frame = limits([(y,) for y in points[:, 1]])
    shown = np.column_stack([points[:, 0], np.clip(points[:, 1], *frame)])
    figure = new_figure(5.2)
    axes = figure.subplots()
    _cost_axis(axes, points[:, 0])
    margin = 0.06 * (frame[1] - frame[0])
    axes.set(ylim=(frame[0] - margin, frame[1] + margin), xlabel="training time [baseline = 1]")
    axes.set_ylabel(f"effect on test {metric_words(facts['metric'])}{unit}")
    axes.axhline(0.0, color=GREY, linewidth=0.9)
    front = pareto(points)
    steps = _steps(shown[front])
    axes.plot(*steps.T, color=INK, linewidth=1.1, linestyle=DASHES, zorder=2)
    for row, (x, y), (_, true) in zip(rows, shown, points, strict=False):
        mark = MARKS[row["verdict"]]
        axes.plot(x, y, mark.shape, markersize=8, zorder=4, **mark.look)
        if y != true:
            edge = y - margin if true < y else y + margin
            axes.annotate("", (x, edge), (x, y), arrowprops={"arrowstyle": "->", "color": GREY})
    axes.plot(1.0, 0.0, "D", color=INK, markersize=8, zorder=4)
    key = verdict_key([row["verdict"] for row in rows])
    key.append(Line2D([], [], color=INK, marker="D", linestyle="", markersize=7, label=short(facts["baseline"])))
    key.append(Line2D([], [], color=INK, linewidth=1.1, linestyle=DASHES, label="none is cheaper and better"))
    figure.legend(handles=key, loc="outside upper left", ncols=3)
    names = [(i, _named(rows[i], shown[i], points[i], facts["metric"])) for i in _worth_naming(points[:-1], front)]
    level = np.array([(axes.get_xlim()[0], 0.0), (axes.get_xlim()[1], 0.0)])
    placed = label_points(axes, shown, names, [steps, level], size=10)
    if len(placed) < len(rows):
        note(figure, f"{len(placed)} of {counted(len(rows), 'recipe')} are named: the front, the best and those apart.")
    return figure


# ------------------------------------------------------------------ forest


def _new(row: Mapping[str, Any], scale: float) -> tuple[float, ...]:
    """The interval for new data; empty where there is none."""
    ends = row["new_low"], row["new_high"]
    return () if None in ends or any(math.isnan(end) for end in ends) else tuple(scale * end for end in ends)


def _name_baseline(axes: Axes, facts: Mapping[str, Any], frame: tuple[float, float]) -> None:
    """Over the line at 0."""
    base = facts["baseline_score"]
    level = "" if base is None else f" ({level_in_words(base, facts['metric'])})"
    share = -frame[0] / (frame[1] - frame[0])
    axes.annotate(
        f"{short(facts['baseline'])}{level}",
        (0, 1),
        (0, 3),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        ha="right" if share > 0.7 else "left" if share < 0.3 else "center",
        va="bottom",
        annotation_clip=False,
    )


# ------------------------------------------------------------------ cost against gain


def pareto(points: np.ndarray) -> list[int]:
    """Indices of those of which none is both cheaper and better, the cheapest first. points: (N, 2), cost and gain."""
    front: list[int] = []
    for i in sorted(range(len(points)), key=lambda i: (points[i, 0], -points[i, 1])):
        if not front or points[i, 1] > points[front[-1], 1]:
            front.append(i)
    return front


def _steps(front: np.ndarray) -> np.ndarray:
    """As stairs: between two of the front nothing better than the cheaper one is to be had."""
    corners = np.column_stack([front[1:, 0], front[:-1, 1]])
    return np.vstack([front[:1], *np.stack([corners, front[1:]], 1)])


def _worth_naming(points: np.ndarray, front: Sequence[int]) -> list[int]:
    """The front, the best, then those that lie off the others, the farthest first; of few all."""
    middle = np.median(points, 0)
    spread = np.maximum(np.median(np.abs(points - middle), 0), 1e-12)
    apart = np.abs((points - middle) / spread).max(1)
    best = sorted(range(len(points)), key=lambda i: -points[i, 1])[:BEST]
    far = [i for i in np.argsort(-apart) if apart[i] > FAR]
    few = range(len(points)) if len(points) <= 2 * BEST else ()
    return [int(i) for i in dict.fromkeys([*(i for i in front if i < len(points)), *best, *far, *few])]


def _named(row: Mapping[str, Any], shown: np.ndarray, true: np.ndarray, metric: str) -> str:
    """With its effect where that is beyond the axis."""
    name = short(row["recipe"], 22)
    return name if shown[1] == true[1] else f"{name}: {in_words(row['effect'], metric)}"


def _cost_axis(axes: Axes, costs: np.ndarray) -> None:
    low, high = float(costs.min()), float(costs.max())
    if high > 6 * low:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.25, high * 1.4)
        steps = [s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200) if low / 1.25 <= s <= high * 1.4]
        axes.set_xticks(steps)
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    else:
        margin = 0.12 * (high - low) or 0.2
        axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
