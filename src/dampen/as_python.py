"""Python that repeats a training: what a person copies into a program of his own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .contracts import declarations
from .models import architecture
from .optimizers import OPTIMIZERS
from .recipe import Recipe
from .settings import Settings
from .techniques import CATALOGUE


def snippet(recipe: Recipe, settings: Settings, source: str, options: Mapping[str, Any] | None = None) -> str:
    """A program that trains one network as the settings say and names it `fitted`.

    source: what `open_data` takes, a built-in name or a path; options: those of `open_data` that were given, such as
    {"target": "outcome"}. A network of one's own has no name that a text could say: its line is for the reader to fill.
    """
    ours = architecture.is_ours(settings.model)
    given = {name: value for name, value in (options or {}).items() if value}
    data = _call("dampen.open_data", {"": source, **given}) if given else repr(source)
    network = f"dampen.{settings.model!r}" if ours else "model"
    lines = [
        "import dampen",
        *_imports(recipe),
        "",
        *([] if ours else ["model = ...  # a function that returns a fresh nn.Module"]),
        f"recipe = {_recipe(recipe)}",
        f"data = {data}",
        f"fitted = dampen.fit(\n    {network},\n    data,\n    recipe,",
        *(f"    {name}={_literal(value)}," for name, value in settings.arguments.items()),
        ")",
        "print(fitted.test)",
    ]
    return "\n".join(lines) + "\n"


def _imports(recipe: Recipe) -> list[str]:
    """Of the recipe's parts; those that are no part of dampen from where they are."""
    homes: dict[str, set[str]] = {"dampen": {"Recipe"}}
    for part in (*recipe.techniques, recipe.optimizer):
        known = type(part) in (*CATALOGUE, *OPTIMIZERS)
        homes.setdefault("dampen" if known else type(part).__module__, set()).add(type(part).__name__)
    return [f"from {home} import {', '.join(sorted(names))}" for home, names in homes.items()]


def _recipe(recipe: Recipe) -> str:
    techniques = "".join(f"\n        {_part(part)}," for part in recipe.techniques)
    listed = f"({techniques}\n    )" if techniques else "()"
    return f"Recipe(\n    {listed},\n    {_part(recipe.optimizer)},\n)"


def _part(part: Any) -> str:
    """With every value, the defaults too: these may change in a later version."""
    return _call(type(part).__name__, {name: getattr(part, name) for name in declarations(part)})


def _call(name: str, values: Mapping[str, Any]) -> str:
    arguments = (f"{argument}={_literal(value)}" if argument else _literal(value) for argument, value in values.items())
    return f"{name}({', '.join(arguments)})"


def _literal(value: Any) -> str:
    """As `repr`, but for what has no name without an import."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(dict(value)) if isinstance(value, Mapping) else repr(value)
