"""What a technique does to the inputs, and what a classifier of two features makes of the plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .labels import note
from .style import (
    GREY,
    INK,
    MARKERS,
    OKABE_ITO,
    PAPER,
    SMALL,
    WIDTH,
    drawn,
    new_figure,
    only_marks,
    percent,
    short,
    told,
)

MOST_IMAGES, MOST_VARIANTS = 6, 7
LONGEST_TITLE = 44
"""Letters that fit over the pictures, however wide."""
PALEST = 0.12
"""How much of a class' colour a region has where the classifier is as unsure as can be; 0.6 more where it is sure."""


@drawn
def augmented_inputs(facts: Mapping[str, Any]) -> Figure:
    """facts: {"recipe": its name, "before": [image, ...], "after": [[variants of the first image], ...]}; an image is H
    rows of W numbers from 0 to 1, or of W times (red, green, blue)."""
    pairs = list(zip(facts["before"], facts["after"], strict=True))[:MOST_IMAGES]
    variants = min(MOST_VARIANTS, max((len(after) for _, after in pairs), default=0))
    if not variants:
        return told("No augmented inputs were recorded.")
    first = np.asarray(pairs[0][0])
    side = (WIDTH - 0.3) / (variants + 1)
    figure = new_figure(0.75 + len(pairs) * side * first.shape[0] / first.shape[1])
    grid = figure.subplots(len(pairs), variants + 1, squeeze=False)
    for row, (before, after) in zip(grid, pairs, strict=True):
        for axes in row:
            only_marks(axes)
        for axes, image in zip(row, [before, *after], strict=False):
            axes.imshow(
                np.clip(np.asarray(image, dtype=float), 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest"
            )
        row[0].spines[:].set(visible=True, color=INK, linewidth=1.5)
    grid[0, 0].set_title("original", fontsize=SMALL, loc="center", fontweight="normal")
    grid[0, 1].set_title("as trained on", fontsize=SMALL, loc="left", fontweight="normal")
    figure.suptitle(short(facts["recipe"], LONGEST_TITLE), x=0.012, ha="left", fontsize=10, fontweight="bold")
    return figure


@drawn
def decision_boundary(facts: Mapping[str, Any]) -> Figure:
    """Which class a classifier of two features sees where: the deeper the colour, the surer; rows by their true class,
    mistakes ringed. Facts: `boundary_facts`."""
    rows = facts["rows"]
    if not rows["x"]:
        return told("No rows were given.")
    figure = new_figure(5.6)
    axes = figure.subplots()
    across, up = facts["x"], facts["y"]
    predicted, sure = np.array(facts["predicted"]), np.array(facts["confidence"], dtype=float)
    classes = facts["classes"]
    extent = (across["low"], across["high"], up["low"], up["high"])
    axes.imshow(
        _regions(predicted, sure, len(classes)), extent=extent, origin="lower", aspect="auto", interpolation="nearest"
    )
    grid = [
        np.linspace(axis["low"], axis["high"], n) for axis, n in zip((across, up), predicted.shape[::-1], strict=True)
    ]
    for number in np.unique(predicted)[:-1]:
        axes.contour(*grid, predicted > number, levels=[0.5], colors=INK, linewidths=0.9)
    present = _points(axes, rows, classes)
    axes.grid(False)
    axes.set(xlabel=short(across["name"], 60), ylabel=short(up["name"], 40), xlim=extent[:2], ylim=extent[2:])
    key: list[Any] = [
        Line2D([], [], linestyle="", marker=MARKERS[k % len(MARKERS)], markersize=7, label=short(classes[k], 16),
               markerfacecolor=_colour(k), markeredgecolor=INK, markeredgewidth=0.6)
        for k in present
    ]  # fmt: skip
    ring = {"marker": "o", "markersize": 12, "markerfacecolor": "none", "markeredgecolor": INK, "linestyle": ""}
    key.append(Line2D([], [], label="mistake", markeredgewidth=1.6, **ring))
    key.append(Patch(facecolor=GREY, label="sure"))
    key.append(Patch(facecolor="#dcdcd8", label="unsure"))
    figure.legend(handles=key, loc="outside upper left", ncols=4)
    shown = "" if len(rows["x"]) == facts["all"] else f" {len(rows['x'])} of them are drawn."
    right = percent(1 - facts["mistakes"] / facts["all"])
    note(figure, f"{facts['all']} rows, {facts['mistakes']} mistakes: {right} right.{shown}")
    return figure


def _regions(predicted: np.ndarray, sure: np.ndarray, classes: int) -> np.ndarray:
    """Colours (H, W, 3): of the class, paler the less sure."""
    palette = np.array([to_rgb(_colour(k)) for k in range(classes)])
    chance = 1 / max(2, classes)
    share = PALEST + 0.6 * np.clip((sure - chance) / (1 - chance), 0, 1)
    return share[..., None] * palette[predicted] + (1 - share[..., None]) * np.array(to_rgb(PAPER))


def _points(axes: Axes, rows: Mapping[str, Any], classes: Any) -> list[int]:
    """Returns the classes that occur."""
    x, y, target, predicted = (np.array(rows[name]) for name in ("x", "y", "target", "predicted"))
    present = [k for k in range(len(classes)) if (target == k).any()]
    for k in present:
        own = target == k
        axes.plot(
            x[own], y[own], MARKERS[k % len(MARKERS)], color=_colour(k), markersize=6, markeredgecolor=INK,
            markeredgewidth=0.6,
        )  # fmt: skip
    wrong = target != predicted
    axes.plot(x[wrong], y[wrong], "o", markersize=13, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.6)
    return present


def _colour(k: int) -> str:
    return OKABE_ITO[k % len(OKABE_ITO)]
