"""Whether a network is as sure as it is right. Facts: `training_facts`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ...words import counted
from .labels import note
from .style import BLUE, GREY, SKY, SMALL, drawn, new_figure, number, percent, told


@drawn
def reliability(facts: Mapping[str, Any]) -> Figure:
    """Per bin of confidence how often the network was right, with 95 % intervals, against the diagonal on which it is
    as right as it is sure; below, how many rows are in each bin."""
    known = facts.get("calibration")
    if not known:
        return told("No calibration was recorded: it needs classes and a part that was not trained on.")
    bins = known["bins"]
    confidence, right, low, high = (
        100 * np.array([b[n] for b in bins]) for n in ("confidence", "right", "low", "high")
    )
    rows = np.array([b["rows"] for b in bins])
    figure = new_figure(7.0)
    axes, counts = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3.4, 1]})
    axes.plot([0, 100], [0, 100], color=GREY, linestyle=(0, (5, 3)), linewidth=1.2)
    axes.annotate(
        "as right\nas sure", (1, 1), (6, 0), xycoords="axes fraction", textcoords="offset points", color=GREY,
        va="center", annotation_clip=False,
    )  # fmt: skip
    axes.vlines(confidence, low, high, color=SKY, linewidth=4, alpha=0.75)
    axes.plot(confidence, right, color=BLUE, marker="o", markersize=7, linewidth=1.2, clip_on=False, zorder=4)
    axes.set(xlim=(0, 100), ylim=(0, 100), ylabel="right [%]")
    counts.bar(confidence, rows, width=3.2, color=BLUE)
    for x, count in zip(confidence, rows, strict=True):
        counts.annotate(
            _brief(count), (x, count), (0, 2), textcoords="offset points", ha="center", va="bottom",
            fontsize=SMALL, annotation_clip=False,
        )  # fmt: skip
    counts.set(xlabel="confidence [%]", ylabel="rows", ylim=(0, 1.3 * rows.max()), yticks=[])
    counts.spines["left"].set_visible(False)
    counts.grid(False)
    note(figure, _in_words(known))
    return figure


def _brief(count: int) -> str:
    return f"{count}" if count < 1000 else f"{number(count / 1000)}k"


def _in_words(known: Mapping[str, Any]) -> str:
    part = f" of the {known['part']} part" if known["part"] else ""
    seeds = f", {counted(known['seeds'], 'seed')} together" if known["seeds"] > 1 else ""
    words = (
        f"{counted(known['rows'], 'row')}{part}{seeds}. Expected calibration error: {100 * known['error']:.1f} points."
    )
    if known["brier"] is not None:
        words += f" Brier score: {number(known['brier'])}."
    if known["confidence_on_mistakes"] is not None:
        words += (
            f" On its {counted(known['mistakes'], 'mistake')} it was {percent(known['confidence_on_mistakes'])} sure."
        )
    words += " Above the diagonal it is not sure enough, below too sure."
    return f"{words} Light bars: 95 % intervals, of one seed's rows."
