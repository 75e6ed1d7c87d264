"""What becomes of a batch: images, series, rows of a table, texts, targets."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from dampen import CNN, MLP
from dampen.training.problem import Problem

from .listening import (
    AFTER,
    BEFORE,
    SHADES,
    SHOWN,
    array,
    calls_of,
    differ,
    label,
    of_matrices,
    photos,
    problem,
    problem_for,
    waves,
)


def of_batch(technique: type) -> Figure:
    here = problem_for(technique, problem(photos(), CNN((4,))), problem(waves(), MLP((8,))))
    calls = calls_of(technique, "batch", here)
    changed = [call for call in calls if any(map(differ, call[0][1][:2], call[1][:2]))]
    (_, before, *_), after = (changed or calls)[0]
    moved = [abs(array(b) - array(a)).reshape(len(b), -1).sum(1) for b, a in zip(before[:2], after[:2], strict=True)]
    inputs_change, targets_change = (bool(m.max() > 1e-6) for m in moved)
    rows = np.argsort(moved[0 if inputs_change else 1] <= 1e-6, kind="stable")[:SHOWN]  # the first that changed
    if not inputs_change:
        return of_targets(array(before.targets), array(after.targets))
    draw = {"images": of_images, "series": of_series, "tokens": of_tokens, "table": of_cells}
    kind = next(word for word in draw if word in here.words)
    return draw[kind](here, array(before.inputs), array(after.inputs), rows, *(
        (array(before.targets), array(after.targets)) if targets_change else (None, None)))  # fmt: skip


def of_images(here: Problem, before: Any, after: Any, rows: Any, was: Any, becomes: Any) -> Figure:
    heights = [1, 1] if was is None else [1, 1, 0.45]
    figure, axes = plt.subplots(len(heights), SHOWN, figsize=(6, 1.2 * sum(heights)), height_ratios=heights)
    for column, row in enumerate(rows):
        for line, images in enumerate((before, after)):
            picture = np.clip(images[row].transpose(1, 2, 0) / here.data.inputs.max().item(), 0, 1)
            axes[line, column].imshow(picture if picture.shape[-1] == 3 else picture[..., 0], cmap="gray")
            axes[line, column].axis("off")
        if was is not None:
            shares(axes[2, column], was[row], becomes[row])
    for line, name in enumerate(["before", "after", "targets"][: len(heights)]):
        label(axes[line, 0], name, framed=line == 2)
    return figure


def of_series(here: Problem, before: Any, after: Any, rows: Any, was: Any, becomes: Any) -> Figure:
    wide = 3 if was is None else 4
    figure, axes = plt.subplots(1, wide, figsize=(7, 1.7), sharey=was is None)
    for axis, row in zip(axes[:3], rows, strict=False):
        for channel, (one, other) in enumerate(zip(before[row], after[row], strict=True)):
            axis.plot(one + 2.5 * channel, color=BEFORE, lw=2.5, alpha=0.6)
            axis.plot(other + 2.5 * channel, color=AFTER, lw=1)
        axis.set(yticks=[], xticks=[], xlabel="time")
    label(axes[0], "channels", framed=True)
    if was is not None:
        shares(axes[3], was[rows[0]], becomes[rows[0]])
        axes[3].set_xlabel("targets")
    return figure


def of_cells(here: Problem, before: Any, after: Any, rows: Any, was: Any, becomes: Any) -> Figure:
    numbers = here.data.inputs.double()
    mean, std = numbers.nanmean(0).numpy(), np.nanstd(numbers.numpy(), 0) + 1e-9
    panels = [((table[:12] - mean) / std) for table in (before, after)]
    figure = of_matrices(*panels, "columns", "rows") if was is None else of_cells_and_targets(panels, was, becomes)
    cells = figure.axes[1 if was is None else 2]
    for row, column in np.argwhere(~np.isclose(*panels, equal_nan=True)):
        cells.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, ec=AFTER, lw=2))
    return figure


def of_cells_and_targets(panels: list[Any], was: Any, becomes: Any) -> Figure:
    figure, axes = plt.subplots(1, 4, figsize=(7, 1.9), width_ratios=[4, 1, 4, 1])
    low, high = np.nanpercentile(panels[0], [1, 99])
    for axis, cells, name in zip(axes[::2], panels, ("before", "after"), strict=True):
        axis.imshow(cells, aspect="auto", cmap=SHADES, vmin=low, vmax=high)
        axis.set(xticks=[], yticks=[], title=name, xlabel="columns")
    for axis, targets in zip(axes[1::2], (was, becomes), strict=True):
        axis.imshow(targets[:12], aspect="auto", cmap="Greys", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[], title="targets")
    label(axes[0], "rows")
    return figure


def of_tokens(here: Problem, before: Any, after: Any, rows: Any, was: Any, becomes: Any) -> Figure:
    """Token ids as numbered words; what changed in colour."""
    figure, axes = plt.subplots(1, 2, figsize=(7, 1.6))
    for axis, ids, name in zip(axes, (before, after), ("before", "after"), strict=True):
        for line, row in enumerate(rows):
            for place, token in enumerate(ids[row]):
                word = {0: "·", 1: "?"}.get(int(token), f"w{int(token)}")
                colour = AFTER if token != before[row][place] else "black"
                axis.text(place, -line, word, color=colour, ha="center", fontsize=7,
                          fontweight="bold" if colour == AFTER else "normal")  # fmt: skip
        axis.set(xlim=(-1, ids.shape[1]), ylim=(0.5 - len(rows), 0.9), title=f"{name}  (· padding, ? unknown)")
        axis.axis("off")
    return figure


def of_targets(before: Any, after: Any) -> Figure:
    figure, axes = plt.subplots(1, 2, figsize=(6, 1.9))
    for axis, targets, name in zip(axes, (before, after), ("before", "after"), strict=True):
        axis.imshow(targets[:8], cmap="Greys", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(targets[:8]):
            axis.text(column, row, f"{share:.2g}", ha="center", va="center", fontsize=6,
                      color="white" if share > 0.5 else "black")  # fmt: skip
        axis.set(xticks=[], yticks=[], xlabel="classes", title=f"targets {name}")
    label(axes[0], "rows")
    return figure


def shares(axis: Any, was: Any, becomes: Any) -> None:
    places = np.arange(len(was))
    axis.bar(places - 0.2, was, 0.4, color=BEFORE)
    axis.bar(places + 0.2, becomes, 0.4, color=AFTER)
    axis.set(xticks=[], yticks=[], ylim=(0, 1.05))
