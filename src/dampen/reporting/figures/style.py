"""One look for all figures: readable in grey, by colour-blind people and on dark pages; no global state is left."""

from __future__ import annotations

import bisect
import functools
import itertools
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import AutoLocator, MaxNLocator

from ...evidence.verdict import SHARES

P = ParamSpec("P")

WIDTH = 7.0
"""Inches; with 100 dots per inch a picture is 700 pixels wide and its smallest letters are of 9 points."""
SMALL = 9.0
PAPER, INK, GREY, GRID, SHADE = "#fcfcfa", "#1a1a1a", "#595959", "#e4e4e0", "#f1e2dc"
BLUE, VERMILLION, GREEN, ORANGE = "#0072b2", "#d55e00", "#009e73", "#e69f00"
SKY, PURPLE, BLACK, YELLOW = "#56b4e9", "#cc79a7", "#000000", "#f0e442"
OKABE_ITO = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, BLACK, YELLOW)
"""Okabe and Ito, Color Universal Design, 2008: told apart by colour-blind people."""
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
LONGEST = 30
"""Letters of a name that are shown."""
WIDE = 1.6
"""So many usual letters take the room of a wide one."""
CONTRAST = 4.5
"""Of text against what is behind it; WCAG 2.1, success criterion 1.4.3."""

STYLE: dict[str, Any] = {
    "figure.facecolor": PAPER,
    "figure.edgecolor": PAPER,
    "figure.dpi": 100,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "savefig.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": SMALL,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "font.size": SMALL,
    "text.color": INK,
    "text.parse_math": False,
    "text.usetex": False,
    "svg.fonttype": "none",
}


@contextmanager
def styled(**more: Any) -> Iterator[None]:
    """What is drawn inside has the look; a letter that the font lacks is the reader's browser's business."""
    look: Any = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
    look.update(STYLE, **more)
    with warnings.catch_warnings(), matplotlib.rc_context(look):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        yield


def drawn(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Makes a function draw in this style, ticks included, which Matplotlib would make later in somebody else's; and in
    places that stay as they are: laying out anew at every drawing would move everything by a hair."""

    @functools.wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with styled():
            figure = draw(*args, **kwargs)
            settle(figure)
            figure.set_layout_engine("none")
        return figure

    return wrapped


def settle(figure: Figure) -> None:
    """Give everything its place. Ticks must not hang on the length of an axis: by a hair there would be others."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_locator(), AutoLocator):
            axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    figure.draw_without_rendering()


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Inches."""
    return Figure(figsize=(width, height), layout="constrained")


def told(sentence: str) -> Figure:
    """A figure that says why there is nothing to see."""
    figure = new_figure(1.4)
    figure.text(0.5, 0.5, sentence, ha="center", va="center", color=GREY, fontsize=10, wrap=True)
    return figure


# ------------------------------------------------------------------ words


def short(name: Any, longest: int = LONGEST) -> str:
    """A name in one line without what turns or hides letters; of a long one start and end, where names differ."""
    kinds = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    clean = " ".join("".join(" " if unicodedata.category(c) in kinds else c for c in str(name)).split())
    if sum(map(_room, clean)) <= longest:
        return clean
    tail = (longest - 1) // 3
    return _start(clean, longest - 1 - tail) + "…" + _start(clean[::-1], tail)[::-1]


def _start(text: str, room: float) -> str:
    """As much of it as there is room for."""
    return text[: bisect.bisect_right(list(itertools.accumulate(map(_room, text))), room)]


def _room(letter: str) -> float:
    """In usual letters."""
    return WIDE if letter in "MWmw@%&" or unicodedata.east_asian_width(letter) in "WF" else 1.0


def number(value: float) -> str:
    """Three digits, with a true minus."""
    text = f"{value:.3g}"
    return (f"{float(text):,.0f}" if abs(value) >= 1000 and abs(value) < 1e6 else text).replace("-", "\N{MINUS SIGN}")


def percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.9995 else "100 %"


def metric_words(metric: str) -> str:
    return {"r2": "R²", "mse": "mean squared error", "mae": "mean absolute error"}.get(
        metric, short(metric.replace("_", " "))
    )


UNITS = {
    **dict.fromkeys(("log_loss", "label_log_loss"), " [nats]"),
    **{"mse": " [squared units of the target]", "mae": " [units of the target]"},
}


def in_units(metric: str) -> tuple[float, str]:
    """(what to multiply a score with, its unit in brackets): shares are told in percent."""
    if metric in SHARES:
        return 100.0, " [%]"
    return 1.0, UNITS.get(metric, "")


def loss_unit(facts: Mapping[str, Any]) -> str:
    unit = facts.get("loss_unit", "")
    return f" [{unit}]" if unit else ""


# ------------------------------------------------------------------ colours


def luminance(colour: Any) -> float:
    """Relative luminance from 0 to 1; WCAG 2.1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Any, other: Any) -> float:
    """From 1 to 21; WCAG 2.1."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def ink(colour: Any, behind: Any = PAPER) -> str:
    """The colour, darkened as far as letters need."""
    rgb = to_rgb(colour)
    share = 1.0
    while contrast([share * c for c in rgb], behind) < CONTRAST + 0.2 and share > 0:
        share -= 0.02
    return to_hex([max(0.0, share) * c for c in rgb])


def only_marks(axes: Axes) -> None:
    """No ticks, no grid, no frame."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
