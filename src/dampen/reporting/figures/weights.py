"""The weights themselves: how they are distributed, and which are exactly zero. Facts: `training_facts`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...records import read
from . import curves
from .curves import DASHED, DOTTED, Look, draw_curve, has, over_epochs
from .labels import label_ends, note
from .style import (
    BLACK,
    BLUE,
    GREY,
    INK,
    PAPER,
    PURPLE,
    SKY,
    SMALL,
    VERMILLION,
    drawn,
    new_figure,
    number,
    percent,
    short,
    told,
)

MOST_PANELS, COLUMNS = 12, 3
MOST_ROWS = 40
SPIKE, HIGH = 3.0, 0.85
"""A peak of so many times the height that this share of the bins stays under is cut off, and told in words."""
LOOKS = (Look(SKY, DOTTED, 1.6), Look(BLUE, DASHED, 1.5), Look(BLACK, "-", 1.6))
"""First, middle and last epoch: ever darker, ever more solid."""
ZEROS = LinearSegmentedColormap.from_list("zeros", [PAPER, "#f6d9b0", "#d98a2b", "#8a3d00", "#3a1500"])


@drawn
def weight_distributions(facts: Mapping[str, Any]) -> Figure:
    """How many weights of each layer lie where: in the first, a middle and the last epoch that was looked at."""
    looks = [looked for looked in facts["weights"] if looked["layers"]]
    if not looks:
        return told("No weights were recorded.")
    names = list(looks[-1]["layers"])
    chosen = [
        names[i] for i in sorted({round(i) for i in np.linspace(0, len(names) - 1, min(len(names), MOST_PANELS))})
    ]
    rows = math.ceil(len(chosen) / COLUMNS)
    columns = min(COLUMNS, len(chosen))
    figure = new_figure(0.9 + 1.75 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(grid, chosen, strict=False):
        _histograms(
            axes, [(looked["epoch"], looked["layers"][name]) for looked in _three(looks) if name in looked["layers"]]
        )
        axes.set_title(short(name, 24), fontsize=SMALL, fontweight="normal")
    for axes in grid[len(chosen) :]:
        axes.set_visible(False)
    figure.legend(*_key(_three(looks)), loc="outside upper left", ncols=3, handlelength=3.2)
    figure.supylabel("density of weights", fontsize=SMALL, color=INK)
    sentence = "Across: the weights' values."
    if len(names) > len(chosen):
        sentence += f" {len(chosen)} of {len(names)} layers are shown."
    note(figure, sentence)
    return figure


@drawn
def sparsity(facts: Mapping[str, Any]) -> Figure:
    """Shares of weights that are exactly zero and of hidden units that never answer, and below the zeros per layer."""
    if why := curves.too_short(facts):
        return told(why)
    layers = {name: layer["zeros_fraction"] for name, layer in facts["layers"].items() if "zeros_fraction" in layer}
    lines = [name for name in ("zeros_fraction", "dead_fraction") if has(facts, name)]
    if not layers and not lines:
        return told("No share of zeros was recorded.")
    names = list(layers)
    shown = [names[i] for i in sorted({round(i) for i in np.linspace(0, len(names) - 1, min(len(names), MOST_ROWS))})]
    heights = [2.4] * bool(lines) + [0.7 + 0.26 * len(shown)] * bool(shown)
    figure = new_figure(sum(heights) + 0.5)
    grid = list(figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0])
    ends = []
    if lines:
        looks = {
            "zeros_fraction": ("weights that\nare exactly zero", Look(VERMILLION, "-", 2.0)),
            "dead_fraction": ("hidden units\nthat are dead", Look(PURPLE, DASHED, 1.8)),
        }
        ends = [draw_curve(grid[0], facts, name, *looks[name], scale=100.0) for name in lines]
        over_epochs(grid[0], facts, "share [%]", named=not shown)
        grid[0].set_xlim(0.5, len(facts["epochs"]) + 0.5)
        top = max(float(np.nanmax(100 * curves.curve(facts, name, "high"))) for name in lines)
        grid[0].set_ylim(0, max(1.0, 1.08 * top))
    if shown:
        _by_layer(grid[-1], facts, {name: layers[name] for name in shown})
        sentence = "Numbers at the right: exact zeros at the end."
        if len(shown) < len(names):
            sentence += f" {len(shown)} of {len(names)} layers are shown."
        note(figure, sentence)
    if lines:
        label_ends((grid[0], ends))
    return figure


def _by_layer(axes: Axes, facts: Mapping[str, Any], layers: Mapping[str, Any]) -> None:
    shares = np.array([read(values) for values in layers.values()], dtype=float)
    epochs = len(facts["epochs"])
    picture = axes.imshow(
        100 * shares, aspect="auto", cmap=ZEROS, vmin=0, vmax=100, extent=(0.5, epochs + 0.5, len(layers) - 0.5, -0.5),
        interpolation="nearest",
    )  # fmt: skip
    axes.set_yticks(range(len(layers)), [short(name, 22) for name in layers])
    axes.tick_params(length=0, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
    axes.grid(False)
    for row, values in enumerate(shares):
        known = values[np.isfinite(values)]
        last = percent(known[-1]) if len(known) else "not known"
        axes.annotate(
            last, xy=(1, row), xycoords=axes.get_yaxis_transform(), xytext=(6, 0), textcoords="offset points",
            va="center", fontsize=SMALL, annotation_clip=False,
        )  # fmt: skip
    bar = axes.figure.colorbar(picture, ax=axes, location="top", aspect=45, shrink=0.6, anchor=(0.0, 0.0), pad=0.02)
    bar.set_label("exact zeros of each layer [%]", fontsize=SMALL)
    bar.outline.set_linewidth(0.5)


# ------------------------------------------------------------------ histograms


def draw_together(axes: Axes, looks: Sequence[Mapping[str, Any]]) -> None:
    """All layers in one."""
    looks = _three(looks)
    _histograms(axes, [(looked["epoch"], looked["all"]) for looked in looks])
    axes.set(xlabel="value of a weight", ylabel="density", ylim=(0, 1.35 * axes.get_ylim()[1]))
    axes.legend(*_key(looks), loc="upper left", bbox_to_anchor=(-0.03, 1.02), handlelength=2.0, borderaxespad=0)


def _three(looks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """First, middle and last."""
    places = sorted({0, (len(looks) - 1) // 2, len(looks) - 1})
    return [looks[i] for i in places]


def _key(looks: Sequence[Mapping[str, Any]]) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    styles = LOOKS[-len(looks) :]
    lines = [Line2D([], [], color=s.colour, linestyle=s.dashes, linewidth=s.width) for s in styles]
    return lines, [f"epoch {looked['epoch']}" for looked in looks]


def _histograms(axes: Axes, histograms: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Outlines, one per epoch, as densities: their bins differ in width."""
    highest, cut, peak = 0.0, 0.0, 0.0
    for (_, histogram), look in zip(histograms, LOOKS[-len(histograms) :], strict=True):
        counts = np.array(histogram["counts"], dtype=float)
        edges = np.linspace(histogram["low"], histogram["high"], len(counts) + 1)
        if edges[-1] <= edges[0] or not counts.sum():
            axes.axvline(edges[0], color=look.colour, linestyle=look.dashes, linewidth=look.width)
            continue
        density = counts / counts.sum() / np.diff(edges)
        axes.stairs(density, edges, color=look.colour, linestyle=look.dashes, linewidth=look.width)
        if look is LOOKS[-1]:
            axes.stairs(density, edges, color=look.colour, fill=True, alpha=0.08)
        highest = max(highest, float(density.max()))
        cut = max(cut, SPIKE * float(np.quantile(density[density > 0], HIGH)))
        peak = float(counts[density > cut].sum() / counts.sum())
    axes.set_ylim(0, 1.12 * min(highest, cut) if highest else 1.0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.xaxis.set_major_formatter(lambda value, _: number(value))
    if peak:
        axes.text(
            0.98, 0.97, f"{percent(peak)}\nin the peak", ha="right", va="top", color=GREY, transform=axes.transAxes
        )
