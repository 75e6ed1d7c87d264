"""What makes a study this one: refused where somebody goes on with other data, another space, another budget."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from ..errors import DampenError
from ..training.problem import Problem
from .budget import Budget
from .space import Space


def identity(problem: Problem, space: Space, *, sampler: str, budget: Budget, seeds: int, seed: int) -> dict[str, Any]:
    """Strict JSON, compared word for word when a study goes on."""
    return {
        "data": problem.data.describe(),
        "fingerprint": problem.data.fingerprint,
        "model": model_words(problem.model),
        "epochs": problem.epochs,
        "batch size": problem.batch_size,
        "metric": problem.metric.name,
        "space": space.to_record(),
        "sampler": sampler,
        "budget": f"{budget.amount:.12g} {budget.kind}",  # exactly, which str() is not
        "seeds": seeds,
        "seed": seed,
        "device": problem.device.type,
        "torch": torch.__version__,
    }


def model_words(model: Any) -> str:
    """A factory in words that are the same in the next process."""
    named = inspect.isroutine(model) or inspect.isclass(model)
    return f"{model.__module__}.{model.__qualname__}" if named else repr(model)


def check_same(study: str, about: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Refuse to go on with a study that was made for something else, by the first thing that differs."""
    known = about.get("identity")
    if known is None:
        raise DampenError(f"The study {study!r} must be one of `dampen search`; it is another program's.")
    if known["fingerprint"] != own["fingerprint"]:
        raise DampenError(
            f"The study {study!r} must go on with its own data ({known['data']}); got other rows ({own['data']}). "
            "Give it these, or begin a new study."
        )
    for key, value in own.items():
        if known.get(key) != value:
            what = "" if key == "space" else f" ({known.get(key)}, not {value})"
            raise DampenError(f"The study {study!r} must go on as it began; its {key} is another{what}. Begin anew.")


def new_name(taken: list[str]) -> str:
    """study-1, study-2, ...: the next that is free."""
    numbers = [int(name[6:]) for name in taken if name.startswith("study-") and name[6:].isdigit()]
    return f"study-{max(numbers, default=0) + 1}"
