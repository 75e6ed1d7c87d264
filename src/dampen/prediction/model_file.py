"""A trained network in one safetensors file: weights, architecture by name, and all that using it takes.

The weights stand as `save_weights` writes them, so that `load_weights` reads them, too. The header holds three texts
more: the version of this form, the recipe as a recipe file has it, with the network in [training.model], and the rest
as JSON. Loading unpickles nothing and runs nothing from the file: the network is put together by name, without memory
for its numbers (torch's meta device), compared with the file, and filled.
"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from .. import __version__
from ..data.signature import Signature
from ..errors import DampenError, first_line
from ..models import architecture
from ..models.ensemble import Ensemble
from ..recipe import Recipe
from ..recipe_file import from_toml, to_toml
from ..records import plain_number, read_number
from ..settings import Settings
from ..training.fitted import Fitted
from ..training.saving import Stored, difference, opened, write
from .outline import outline
from .passes import check_fitted
from .trained import TrainedModel

VERSION = "1"
KIND, RECIPE, ABOUT = "dampen model", "recipe", "about"
LONGEST_RECIPE = 2**16
"""Characters; the whole catalogue at once takes a fifth of it."""
PARTS = ("validation", "test")


def save_model(fitted: Fitted, path: str | Path, *, temperature: float | None = None) -> None:
    """Write what `fit` returned to one file that `load_model` and `dampen predict` use without the data.

    temperature: what outputs are divided by before the softmax (`dampen.temperature`). Raises `DampenError` for a
    network of one's own, which no name tells: `save_weights` and `export_model` take these.
    """
    fitted = check_fitted("save_model", fitted)
    recipe, settings = fitted.member.recipe, fitted.settings
    _check_told(recipe, settings)
    about = {
        "dampen": __version__,
        "signature": Signature.of(fitted.problem.data).to_record(),
        "scores": {part: _plain(getattr(fitted, part)) for part in PARTS},
        "temperature": _checked(temperature, fitted.problem.data.task),
        "num_members": len(fitted.also),
    }
    texts = {KIND: VERSION, RECIPE: to_toml(recipe, settings), ABOUT: json.dumps(about, allow_nan=False)}
    write(path, fitted.model(), texts)


def load_model(path: str | Path) -> TrainedModel:
    """The network that `save_model` wrote, ready to predict. Raises `DampenError`, before any tensor is read, for a
    file that is cut short, is another's, or whose parts do not fit together."""
    stored = opened(path, "save_model")
    if KIND not in stored.metadata:
        raise DampenError(
            f"The file {str(path)!r} must be one of `save_model`; it holds weights alone. Use `load_weights`."
        )
    if stored.metadata[KIND] != VERSION:
        raise DampenError(
            f"The file {str(path)!r} must be of version {VERSION}; it is of another, {stored.metadata[KIND][:20]!r}. "
            "Take the dampen that wrote it."
        )
    try:
        return _model(stored)
    except DampenError as error:
        raise DampenError(f"In the model file {str(path)!r}: {error}") from None


def _model(stored: Stored) -> TrainedModel:
    recipe, settings = _recipe(stored.metadata.get(RECIPE, ""))
    about = _about(stored.metadata.get(ABOUT, ""))
    signature = Signature.from_record(about["signature"])
    model = _network(stored, recipe, settings, signature, about["num_members"])
    tensors = stored.tensors()
    model.to_empty(device="cpu")
    for name, tensor in model.state_dict().items():
        tensor.copy_(tensors[name])
    return TrainedModel(
        module=model.eval().requires_grad_(False),
        signature=signature,
        recipe=recipe,
        settings=settings,
        scores={part: _read(about["scores"][part]) for part in PARTS},
        temperature=_checked(about["temperature"], signature.task),
    )


def _network(stored: Stored, recipe: Recipe, settings: Settings, signature: Signature, num_members: int) -> nn.Module:
    """The network as shapes alone, compared with the file, one after the other where several predict together."""
    if not num_members:
        return _same(outline(recipe, settings, signature, stored.outlines), stored, "")
    if num_members > len(stored.outlines):
        raise DampenError(f"It must hold {num_members:,} networks; it holds {len(stored.outlines):,} tensors.")
    members = []
    for number in range(num_members):
        prefix = f"members.{number}."
        own = {n.removeprefix(prefix): t for n, t in stored.outlines.items() if n.startswith(prefix)}
        members.append(_same(outline(recipe, settings, signature, own), stored, prefix))
    return _same(Ensemble(members, signature.task), stored, "")


def _same(model: nn.Module, stored: Stored, prefix: str) -> nn.Module:
    own = {prefix + name: tensor for name, tensor in model.state_dict().items()}
    if told := difference(own, {n: t for n, t in stored.outlines.items() if n.startswith(prefix)}):
        raise DampenError(f"Its tensors must be those of its network, but {told}. Save it anew.")
    return model


# ------------------------------------------------------------------ what goes into the header


def _check_told(recipe: Recipe, settings: Settings) -> None:
    """Refuse what a file could not bring back by name."""
    if not architecture.is_ours(settings.model):
        own = getattr(settings.model, "__name__", type(settings.model).__name__)
        raise DampenError(
            f"save_model must get a network that it knows by name ({', '.join(architecture.NETWORKS)}); got one of "
            f"your own, {own}. Use save_weights, and build it yourself before load_weights; or use export_model."
        )
    try:
        same = from_toml(to_toml(recipe, settings)) == (recipe, settings)
    except DampenError as error:
        raise DampenError(f"save_model must get a recipe that a file can hold; {error}") from None
    if not same:
        raise DampenError("save_model must get a recipe that a file can hold; this one comes back as another.")


def _checked(temperature: Any, task: str) -> float | None:
    if temperature is None:
        return None
    number = isinstance(temperature, numbers.Real) and not isinstance(temperature, bool)
    if not number or not 0 < float(temperature) < math.inf:
        raise DampenError(f"A temperature must be a finite number above 0; got {temperature!r}.")
    if task != "classes":
        raise DampenError(f"A temperature needs classes as targets; this network predicts {task}. Leave it out.")
    return float(temperature)


def _plain(scores: Mapping[str, float]) -> dict[str, Any]:
    return {name: plain_number(float(value)) for name, value in scores.items()}


# ------------------------------------------------------------------ what comes out of it


def _recipe(text: str) -> tuple[Recipe, Settings]:
    if len(text) > LONGEST_RECIPE:
        raise DampenError(f"Its recipe must have at most {LONGEST_RECIPE:,} characters; got {len(text):,}.")
    recipe, settings = from_toml(text)
    if settings.model is None:
        raise DampenError("Its recipe must name the network in [training.model]; it does not.")
    return recipe, settings


def _about(text: str) -> dict[str, Any]:
    """The JSON of the header; of each entry at least the type."""
    try:
        about = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DampenError(f"Its description must be JSON; {first_line(error)}.") from None
    kinds: dict[str, Any] = {"signature": dict, "scores": dict, "temperature": float | None, "num_members": int}
    for name, kind in kinds.items():
        if not isinstance(about, dict) or name not in about or not isinstance(about[name], kind):
            raise DampenError(f"Its description must have the entry {name!r}, as save_model writes it; it has none.")
    scores = about["scores"]
    if not all(isinstance(scores.get(part), dict) for part in PARTS):
        raise DampenError(f"Its scores must be of {' and '.join(PARTS)}; they are not.")
    if not all(isinstance(v, int | float | None) or v in ("inf", "-inf") for p in PARTS for v in scores[p].values()):
        raise DampenError("Its scores must be numbers; they are not.")
    if isinstance(about["num_members"], bool) or about["num_members"] < 0:
        raise DampenError(f"Its number of networks must be a whole number; got {about['num_members']!r}.")
    return about


def _read(scores: Mapping[str, Any]) -> dict[str, float]:
    return {name: read_number(value) for name, value in scores.items()}
