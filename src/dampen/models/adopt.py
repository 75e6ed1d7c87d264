"""Making any network ours: standardised inputs, outputs in the target's units, its own dropout as an edit.

The additions are children of the root module with hooks on it, so the user's own keys and paths stay as they are;
the module that is handed over takes raw rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..data.facts import Facts
from ..errors import DampenError


class Standardise(nn.Module):
    """(x - mean) / std with fixed statistics of the training part."""

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.clone())
        self.register_buffer("std", std.clone())

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs - self.mean) / self.std


class Rescale(nn.Module):
    """z * std + mean: outputs in the units of the target."""

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.clone())
        self.register_buffer("std", std.clone())

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs * self.std + self.mean


def build(factory: Callable[..., nn.Module], facts: Facts, seed: int, dtype: torch.dtype) -> nn.Module:
    """A fresh network with initial weights decided by the seed; torch's global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = factory(facts) if _takes_facts(factory) else factory()
    if not isinstance(model, nn.Module):
        raise DampenError(f"model must return an nn.Module; got {type(model).__name__}.")
    return model.to(dtype)


def check_factory(factory: Any) -> None:
    if isinstance(factory, nn.Module) or not callable(factory):
        raise DampenError(
            "model must be a function that returns a fresh nn.Module, so that every seed has its own initial "
            f"weights; got {type(factory).__name__}. Pass e.g. `lambda: Net()`."
        )


def _takes_facts(factory: Callable[..., nn.Module]) -> bool:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def adopt(model: nn.Module, facts: Facts) -> dict[str, float]:
    """Attach the fixed first and last layers in place and swap `nn.Dropout` for identities; return the rates of
    the network's own dropout by path."""
    if model.training is False:
        model.train()
    model.add_module("standardise", Standardise(facts.mean, facts.std))
    model.register_forward_pre_hook(_first)
    if facts.task == "numbers":
        model.add_module("rescale", Rescale(facts.target_mean, facts.target_std))
        model.register_forward_hook(_last)
    rates = {path: m.p for path, m in model.named_modules() if type(m) is nn.Dropout}
    for path in rates:
        model.set_submodule(path, nn.Identity())
    return rates


def _first(model: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (model.standardise(args[0]), *args[1:])


def _last(model: nn.Module, args: tuple[Any, ...], outputs: Tensor) -> Tensor:
    return model.rescale(outputs)
