"""A recipe file with [training]: one text that says all of a training but its data.

[optimizer] and [[techniques]] are the recipe, as `Recipe.to_toml` writes it. [training] holds epochs, batch_size,
seed, metric and precision; [training.model] the network by name and arguments, left out for a network of one's own;
[training.plan] how it ran.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import tomli_w

from .errors import DampenError, NoSuchName
from .models import architecture
from .recipe import TRAINING, Recipe, from_dict, read_file, tables_of
from .settings import Settings

FIELDS = tuple(field.name for field in dataclasses.fields(Settings))


def to_toml(recipe: Recipe, settings: Settings) -> str:
    """What a recipe file holds. A network of one's own has no name that a file could say: it is left out."""
    said: dict[str, Any] = dict(settings.arguments)
    if architecture.is_ours(settings.model):
        said["model"] = architecture.to_dict(settings.model)
    tables_last = sorted(said, key=lambda name: isinstance(said[name], dict))
    return tomli_w.dumps({**recipe.to_dict(), TRAINING: {name: said[name] for name in tables_last}})


def from_toml(text: str) -> tuple[Recipe, Settings]:
    """The recipe and the settings that `to_toml` wrote; what [training] does not say has its default."""
    tables = tables_of(text)
    said = tables.pop(TRAINING, {})
    return from_dict(tables), _settings(said)


def load_training(path: str | Path) -> tuple[Recipe, Settings]:
    """The recipe and the settings of a recipe file, a TOML file with or without [training]."""
    return read_file(path, from_toml)


def _settings(said: Any) -> Settings:
    if not isinstance(said, dict):
        raise DampenError(f"training must be a table, [training]; got {said!r}.")
    for name in said:
        if name not in FIELDS:
            raise NoSuchName("value of [training]", name, FIELDS, f"It has {', '.join(FIELDS)}.")
    model = {"model": architecture.from_dict(said["model"])} if "model" in said else {}
    return Settings(**{**said, **model})
