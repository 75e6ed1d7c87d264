"""Our networks by name and arguments: what a recipe file and a model file say of them."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..errors import DampenError, NoSuchName
from .cnn import CNN
from .lstm import LSTM
from .mlp import MLP
from .residual import ResidualCNN
from .transformer import Transformer

NETWORKS: dict[str, Any] = {network.__name__: network for network in (MLP, CNN, ResidualCNN, Transformer, LSTM)}

KINDS = {int: "a whole number", str: "a word", tuple: "a list of whole numbers"}


def is_ours(factory: Any) -> bool:
    """Whether name and arguments tell all of it."""
    return type(factory) in NETWORKS.values()


def to_dict(factory: Any) -> dict[str, Any]:
    """Plain values: {"name": "MLP", "hidden": [128, 128], "activation": "relu"}."""
    values = dataclasses.asdict(factory)
    return {"name": type(factory).__name__, **{k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}}


def from_dict(values: Any) -> Any:
    """The factory that `to_dict` wrote; what is left out has its default. Raises `DampenError` for a name or an
    argument that there is not, and for values that the factory refuses."""
    if not isinstance(values, dict) or not isinstance(values.get("name"), str):
        raise DampenError(f"A network must have a name, such as name = 'MLP'; got {values!r}.")
    name = values["name"]
    if name not in NETWORKS:
        raise NoSuchName("network", name, NETWORKS, f"There are {', '.join(NETWORKS)}.")
    known = {field.name: type(field.default) for field in dataclasses.fields(NETWORKS[name])}
    arguments = {argument: value for argument, value in values.items() if argument != "name"}
    for argument, value in arguments.items():
        if argument not in known:
            raise NoSuchName(f"argument of {name}", argument, known, f"{name} has {', '.join(known)}.")
        kind = known[argument]
        parts = value if kind is tuple and isinstance(value, list) else [value]
        if not all(type(part) is (str if kind is str else int) for part in parts):
            raise DampenError(f"{name}.{argument} must be {KINDS[kind]}; got {value!r}.")
    return NETWORKS[name](**arguments)
