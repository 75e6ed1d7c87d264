"""Effects with their intervals in rows, and the verdicts on them: what comparisons and ablations share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ...evidence.verdict import SHARES
from ...study.comparison import number as plain
from ...study.comparison import signed
from .style import BLUE, GREY, PAPER, UNITS, VERMILLION, number, short

FAR = 3.0
"""Where something reaches more than twice so many times as far as three of four rows do, what reaches more than so many
times as far is drawn at the edge, with an arrow."""
STRIPE = "#f3f3ef"


class Mark(NamedTuple):
    """A verdict is told by shape, by filling and by colour."""

    shape: str
    colour: str
    filled: bool

    @property
    def look(self) -> dict[str, Any]:
        face = self.colour if self.filled else PAPER
        return {"color": self.colour, "markerfacecolor": face, "markeredgewidth": 1.4}


MARKS = {
    "real gain": Mark("^", BLUE, True),
    "harmful": Mark("v", VERMILLION, True),
    "no evidence": Mark("o", GREY, False),
}


def verdict_key(verdicts: Sequence[str]) -> list[Line2D]:
    """For the verdicts that occur."""
    return [
        Line2D([], [], linestyle="", marker=mark.shape, markersize=7.5, label=verdict, **mark.look)
        for verdict, mark in MARKS.items()
        if verdict in verdicts
    ]


# ------------------------------------------------------------------ numbers


def effect_units(metric: str) -> tuple[float, str]:
    """(what to multiply an effect with, its unit in brackets): those on shares are told in points."""
    if metric in SHARES:
        return 100.0, " [points]"
    return 1.0, UNITS.get(metric, "")


def in_words(value: float, metric: str) -> str:
    """As the table of the terminal says it, with a true minus."""
    return signed(value + 0.0, metric).replace("inf", "∞").replace("-", "\N{MINUS SIGN}")


def level_in_words(score: float, metric: str) -> str:
    return plain(score, metric) + (" %" if metric in SHARES else "")


def limits(reach: Sequence[tuple[float, ...]]) -> tuple[float, float]:
    """From where to where an axis of effects goes: 0 is on it, and what lies very far off is not. reach: per row the
    numbers that are drawn."""
    ends = [np.array([value for value in own if math.isfinite(value)]) for own in reach]
    sizes = np.array([np.abs(own).max(initial=0.0) for own in ends])
    usual = float(np.quantile(sizes, 0.75)) or float(sizes.max()) or 1.0
    far = FAR * usual if sizes.max() > 2 * FAR * usual else math.inf
    near = [value for own in ends for value in own if abs(value) <= far]
    low, high = min(0.0, *near, 0.0), max(0.0, *near, 0.0)
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


# ------------------------------------------------------------------ rows


def draw_effect(
    axes: Axes, place: float, reach: tuple[float, float, float], verdict: str, frame: tuple[float, float]
) -> None:
    """reach: low end, effect, high end. frame: limits of the axis."""
    mark = MARKS[verdict]
    low, effect, high = reach
    span(axes, place, low, high, frame, 3.0, mark.colour)
    inset = 0.025 * (frame[1] - frame[0])  # of what is beyond the frame the verdict is still seen, beside the arrow
    at = min(frame[1] - inset, max(frame[0] + inset, effect))
    axes.plot(at, place, mark.shape, markersize=7.5, zorder=4, **mark.look)


def span(
    axes: Axes, place: float, low: float, high: float, frame: tuple[float, float], width: float, colour: str
) -> None:
    """A line from low to high, with an arrow where it goes on beyond the frame."""
    inside = max(low, frame[0]), min(high, frame[1])
    if inside[0] <= inside[1]:
        axes.plot(inside, [place, place], color=colour, linewidth=width, solid_capstyle="butt", zorder=2)
    if low < frame[0]:
        axes.plot(frame[0], place, "<", color=colour, markersize=5, clip_on=False, zorder=3)
    if high > frame[1]:
        axes.plot(frame[1], place, ">", color=colour, markersize=5, clip_on=False, zorder=3)


def name_rows(axes: Axes, names: Sequence[str], frame: tuple[float, float]) -> None:
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set(ylim=(len(names) - 0.4, -0.6), xlim=frame)
    axes.tick_params(axis="y", length=0, pad=9)
    axes.spines["left"].set_visible(False)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    for place in range(1, len(names), 2):
        axes.axhspan(place - 0.5, place + 0.5, color=STRIPE, zorder=0, linewidth=0)


def write_beside(axes: Axes, rows: Sequence[tuple[float, float, float]], head: str, metric: str) -> None:
    """The numbers in a column at the right edge. rows: low end, number, high end, in the metric's own units."""
    right = {"textcoords": "offset points", "annotation_clip": False}
    axes.annotate(f"{head} [95 %]", (1, 1), (12, 3), xycoords="axes fraction", va="bottom", **right)
    for place, row in enumerate(rows):
        low, middle, high = (in_words(value, metric) for value in row)
        text = f"{middle} [{low}, {high}]"
        axes.annotate(text, (1, place), (12, 0), xycoords=axes.get_yaxis_transform(), va="center", **right)
