"""A report as a page that stands alone: one file, no network, no script needed to read it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..errors import DampenError
from ..study.answers import Answer
from ..writing import whole
from .facts import report_facts
from .pictures import drawn

FORMATS = {"html": "report.html", "md": "report.md"}
IN_MARKDOWN = re.compile(r"([\\`*_\[\]|~$])")
AT_THE_START = re.compile(r"^([#+=>-]|\d+(?=[.)]\s))")
"""What means something in Markdown, tables and formulas included: anywhere, and where a paragraph begins."""
FENCE = re.compile("`{3,}")


def report(answer: Answer, path: str | Path, format: str | None = None, *, notes: str = "", title: str = "") -> None:
    """Write the page of a comparison or a search: first for everybody, then in detail.

    answer: what `compare` or `search` returned. format: "html", or "md", which has no pictures but says what they show;
    left out, the ending of `path` decides. notes: the writer's own, shown as they are; title: of the page.
    Raises `DampenError` for another format or another kind of answer, and `OSError` where the file cannot be written:
    then what was there stays as it is.
    """
    chosen = format_of(path, format)
    text = render(report_facts(answer, notes, title), chosen)
    with whole(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")


def format_of(path: str | Path, format: str | None = None) -> str:
    """ "html" or "md"."""
    if format is None:
        return "md" if Path(path).suffix.lower() in (".md", ".markdown") else "html"
    if format not in FORMATS:
        raise DampenError(f"format must be {' or '.join(FORMATS)}; got {format!r}.")
    return format


def render(facts: Mapping[str, Any], format: str = "html") -> str:
    """The page of `report_facts`."""
    environment = Environment(
        loader=PackageLoader("dampen.reporting"),
        autoescape=format == "html",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"md": markdown, "fence": fence, "picture": lambda one: picture(one, facts["drawn"])}
    template = environment.get_template(FORMATS[format])
    return template.render(facts=facts, embedded=Markup(embedded(facts)))  # escaped by `embedded`


def embedded(facts: Mapping[str, Any]) -> str:
    """JSON that no HTML parser takes for anything else."""
    text = json.dumps(facts, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def picture(chosen: Mapping[str, str], facts: Mapping[str, Any]) -> str:
    """An address that holds the picture itself. In an `<img>` no script and no style of it reaches the page."""
    svg = drawn(chosen, facts)
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def markdown(text: str) -> str:
    """Text that is nothing but text in Markdown, in tables too."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = IN_MARKDOWN.sub(r"\\\1", plain)
    if found := AT_THE_START.match(escaped):
        return f"{found[0]}\\{escaped[found.end() :]}" if found[0].isdigit() else f"\\{escaped}"
    return escaped


def fence(text: str) -> str:
    """Of backticks, longer than any in the text."""
    return "`" * (1 + max([2, *(len(found) for found in FENCE.findall(text))]))
