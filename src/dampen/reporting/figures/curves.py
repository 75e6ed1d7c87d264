"""What the curves of a training share: lines over epochs, their labels, and where overfitting begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from ...records import read
from ...words import counted
from .labels import End
from .style import BLACK, BLUE, GREEN, GREY, INK, PAPER, PURPLE, SHADE, SMALL, VERMILLION, number

DASHED, DOTTED, MIXED = (0, (5, 2)), (0, (1.2, 1.6)), (0, (6, 2, 1.5, 2))
LOG_FROM = 30.0
"""A curve whose largest number is so many times the smallest is drawn on a logarithmic axis."""


class Look(NamedTuple):
    """A line is told by its colour and by its dashes: either is enough."""

    colour: str
    dashes: Any
    width: float


TRAIN, VAL = Look(BLUE, DASHED, 1.6), Look(VERMILLION, "-", 2.2)
FIRST, SECOND, THIRD = Look(BLACK, "-", 2.0), Look(PURPLE, DASHED, 1.8), Look(GREEN, MIXED, 1.8)


def has(facts: Mapping[str, Any], *names: str) -> bool:
    return all(name in facts["curves"] for name in names)


def too_short(facts: Mapping[str, Any]) -> str:
    """Why there is no curve, or ""."""
    epochs = len(facts["epochs"])
    if epochs >= 2:
        return ""
    return "No epoch was recorded." if not epochs else "Only one epoch was recorded: a curve needs at least two."


def curve(facts: Mapping[str, Any], name: str, part: str = "mean") -> np.ndarray:
    """One number per epoch; NaN where it is not known."""
    return np.array(read(facts["curves"][name][part]), dtype=float)


def draw_curve(axes: Axes, facts: Mapping[str, Any], name: str, text: str, look: Look, scale: float = 1.0) -> End:
    """The mean over the seeds, with a band from the least to the greatest; what to write at its end."""
    epochs = np.array(facts["epochs"])
    mean = scale * curve(facts, name)
    if facts["seeds"] > 1:
        low, high = (scale * curve(facts, name, part) for part in ("low", "high"))
        axes.fill_between(epochs, low, high, color=look.colour, alpha=0.16, linewidth=0)
    return draw_line(axes, epochs, mean, text, look)


def draw_line(axes: Axes, epochs: np.ndarray, values: np.ndarray, text: str, look: Look) -> End:
    known = np.flatnonzero(np.isfinite(values))
    lone = {"marker": "o", "markersize": 4} if len(known) == 1 else {}
    axes.plot(epochs, values, color=look.colour, linestyle=look.dashes, linewidth=look.width, **lone)
    return End(float(values[known[-1]]) if len(known) else np.nan, text, look.colour)


def over_epochs(axes: Axes, facts: Mapping[str, Any], label: str, named: bool = True) -> None:
    """The axes themselves. named: whether the horizontal one is labelled, too."""
    axes.set(xlim=(1, len(facts["epochs"])), ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if named:
        axes.set_xlabel("epoch")


def fit_scale(axes: Axes, values: Sequence[np.ndarray], log_from: float = LOG_FROM) -> None:
    """Logarithmic where the numbers need it."""
    finite = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.array([])
    if len(finite) and finite.min() > 0 and finite.max() > log_from * finite.min():
        axes.set_yscale("log")
        near = finite.max() < 1e4 * finite.min()
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if near else (1.0,), numticks=7))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))


def mark_onset(axes: Axes, facts: Mapping[str, Any]) -> str:
    """Shade what comes after; hatch where it may have begun. Returns it in words, "" where there is none."""
    onset = facts.get("onset")
    if not onset:
        return ""
    begin, last = float(onset["epoch"]), len(facts["epochs"])
    axes.axvspan(begin, last, color=SHADE, zorder=0, linewidth=0)
    axes.axvline(begin, color=GREY, linewidth=1.0, linestyle=DOTTED, zorder=1)
    low, high = onset.get("low"), onset.get("high")
    if low is None or high is None or low == high:
        return f"overfitting from epoch {number(begin)}"
    axes.axvspan(low, high, facecolor="none", edgecolor="#d9b8ab", hatch="////", zorder=0, linewidth=0)
    return f"overfitting from epoch {number(begin)} (between {number(low)} and {number(high)})"


def mark_served(axes: Axes, facts: Mapping[str, Any], name: str, scale: float = 1.0) -> str:
    """A point on the curve where the weights are from that serve. Returns it in words."""
    served = facts.get("served_epoch")
    if not served or not has(facts, name) or served > len(facts["epochs"]):
        return ""
    at = scale * curve(facts, name)[served - 1]
    axes.axvline(served, color=INK, linewidth=0.9, zorder=2)
    if np.isfinite(at):
        axes.plot(
            [served], [at], "D", color=INK, markersize=7, markeredgecolor=PAPER, zorder=5, clip_on=False, linestyle=""
        )
    all_ = facts["served_epochs"]
    reach = f" (seeds: {min(all_)} to {max(all_)})" if min(all_) != max(all_) else ""
    return f"weights of epoch {served} serve{reach}"


def above(axes: Axes, row: int, x: float, text: str) -> None:
    """Words over the axes, near x, in the row of that number from below: they cover no line."""
    if not text:
        return
    low, high = axes.get_xlim()
    share = (x - low) / (high - low)
    side = "left" if share < 0.35 else "right" if share > 0.65 else "center"
    offset = (0, 4 + 14 * row)
    axes.annotate(
        text,
        xy=(x, 1.0),
        xycoords=axes.get_xaxis_transform(),
        xytext=offset,
        textcoords="offset points",
        ha=side,
        va="bottom",
        fontsize=SMALL,
        color=INK,
        annotation_clip=False,
    )


def seeds_in_words(facts: Mapping[str, Any]) -> str:
    """What line and band are."""
    seeds = facts["seeds"]
    parts = [] if seeds == 1 else [f"Lines are means of {counted(seeds, 'seed')}, bands reach from least to greatest."]
    last = facts["still_training"][-1]
    if last < seeds:
        parts.append(f"{last} of {seeds} trained to the last epoch; means are of those still training.")
    if not facts["clean"]:
        parts.append("Training values are means over the epoch's steps, as logged.")
    if facts["not_finite_from"]:
        parts.append(f"From epoch {facts['not_finite_from']} on a loss is not a finite number.")
    return " ".join(parts)
