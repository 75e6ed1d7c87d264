"""A technique's card, generated from its class: what everybody says about it comes from here."""

from __future__ import annotations

import sys
import textwrap
from typing import Any

from .contracts import HOOKS, NEEDS, Tunable, declarations, hooks_of, needs_of
from .techniques import ASKED_FOR, CATALOGUE, room_of

WIDTH = 80


def catalogue() -> list[dict[str, Any]]:
    """The cards of all techniques, in the order of the catalogue."""
    return [card(technique) for technique in CATALOGUE]


def card(technique: type) -> dict[str, Any]:
    """Strict JSON: name, room, summary, rule, notes, source, strengths, choices, hooks, passes, needs, example."""
    rule, *paragraphs = _paragraphs(technique.__doc__ or "")
    built = technique()
    return {
        "name": technique.__name__,
        "room": room_of(technique),
        "summary": _summary(technique),
        "rule": rule,
        "notes": paragraphs[:-1],
        "source": paragraphs[-1] if paragraphs else "",
        "values": [_value(name, info) for name, info in declarations(technique).items()],
        "hooks": [HOOKS[hook].signature for hook in hooks_of(built)],
        "passes": getattr(technique, "num_passes", 1),
        "needs": [NEEDS[need] for need in needs_of(technique)],
        "offered": technique not in ASKED_FOR,
        "example": f"dampen compare digits --recipe '{_example(technique)}'",
    }


def text_of(record: dict[str, Any]) -> str:
    """The card as text, 80 columns wide."""
    lines = [*_wrapped(f"{record['name']}: {record['summary']}"), "", *_wrapped(record["rule"], "  ")]
    for note in record["notes"]:
        lines += ["", *_wrapped(note)]
    if record["values"]:
        lines += [""]
    for value in record["values"]:
        lines += _wrapped(f"{value['name']} = {value['default']}: {value['meaning']}{_range(value)}", "  ", "      ")
    lines += ["", f"  passes over the batch per step: {record['passes']}"]
    lines += [f"  hooks: {', '.join(signature.split('(')[0] for signature in record['hooks'])}"]
    if record["needs"]:
        lines += _wrapped(f"needs: {'; '.join(record['needs'])}", "  ", "      ")
    lines += ["", *_wrapped(record["source"]), "", f"  {record['example']}"]
    return "\n".join(lines)


def _summary(technique: type) -> str:
    """What the first line of the technique's file says after the colon."""
    first = (sys.modules[technique.__module__].__doc__ or "").strip().splitlines()[0]
    return first.partition(": ")[2].rstrip(".")


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in textwrap.dedent("    " + text).strip().split("\n\n")]


def _value(name: str, info: Any) -> dict[str, Any]:
    if isinstance(info, Tunable):
        return {
            "name": name,
            "default": _plain(info.default),
            "off": _plain(info.off),
            "legal": info.legal,
            "search": [_plain(edge) for edge in info.search],
            "log": info.log,
            "meaning": info.meaning,
        }
    choices = None if info.choices is None else list(info.choices)
    return {"name": name, "default": _plain(info.default), "choices": choices, "meaning": info.meaning}


def _range(value: dict[str, Any]) -> str:
    if "legal" not in value:
        return f" ({', '.join(map(str, value['choices']))})" if value["choices"] else ""
    off = "" if value["off"] is None else f", off at {value['off']}"
    return f" ({value['legal']}{off})"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    return value


def _example(technique: type) -> str:
    for name, info in declarations(technique).items():
        if isinstance(info, Tunable) and info.off is not None:
            return f"{technique.__name__}({name}={info.default:g})"
    return technique.__name__


def _wrapped(text: str, first: str = "", then: str | None = None) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=first if then is None else then)
