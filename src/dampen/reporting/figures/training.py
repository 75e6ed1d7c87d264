"""Curves of a training: losses, overfitting score, norms, and the overview of all. Facts: `training_facts`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ...records import read
from . import curves
from .curves import (
    DASHED,
    DOTTED,
    FIRST,
    MIXED,
    SECOND,
    THIRD,
    TRAIN,
    VAL,
    Look,
    curve,
    draw_curve,
    draw_line,
    has,
    over_epochs,
)
from .labels import End, label_ends, note
from .style import GREY, drawn, in_units, loss_unit, metric_words, new_figure, number, short, told
from .weights import draw_together

METRIC_WIDTH = 20
"""Letters of a metric's name in one line beside an upright axis."""
MOST_LAYERS = 8
"""Lines that can be labelled beside one axis; of more layers so many are drawn, evenly chosen by depth."""


@drawn
def loss_curves(facts: Mapping[str, Any]) -> Figure:
    """Training and validation loss over the epochs, and below the metric where there is one: shaded from where
    overfitting begins, hatched where it may have begun, a diamond on the epoch whose weights serve."""
    if why := curves.too_short(facts) or _no_loss(facts):
        return told(why)
    metric = has(facts, "train_metric") or has(facts, "val_metric")
    figure = new_figure(6.2 if metric else 4.0)
    axes = figure.subplots(2 if metric else 1, 1, sharex=True, squeeze=False)[:, 0]
    ends = _losses(axes[0], facts)
    over_epochs(axes[0], facts, "loss" + loss_unit(facts), named=not metric)
    onset = curves.mark_onset(axes[0], facts)
    served = curves.mark_served(axes[0], facts, "val_loss")
    if onset:
        curves.above(axes[0], 0, facts["onset"]["epoch"], onset)
    curves.above(axes[0], 1 if onset else 0, facts["served_epoch"] or 1, served)
    if metric:
        scale, unit = in_units(facts["metric"])
        below = _both(axes[1], facts, "metric", scale)
        over_epochs(axes[1], facts, _metric(facts) + unit)
        curves.mark_onset(axes[1], facts)
        curves.mark_served(axes[1], facts, "val_metric", scale)
    if sentence := curves.seeds_in_words(facts):
        note(figure, sentence)
    label_ends((axes[0], ends), *([(axes[1], below)] if metric else []))
    return figure


@drawn
def overfitting_score(facts: Mapping[str, Any]) -> Figure:
    """Validation loss over training loss, and below how much worse the metric is on validation."""
    if why := curves.too_short(facts) or _no_score(facts):
        return told(why)
    gap = has(facts, "metric_gap")
    figure = new_figure(5.4 if gap else 3.6)
    axes = figure.subplots(2 if gap else 1, 1, sharex=True, squeeze=False)[:, 0]
    ends = _score(axes[0], facts)
    over_epochs(axes[0], facts, "overfitting score\n[validation / training loss]", named=not gap)
    onset = curves.mark_onset(axes[0], facts)
    if onset:
        curves.above(axes[0], 0, facts["onset"]["epoch"], onset)
    if gap:
        scale, unit = in_units(facts["metric"])
        axes[1].axhline(0.0, color=GREY, linewidth=1.0)
        look = Look(VAL.colour, MIXED, 2.0)
        below = [draw_curve(axes[1], facts, "metric_gap", "", look, scale)]
        points = " [points]" if unit == " [%]" else unit
        below = [end._replace(text=number(end.y) + (" points" if unit == " [%]" else "")) for end in below]
        over_epochs(axes[1], facts, f"generalization gap of\n{_metric(facts)}{points}")
        curves.mark_onset(axes[1], facts)
    if sentence := curves.seeds_in_words(facts):
        note(figure, sentence)
    label_ends((axes[0], ends), *([(axes[1], below)] if gap else []))
    return figure


@drawn
def norm_evolution(facts: Mapping[str, Any]) -> Figure:
    """How the norms of all weights and their ratio change, as multiples of the first epoch's, and below the L2 norm of
    each layer. A ratio of L1 to L2 that falls says that fewer weights carry more: the effect of regularization."""
    if why := curves.too_short(facts) or _no_norms(facts):
        return told(why)
    layers = {name: layer["l2"] for name, layer in facts["layers"].items() if "l2" in layer}
    whole = has(facts, "l2") or has(facts, "l1")
    figure = new_figure(3.4 * (whole + bool(layers)))
    axes = list(figure.subplots(whole + bool(layers), 1, sharex=True, squeeze=False)[:, 0])
    ends = []
    if whole:
        ends.append(_norms(axes[0], facts))
        over_epochs(axes[0], facts, "all weights\n[first epoch = 1]", named=not layers)
    if layers:
        ends.append(_by_layer(axes[-1], facts, layers))
        over_epochs(axes[-1], facts, "L2 norm of each layer")
    sentence = "Darker lines are layers nearer to the inputs." if len(layers) > 1 else ""
    if len(layers) > MOST_LAYERS:
        sentence += f" {MOST_LAYERS} of {len(layers)} layers are shown."
    if sentence:
        note(figure, sentence)
    label_ends(*zip(axes, ends, strict=True))
    return figure


@drawn
def overview(facts: Mapping[str, Any]) -> Figure:
    """Four at a glance: loss curves, weight distribution, norms and overfitting score."""
    if why := curves.too_short(facts):
        return told(why)
    figure = new_figure(6.4)
    (losses, weights), (norms, score) = figure.subplots(2, 2)
    labels: list[tuple[Axes, list[End]]] = []
    panels = (
        (losses, "Loss", _no_loss(facts), _losses, "loss" + loss_unit(facts)),
        (norms, "Weight norms", _no_norms(facts), _norms, "[first epoch = 1]"),
        (score, "Overfitting score", _no_score(facts), _score, "validation / training loss"),
    )
    for axes, title, why, draw, label in panels:
        axes.set_title(title)
        if why:
            _say(axes, why)
            continue
        labels.append((axes, draw(axes, facts)))
        over_epochs(axes, facts, label)
        if axes is not norms:
            curves.mark_onset(axes, facts)
    weights.set_title("Weights of all layers")
    if facts["weights"]:
        draw_together(weights, facts["weights"])
    else:
        _say(weights, "No weights were recorded.")
    if not _no_loss(facts):
        curves.mark_served(losses, facts, "val_loss")
    if sentence := " ".join(part for part in (_marks_in_words(facts), curves.seeds_in_words(facts)) if part):
        note(figure, sentence)
    label_ends(*labels)
    return figure


# ------------------------------------------------------------------ panels


def _losses(axes: Axes, facts: Mapping[str, Any]) -> list[End]:
    ends = _both(axes, facts, "loss")
    curves.fit_scale(axes, [curve(facts, name) for name in ("train_loss", "val_loss") if has(facts, name)])
    return ends


def _both(axes: Axes, facts: Mapping[str, Any], what: str, scale: float = 1.0) -> list[End]:
    parts = (("train", "training", TRAIN), ("val", "validation", VAL))
    known = [(f"{part}_{what}", words, look) for part, words, look in parts if has(facts, f"{part}_{what}")]
    return [draw_curve(axes, facts, name, words, look, scale) for name, words, look in known]


def _score(axes: Axes, facts: Mapping[str, Any]) -> list[End]:
    axes.axhline(1.0, color=GREY, linewidth=1.0, linestyle=DASHED)
    score = draw_curve(axes, facts, "overfitting_score", "", VAL)
    curves.fit_scale(axes, [curve(facts, "overfitting_score")])
    return [score._replace(text=f"{number(score.y)} times"), End(1.0, "1: equal", GREY)]


def _norms(axes: Axes, facts: Mapping[str, Any]) -> list[End]:
    """Each as a multiple of its first number."""
    epochs = np.array(facts["epochs"])
    ends, all_ = [], []
    for name, words, look in (("l2", "L2", FIRST), ("l1", "L1", SECOND), ("norm_ratio", "L1 / L2", THIRD)):
        if has(facts, name):
            values = curve(facts, name)
            known = values[np.isfinite(values) & (values != 0)]
            relative = values / known[0] if len(known) else np.full(len(epochs), np.nan)
            last = known[-1] if len(known) else np.nan
            ends.append(draw_line(axes, epochs, relative, f"{words}: {number(last)}", look))
            all_.append(relative)
    curves.fit_scale(axes, all_)
    return ends


def _by_layer(axes: Axes, facts: Mapping[str, Any], layers: Mapping[str, Any]) -> list[End]:
    names = list(layers)
    chosen = sorted({round(i) for i in np.linspace(0, len(names) - 1, min(len(names), MOST_LAYERS))})
    dashes = ("-", DASHED, MIXED, DOTTED)
    ends, all_ = [], []
    for rank, index in enumerate(chosen):
        values = np.array(read(layers[names[index]]), dtype=float)
        shade = 0.62 * rank / max(1, len(chosen) - 1)
        look = Look(to_hex((shade * 0.9, shade * 0.95, min(1.0, 0.25 + shade * 0.9))), dashes[rank % 4], 1.8)
        ends.append(draw_line(axes, np.array(facts["epochs"]), values, short(names[index], 20), look))
        all_.append(values)
    curves.fit_scale(axes, all_)
    return ends


def _marks_in_words(facts: Mapping[str, Any]) -> str:
    """For panels that are too small for words of their own."""
    parts = []
    if onset := facts.get("onset"):
        parts.append(f"Shaded: overfitting, from epoch {number(onset['epoch'])} on.")
    if facts.get("served_epoch"):
        parts.append(f"Diamond: the weights of epoch {facts['served_epoch']} serve.")
    return " ".join(parts)


def _metric(facts: Mapping[str, Any]) -> str:
    """In lines that a panel is high enough for: a foreign log may call it anything."""
    return textwrap.fill(metric_words(facts["metric"]), METRIC_WIDTH) or "metric"


def _say(axes: Axes, sentence: str) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.text(0.5, 0.5, sentence.replace(": ", ":\n"), ha="center", va="center", color=GREY, transform=axes.transAxes)


def _no_loss(facts: Mapping[str, Any]) -> str:
    return "" if has(facts, "train_loss") or has(facts, "val_loss") else "No loss was recorded."


def _no_score(facts: Mapping[str, Any]) -> str:
    return "" if has(facts, "overfitting_score") else "No score: training and validation loss are needed."


def _no_norms(facts: Mapping[str, Any]) -> str:
    known = has(facts, "l2") or has(facts, "l1") or any("l2" in layer for layer in facts["layers"].values())
    return "" if known else "No norms of the weights were recorded."
