"""Making any network ours: inputs on one scale, outputs in the target's units, its own dropout as an edit.

The additions are buffers of the root module with hooks that use them: no child is added, because a container such
as `nn.Sequential` runs its children. The user's own keys and paths stay as they are, and the module that is handed
over takes raw rows.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..data.facts import Facts
from ..errors import DampenError
from ..randomness import seed_torch
from ..tensors import is_allocation_failure
from .scaling import scaling_of, steps_of


def build(factory: Callable[..., nn.Module], facts: Facts, seed: int, dtype: torch.dtype) -> nn.Module:
    """A network with initial weights decided by the seed; torch's global generator is left alone. A copy, because
    factories may share parts (a pretrained body) that nobody wants to see changed."""
    return copy.deepcopy(_made(factory, facts, seed)).to(dtype)


def _made(factory: Callable[..., nn.Module], facts: Facts, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        seed_torch(seed)
        try:
            model = factory(facts) if takes_facts(factory) else factory()
        except (RuntimeError, MemoryError) as error:
            if not is_allocation_failure(error):
                raise
            raise DampenError("The model must fit in memory; it does not. Take a smaller one.") from error
    if not isinstance(model, nn.Module):
        raise DampenError(f"model must return an nn.Module; got {type(model).__name__}.")
    return model


def check_fresh(factory: Callable[..., nn.Module], facts: Facts) -> None:
    """Refuse a factory that hands out the same network twice: every seed has its own initial weights."""
    if _made(factory, facts, 0) is _made(factory, facts, 1):
        raise DampenError("model must return a fresh nn.Module at every call; it returned the same one again.")


def check_factory(factory: Any) -> None:
    if isinstance(factory, nn.Module) or not callable(factory):
        raise DampenError(
            "model must be a function that returns a fresh nn.Module, so that every seed has its own initial "
            f"weights; got {type(factory).__name__}. Pass e.g. `lambda: Net()`."
        )


def takes_facts(factory: Callable[..., nn.Module]) -> bool:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def adopt(model: nn.Module, facts: Facts) -> dict[str, float]:
    """Make the first and last step fixed, in place, and let `nn.Dropout` rest; return the rates of the network's own
    dropout by path, for edits in its place. Modules that the user put in evaluation mode stay there.

    inputs <- (inputs - mean) / std, for tables more (scaling.py); for numbers as targets
    outputs <- outputs * std + mean.
    """
    if not model.training:
        model.train()
    buffers = scaling_of(facts)
    if facts.task == "numbers":
        buffers |= {"targets_mean": facts.target_mean, "targets_std": facts.target_std}
    wear(model, buffers)
    rates = {path: m.p for path, m in model.named_modules() if type(m) is nn.Dropout}
    for path in rates:
        model.get_submodule(path).eval()
    return rates


def wear(model: nn.Module, buffers: Mapping[str, Tensor]) -> None:
    """Give the network the fixed first and last step that these buffers are of."""
    for name, tensor in buffers.items():
        if hasattr(model, name):
            raise DampenError(f"The model's own {name!r} stands where the fixed first or last step goes; rename it.")
        device = next((parameter.device for parameter in model.parameters()), tensor.device)
        model.register_buffer(name, tensor.to(device, copy=True))
    for step in steps_of(buffers):
        model.register_forward_pre_hook(step)
    if "targets_mean" in buffers:
        model.register_forward_hook(_rescale)


def _rescale(model: nn.Module, args: tuple[Any, ...], outputs: Tensor) -> Tensor:
    return outputs * model.targets_std + model.targets_mean
