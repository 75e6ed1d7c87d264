"""A technique's card, generated from its class: what everybody says about it comes from here."""

from __future__ import annotations

import re
import sys
import textwrap
from typing import Any

from .contracts import Tunable, declarations, switches, tunables
from .presets import alone
from .recipe import Recipe
from .techniques import ASKED_FOR, CATALOGUE, room_of
from .vocabulary import (
    HOOKS,
    KEEPS,
    KINDS,
    MOVES,
    NEEDS,
    ONE_PER_RECIPE,
    SITES,
    THROUGHOUT,
    claims,
    contradict,
    hooks_of,
    needs_of,
)
from .worlds import EXAMPLES, Example, world_for

WIDTH = 80
USE = "Use it"
"""How the paragraph begins that says when to use a technique, and when not."""


def catalogue() -> list[dict[str, Any]]:
    """The cards of all techniques, in the order of the catalogue."""
    return [card(technique) for technique in CATALOGUE]


def card(technique: type) -> dict[str, Any]:
    """Strict JSON: everything there is to say about a technique. example: lines of Python that run; command: the same
    on the command line, "" where that cannot say it."""
    rule, *paragraphs = _paragraphs(technique.__doc__ or "")
    built, recipe = technique(), _trial(technique)
    shown = EXAMPLES[world_for(technique)]
    return {
        "name": technique.__name__,
        "room": room_of(technique) if technique in CATALOGUE else "",
        "summary": summary_of(technique),
        "rule": rule,
        "notes": [part for part in paragraphs[:-1] if not part.startswith(USE)],
        "use": next((part for part in paragraphs if part.startswith(USE)), ""),
        "source": paragraphs[-1] if paragraphs else "",
        "values": [_value(name, info) for name, info in declarations(technique).items()],
        "hooks": [{"signature": HOOKS[hook].signature, "does": HOOKS[hook].meaning} for hook in hooks_of(built)],
        "passes": getattr(built, "num_passes", 1),
        "needs": [NEEDS[need] for need in needs_of(technique)],
        "sites": SITES.get(getattr(built, "sites", None), ""),
        "excludes": _excludes(technique),
        "offered": technique not in ASKED_FOR,
        "example": _example(recipe, shown),
        "command": shown.command and f"{shown.command} --recipe '{' + '.join(_called(recipe))}'",
    }


def text_of(record: dict[str, Any]) -> str:
    """The card as text, 80 columns wide."""
    lines = [*_wrapped(f"{record['name']}: {record['summary']}"), ""]
    for line in record["rule"].splitlines():
        lines += _wrapped(line, "  ", "    ")
    for paragraph in [*record["notes"], record["use"]]:
        lines += ["", *_wrapped(paragraph)] if paragraph else []
    values = {f"{value['name']} = {value['default']}": value for value in record["values"]}
    width = min(max(map(len, values), default=0), 26)
    lines += [""] if values else []
    for name, value in values.items():
        off = "" if value.get("off") is None else f"off at {_short(value['off'])}"
        told = "; ".join(filter(None, [value["meaning"], value["legal"], off]))
        lines += _wrapped(told, f"  {name:<{width}}  ", " " * (width + 4))
    lines += ["", *_row("hooks", "; ".join(f"{h['signature'].split('(')[0]} ({h['does']})" for h in record["hooks"]))]
    lines += _row("passes", f"{record['passes']} over the batch per step")
    lines += _row("needs", "; ".join(record["needs"]))
    lines += _row("works on", record["sites"])
    lines += _row("excludes", "; ".join(record["excludes"]))
    lines += _row("paper", record["source"])
    lines += ["", *(f"  {line}" for line in record["example"])]
    if record["command"]:
        lines += ["", f"  {record['command']}"]
    return "\n".join(lines)


def summary_of(technique: type) -> str:
    """What the first line of the technique's file says after the colon."""
    first, *_ = [*(sys.modules[technique.__module__].__doc__ or "").strip().splitlines(), ""]
    return first.partition(": ")[2].rstrip(".")


def _paragraphs(text: str) -> list[str]:
    """Each on one line, but for the remark that stands after a gap behind a rule."""
    rule, *others = textwrap.dedent("    " + text).strip().split("\n\n")
    parts = [" ".join(part.split()) for part in re.split(r" {4,}(?=\S)", " ".join(rule.splitlines()))]
    return ["\n".join(parts), *(" ".join(part.split()) for part in others)]


def _value(name: str, info: Any) -> dict[str, Any]:
    told = {"name": name, "default": _plain(info.default), "legal": info.legal, "meaning": info.meaning}
    if isinstance(info, Tunable):
        return {**told, "off": _plain(info.off), "search": [_plain(edge) for edge in info.search], "log": info.log}
    return {**told, "choices": None if info.choices is None else list(info.choices)}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    return list(value) if isinstance(value, tuple) else value


def _short(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _excludes(technique: type) -> list[str]:
    """What a recipe refuses beside this technique: it follows from the table of hooks, from which weights it keeps,
    which way it leads a strength, and from its needs."""
    others = [f"other techniques that {what}" for hook, what in ONE_PER_RECIPE.items() if claims(technique, hook)]
    keeps = getattr(technique, "keeps", None)
    others += [f"a technique that {what}" for keep, what in KEEPS.items() if keeps and keep != keeps]
    others += [f"other schedules that {MOVES[way]} the same strength" for way in getattr(technique(), "moves", ())]
    rivals = (*KINDS, *sorted(THROUGHOUT))
    words = [word for word in rivals if any(contradict(need, word) for need in needs_of(technique))]
    return others + ([f"techniques that need {' or '.join(words)}"] if words else [])


# ------------------------------------------------------------------ how to try it


def _trial(technique: type) -> Recipe:
    """A recipe to try: the first switching strength is named, at its default, or where that is off half-way to the
    end of its search."""
    for name, info in tunables(technique).items():
        if info.off is not None:
            value = info.default if info.default != info.off else info.search[1] / 2
            return alone(technique(**{name: value}))
    return alone(technique())


def _example(recipe: Recipe, shown: Example) -> list[str]:
    """Python that compares the recipe with the baseline, on data and with a network of its kind."""
    parts = [f"dampen.{part}" for part in _called(recipe)]
    tried = parts[0] if len(parts) == 1 else f"dampen.Recipe([{', '.join(parts)}])"
    if len(f"recipe = {tried}") > WIDTH - 2:
        tried = "dampen.Recipe([\n    " + ",\n    ".join(parts) + ",\n])"
    lines = f"import dampen\n{shown.data}\n{shown.model}\nrecipe = {tried}\n"
    return [*lines.splitlines(), "print(dampen.compare(model, data, [recipe], seeds=6))"]


def _called(recipe: Recipe) -> list[str]:
    """Each technique as a call that names its first switching strength."""
    calls = []
    for part in recipe.techniques:
        name = next(iter(switches(part)), "")
        calls.append(f"{type(part).__name__}({name and f'{name}={getattr(part, name):g}'})")
    return calls


def _row(name: str, text: str) -> list[str]:
    return _wrapped(text, f"  {name:<9} ", " " * 12) if text else []


def _wrapped(text: str, first: str = "", then: str | None = None) -> list[str]:
    then = first if then is None else then
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=then, break_on_hyphens=False)
