"""Words beside lines and points that neither overlap nor leave the picture."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from .style import GREY, INK, SMALL, WIDTH, ink, settle

NOTE_WIDTH = 96
"""Letters that fit into a line over the whole width."""
DISTANCES = (9, 14, 20, 27, 35)
"""Points between a point and its label, tried in this order."""
DIRECTIONS = [math.radians(a) for a in (0, 180, 45, 135, 315, 225, 90, 270, 22, 158, 338, 202, 67, 113, 293, 247)]


class End(NamedTuple):
    """The label of a line that ends at `y` in the axes' data."""

    y: float
    text: str
    colour: str


def note(figure: Figure, sentence: str) -> None:
    """A line of small letters under everything: how to read what is drawn."""
    width = int(NOTE_WIDTH * figure.get_size_inches()[0] / WIDTH)
    figure.supxlabel(textwrap.fill(sentence, width), x=0.012, ha="left", fontsize=SMALL, color=GREY)


def label_ends(*panels: tuple[Axes, Sequence[End]]) -> None:
    """Labels right of the axes of one figure, each at the height of its line's end, or near it where others stand."""
    told = [(axes, [end for end in ends if math.isfinite(end.y)]) for axes, ends in panels]
    labels = [(axes, ends, [_end_label(axes, end) for end in ends]) for axes, ends in told if ends]
    if not labels:
        return
    figure = _figure(labels[0][0])
    settle(figure)
    points = 72 / figure.dpi
    for axes, ends, texts in labels:
        wanted = [float(axes.transData.transform((0 if axes.get_xscale() == "linear" else 1, e.y))[1]) for e in ends]
        gap = max(text.get_window_extent().height for text in texts) * 1.08
        frame = axes.get_window_extent()
        for text, at, place in zip(texts, wanted, spread(wanted, gap, frame.y0, frame.y1), strict=True):
            text.set_position((14, (place - at) * points))


def _end_label(axes: Axes, end: End) -> Annotation:
    return axes.annotate(
        end.text,
        xy=(1.0, end.y),
        xycoords=axes.get_yaxis_transform(),
        xytext=(14, 0),
        textcoords="offset points",
        va="center",
        color=ink(end.colour),
        fontsize=SMALL,
        annotation_clip=False,
        arrowprops={"arrowstyle": "-", "color": end.colour, "lw": 0.8, "shrinkA": 1, "shrinkB": 1},
    )


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places at least `gap` apart, as near to the wanted ones as can be (least squares), from low to high where there
    is room: isotonic regression by pooling neighbours."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    pools: list[tuple[float, int]] = []  # mean of what is wanted less the gaps below, and how many
    for rank, i in enumerate(order):
        pools.append((wanted[i] - rank * gap, 1))
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            (last, n), (before, m) = pools.pop(), pools.pop()
            pools.append(((last * n + before * m) / (n + m), n + m))
    ceiling = max(low, high - (len(wanted) - 1) * gap)
    flat = [min(ceiling, max(low, mean)) for mean, n in pools for _ in range(n)]
    places = [0.0] * len(wanted)
    for rank, i in enumerate(order):
        places[i] = flat[rank] + rank * gap
    return places


def label_points(
    axes: Axes, points: np.ndarray, names: Sequence[tuple[int, str]], lines: Sequence[np.ndarray], size: float = 9.0
) -> list[Text]:
    """Labels of some points, (index, text), the most important first; one for which there is no room is left out.
    points: (N, 2) in data. lines: (M, 2) in data, upright and level parts only, not to be written over. size: of the
    points' marks, in points. Returns the labels that found room."""
    figure = _figure(axes)
    settle(figure)
    scale = figure.dpi / 72
    pixels = axes.transData.transform(points)
    reach = size / 2 * scale
    taken = [Bbox.from_extents(x - reach, y - reach, x + reach, y + reach) for x, y in pixels]
    for bends in map(axes.transData.transform, lines):
        for (x, y), (u, v) in itertools.pairwise(bends):
            taken.append(Bbox.from_extents(min(x, u) - 1, min(y, v) - 1, max(x, u) + 1, max(y, v) + 1))
    frame = axes.get_window_extent()
    placed: list[Text] = []
    for index, text in names:
        label = _label(axes, points[index], text)
        box = label.get_window_extent()
        for distance, angle in itertools.product(DISTANCES, DIRECTIONS):
            dx, dy = distance * math.cos(angle), distance * math.sin(angle)
            spot = _box_at(pixels[index] + scale * np.array([dx, dy]), box, math.cos(angle), math.sin(angle))
            if _inside(spot, frame) and not spot.count_overlaps(taken):
                label.set(
                    position=(dx, dy),
                    horizontalalignment=_side(math.cos(angle), "right", "left"),
                    verticalalignment=_side(math.sin(angle), "top", "bottom"),
                )
                taken.append(spot)
                placed.append(label)
                break
        else:
            label.remove()
    return placed


def _label(axes: Axes, point: np.ndarray, text: str) -> Annotation:
    return axes.annotate(
        text,
        xy=(float(point[0]), float(point[1])),
        xytext=(0, 0),
        textcoords="offset points",
        fontsize=SMALL,
        color=INK,
        arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.6, "shrinkA": 0, "shrinkB": 4},
    )


def _side(part: float, negative: str, positive: str) -> str:
    return positive if part > 0.3 else negative if part < -0.3 else "center"


def _box_at(anchor: np.ndarray, box: Bbox, right: float, up: float) -> Bbox:
    """Where a label of this size lies that is anchored so."""
    x = anchor[0] - {"left": 0.0, "right": 1.0, "center": 0.5}[_side(right, "right", "left")] * box.width
    y = anchor[1] - {"bottom": 0.0, "top": 1.0, "center": 0.5}[_side(up, "top", "bottom")] * box.height
    return Bbox.from_extents(x - 2, y - 2, x + box.width + 2, y + box.height + 2)


def _inside(box: Bbox, frame: Bbox) -> bool:
    return bool(box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1)


def _figure(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    return figure
