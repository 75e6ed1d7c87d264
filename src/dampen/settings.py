"""The settings of one training, beside its data and its recipe: what `fit` takes, checked at the door."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Mapping
from typing import Any

from .errors import DampenError, NoSuchName

EPOCHS = 40
BATCH_SIZE = 64
PRECISIONS = ("auto", "float32", "bf16")
MOST_THREADS = 1024


@dataclasses.dataclass(frozen=True)
class Settings:
    """model: a factory, such as `MLP((128, 128))`; None leaves the choice to the data. metric: by its name; None
    leaves that to the data, too. plan: how the training ran, `{"channels_last": False, "threads": 1}`, which decides
    its last bits; None lets `fit` measure. outer: which fifth of the rows is the test part, whatever the seed, as in a
    search; None leaves the split to the seed. Everything has the default that it has in `fit`.

    Raises `DampenError` for a value that no training can have.
    """

    model: Any = None
    epochs: int = EPOCHS
    batch_size: int = BATCH_SIZE
    seed: int = 0
    metric: str | None = None
    precision: str = "auto"
    plan: Mapping[str, Any] | None = None
    outer: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        object.__setattr__(self, "seed", check_seed(self.seed))
        if not isinstance(self.metric, str | None):
            raise DampenError(f"metric must be the name of one, such as accuracy; got {self.metric!r}.")
        check_precision(self.precision)
        if self.outer is not None:
            check_outer(self.outer)
        if self.plan is not None:
            object.__setattr__(self, "plan", check_how(self.plan))

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `fit`, without the model; what nobody said is left out."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if name != "model" and value is not None}


def check_count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise DampenError(f"{name} must be a whole number, at least 1; got {value!r}.")
    return int(value)


def check_seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**32:
        raise DampenError(f"A seed must be a whole number from 0 to 2^32 - 1; got {seed!r}.")
    return int(seed)


def check_outer(outer: Any) -> int:
    if isinstance(outer, bool) or not isinstance(outer, numbers.Integral) or outer < 0:
        raise DampenError(f"outer must be a whole number, at least 0; got {outer!r}.")
    return int(outer)


def check_precision(precision: Any) -> None:
    if not isinstance(precision, str) or precision not in PRECISIONS:
        raise DampenError(f"precision must be one of {', '.join(PRECISIONS)}; got {precision!r}.")


def check_how(plan: Any) -> dict[str, Any]:
    """How one network trains, as plain values: {"channels_last": False, "threads": 1}; 0 threads are all there are."""
    known = ("channels_last", "threads")
    if not isinstance(plan, Mapping):
        raise DampenError(f"The plan of a training must be values of {' and '.join(known)}; got {plan!r}.")
    for name in plan:
        if name not in known:
            raise NoSuchName("value of a plan", str(name), known, f"It has {' and '.join(known)}.")
    how = {"channels_last": plan.get("channels_last", False), "threads": plan.get("threads", 0)}
    if not isinstance(how["channels_last"], bool):
        raise DampenError(f"plan.channels_last must be true or false; got {how['channels_last']!r}.")
    if type(how["threads"]) is not int or not 0 <= how["threads"] <= MOST_THREADS:
        raise DampenError(f"plan.threads must be a whole number from 0 to {MOST_THREADS}; got {how['threads']!r}.")
    return how
