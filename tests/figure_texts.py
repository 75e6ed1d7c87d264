"""What of a figure a reader reads, and where it stands."""

from __future__ import annotations

import itertools

from matplotlib.text import Text
from matplotlib.transforms import Bbox


def texts(figure):
    """Every text that is drawn and says something."""
    figure.draw_without_rendering()
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    found += [getattr(figure, name) for name in ("_suptitle", "_supxlabel", "_supylabel")]
    for axes in figure.axes:
        if not axes.get_visible():
            continue
        found += [*axes.texts, axes.title, axes._left_title, axes._right_title]
        if axes.get_legend():
            found += axes.get_legend().get_texts()
        for axis in (axes.xaxis, axes.yaxis):
            found += [axis.label, axis.offsetText]
            found += [label for tick in axis._update_ticks() for label in (tick.label1, tick.label2)]
    return [text for text in dict.fromkeys(found) if text and text.get_visible() and text.get_text().strip()]


def words(figure):
    return [text.get_text() for text in texts(figure)]


def box(text):
    """Of the letters alone, without an arrow: a pixel may touch."""
    extent = Text.get_window_extent(text)
    return Bbox.from_extents(extent.x0 + 1, extent.y0 + 1, extent.x1 - 1, extent.y1 - 1)


def overlapping(figure):
    """Pairs of texts that cover each other."""
    boxes = [(text.get_text(), box(text)) for text in texts(figure)]
    return [(a, b) for (a, one), (b, other) in itertools.combinations(boxes, 2) if one.overlaps(other)]


def cut_off(figure):
    """Texts that are not wholly inside the picture."""
    width, height = figure.bbox.size
    return [
        text.get_text()
        for text in texts(figure)
        if (b := box(text)).x0 < 0 or b.y0 < 0 or b.x1 > width or b.y1 > height
    ]
