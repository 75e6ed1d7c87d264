"""What a comparison found: effects with their intervals, and what they cost. Facts: `comparison_facts`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ...evidence.verdict import SHARES
from ...records import read
from .labels import label_points, note
from .style import (
    BLUE,
    GREY,
    INK,
    PAPER,
    SMALL,
    VERMILLION,
    counted,
    drawn,
    metric_words,
    new_figure,
    number,
    short,
    told,
)

ROW = 0.235
"""Inches per recipe."""
FAR = 3.0
"""What reaches more than so many times as far as three of four recipes is drawn at the edge, with an arrow."""
BEST = 12
"""Recipes that are labelled beside the front, if there is room."""


class Mark(NamedTuple):
    """A verdict is told by shape, by filling and by colour."""

    shape: str
    colour: str
    filled: bool


MARKS = {
    "real gain": Mark("^", BLUE, True),
    "harmful": Mark("v", VERMILLION, True),
    "no evidence": Mark("o", GREY, False),
}


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
    reach = [(scale * r["low"], scale * r["effect"], scale * r["high"]) for r in rows]
    left, right = limits(reach)
    axes.axvline(0.0, color=INK, linewidth=1.1)
    for place, (row, own) in enumerate(zip(rows, reach, strict=True)):
        if row["new_low"] is not None and row["new_high"] is not None:
            span(axes, place, scale * row["new_low"], scale * row["new_high"], (left, right), 1.0, GREY)
        draw_effect(axes, place, own, row["verdict"], (left, right))
        write_beside(axes, place, own)
    name_rows(axes, [row["recipe"] for row in rows], (left, right))
    axes.set_xlabel(f"effect on test {metric_words(facts['metric'])}{unit}: right of 0 is better")
    base = facts["baseline_score"]
    level = "" if base is None else f" ({number(scale * base)}{' %' if scale == 100 else ''})"
    axes.annotate(
        f"{short(facts['baseline'])}{level}", (0, 1), (0, 3), xycoords=axes.get_xaxis_transform(),
        textcoords="offset points", ha="center", va="bottom", color=INK, annotation_clip=False,
    )  # fmt: skip
    figure.legend(handles=verdict_key([r["verdict"] for r in rows]), loc="outside upper left", ncols=3)
    seeds = f"{counted(facts['seeds'], 'seed')}. Thick: 95 % interval, simultaneous over all recipes"
    thin = "; thin: interval for new data of this kind." if any(r["new_low"] is not None for r in rows) else "."
    few = "" if facts["enough_seeds"] else " With fewer than six seeds nothing can be told from luck."
    note(figure, seeds + thin + few)
    return figure


@drawn
def cost_against_gain(facts: Mapping[str, Any]) -> Figure:
    """What each recipe gains and what training with it costs. The line joins those of which none is both cheaper and
    better."""
    rows = [row for row in read(list(facts["recipes"])) if row["cost"] is not None and math.isfinite(row["effect"])]
    if not rows:
        return told("No cost was measured: there is nothing to weigh the gains against.")
    scale, unit = effect_units(facts["metric"])
    base = {"recipe": facts["baseline"], "effect": 0.0, "cost": 1.0, "verdict": ""}
    points = np.array([(row["cost"], scale * row["effect"]) for row in [*rows, base]])
    bottom, top = limits([(y, y, y) for y in points[:, 1]])
    shown = np.column_stack([points[:, 0], np.clip(points[:, 1], bottom, top)])
    figure = new_figure(5.2)
    axes = figure.subplots()
    _cost_axis(axes, points[:, 0])
    margin = 0.06 * (top - bottom)
    axes.set(ylim=(bottom - margin, top + margin), xlabel="training time [baseline = 1]")
    axes.set_ylabel(f"effect on test {metric_words(facts['metric'])}{unit}")
    axes.axhline(0.0, color=GREY, linewidth=0.9)
    front = pareto(points)
    axes.plot(*shown[front].T, color=INK, linewidth=1.1, linestyle=(0, (5, 2)), drawstyle="steps-post", zorder=2)
    for row, (x, y), (_, true) in zip(rows, shown, points, strict=False):
        mark = MARKS[row["verdict"]]
        axes.plot(x, y, mark.shape, markersize=8, zorder=4, **_faces(mark))
        if y != true:
            axes.annotate("", (x, bottom - margin), (x, y), arrowprops={"arrowstyle": "->", "color": GREY})
    axes.plot(1.0, 0.0, "D", color=INK, markersize=8, zorder=4)
    key = verdict_key([row["verdict"] for row in rows])
    key.append(Line2D([], [], color=INK, marker="D", linestyle="", markersize=7, label=short(facts["baseline"])))
    key.append(Line2D([], [], color=INK, linewidth=1.1, linestyle=(0, (5, 2)), label="none is cheaper and better"))
    figure.legend(handles=key, loc="outside upper left", ncols=3)
    names = [(i, _named(rows[i], shown[i], points[i]), INK) for i in _worth_naming(points[:-1], front)]
    placed = label_points(axes, shown, names, size=10)
    if len(placed) < len(rows):
        note(figure, f"{len(placed)} of {counted(len(rows), 'recipe')} are named: the best, the front and those apart.")
    return figure


# ------------------------------------------------------------------ effects in rows, also those of an ablation


def effect_units(metric: str) -> tuple[float, str]:
    """Effects on shares are told in points."""
    if metric in SHARES:
        return 100.0, " [points]"
    return 1.0, {"log_loss": " [nats]", "mse": " [squared units of the target]"}.get(metric, "")


def limits(reach: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """From where to where an axis of effects goes: 0 is on it, and what lies very far off is not."""
    ends = np.array(reach, dtype=float)
    sizes = np.abs(np.where(np.isfinite(ends), ends, 0.0)).max(1)
    usual = float(np.quantile(sizes, 0.75)) or float(sizes.max()) or 1.0
    near = ends[(np.abs(ends) <= FAR * usual) & np.isfinite(ends)]
    low, high = min(0.0, near.min(initial=0.0)), max(0.0, near.max(initial=0.0))
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def span(
    axes: Axes, place: float, low: float, high: float, frame: tuple[float, float], width: float, colour: str
) -> None:
    """A line from low to high, with an arrow where it goes on beyond the frame."""
    inside = max(low, frame[0]), min(high, frame[1])
    if inside[0] <= inside[1]:
        axes.plot(inside, [place, place], color=colour, linewidth=width, solid_capstyle="butt", zorder=2)
    for end, edge, shape in ((low, frame[0], "<"), (high, frame[1], ">")):
        if (end < edge) if shape == "<" else (end > edge):
            axes.plot(edge, place, shape, color=colour, markersize=5, clip_on=False, zorder=3)


def draw_effect(
    axes: Axes, place: float, reach: tuple[float, float, float], verdict: str, frame: tuple[float, float]
) -> None:
    mark = MARKS[verdict]
    low, effect, high = reach
    span(axes, place, low, high, frame, 3.0, mark.colour)
    if frame[0] <= effect <= frame[1]:
        axes.plot(effect, place, mark.shape, markersize=7.5, zorder=4, **_faces(mark))


def write_beside(axes: Axes, place: float, reach: tuple[float, float, float]) -> None:
    """The numbers at the right edge, in a column."""
    low, effect, high = (_signed(value) for value in reach)
    axes.annotate(
        f"{effect} [{low}, {high}]", xy=(1, place), xycoords=axes.get_yaxis_transform(), xytext=(10, 0),
        textcoords="offset points", va="center", fontsize=SMALL, annotation_clip=False,
    )  # fmt: skip


def name_rows(axes: Axes, names: Sequence[str], frame: tuple[float, float]) -> None:
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set(ylim=(len(names) - 0.4, -0.6), xlim=frame)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    for place in range(1, len(names), 2):
        axes.axhspan(place - 0.5, place + 0.5, color="#f3f3ef", zorder=0, linewidth=0)


def verdict_key(verdicts: Sequence[str]) -> list[Line2D]:
    """For the verdicts that occur."""
    return [
        Line2D([], [], linestyle="", marker=mark.shape, markersize=7.5, label=verdict, **_faces(mark))
        for verdict, mark in MARKS.items()
        if verdict in verdicts
    ]


def _faces(mark: Mark) -> dict[str, Any]:
    return {"color": mark.colour, "markerfacecolor": mark.colour if mark.filled else PAPER, "markeredgewidth": 1.4}


def _signed(value: float) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "\N{MINUS SIGN}∞"
    digits = 1 if abs(value) >= 10 else 2
    return (
        f"{value + 0.0:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
        if abs(value) >= 0.005 or value == 0
        else _tiny(value)
    )


def _tiny(value: float) -> str:
    return ("+" if value > 0 else "") + number(value)


# ------------------------------------------------------------------ cost against gain


def pareto(points: np.ndarray) -> list[int]:
    """Indices of those of which none is both cheaper and better, the cheapest first. points: (N, 2), cost and gain."""
    front: list[int] = []
    for i in sorted(range(len(points)), key=lambda i: (points[i, 0], -points[i, 1])):
        if not front or points[i, 1] > points[front[-1], 1]:
            front.append(i)
    return front


def _worth_naming(points: np.ndarray, front: Sequence[int]) -> list[int]:
    """The front, the best, then those that lie off the others, the farthest first."""
    middle = np.median(points, 0)
    spread = np.maximum(np.median(np.abs(points - middle), 0), 1e-12)
    apart = np.abs((points - middle) / spread).max(1)
    best = sorted(range(len(points)), key=lambda i: -points[i, 1])[:BEST]
    far = [i for i in np.argsort(-apart) if apart[i] > FAR]
    few = range(len(points)) if len(points) <= 2 * BEST else ()
    return [int(i) for i in dict.fromkeys([*(i for i in front if i < len(points)), *best, *far, *few])]


def _named(row: Mapping[str, Any], shown: np.ndarray, true: np.ndarray) -> str:
    name = short(row["recipe"], 22)
    return name if shown[1] == true[1] else f"{name}: {_signed(float(true[1]))}"


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
