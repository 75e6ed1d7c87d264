"""A figure as a text that a page holds."""

from __future__ import annotations

import io
from xml.dom import minidom

from matplotlib.figure import Figure

from .style import styled


def as_svg(figure: Figure, title: str) -> str:
    """One `<svg>` element, the same text for the same figure; letters stay letters. title: what somebody hears who does
    not see it. Figures of one page need titles of their own: ids are made of them."""
    with io.StringIO() as kept, styled(**{"svg.hashsalt": title}):
        figure.savefig(kept, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        document = minidom.parseString(kept.getvalue().encode())
    element = document.documentElement
    assert element is not None
    for part in (*element.getElementsByTagName("g"), *element.getElementsByTagName("image")):
        if part.hasAttribute("id"):  # axes_1, text_3: nothing points to them, and every figure has them
            part.removeAttribute("id")
    element.setAttribute("role", "img")
    element.setAttribute("aria-label", title)
    return element.toxml()
