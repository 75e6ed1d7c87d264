"""A multilayer perceptron, initialised for its activation."""

from __future__ import annotations

import dataclasses
import itertools
import math
import numbers
from collections.abc import Iterable
from typing import Any, TypeVar

from torch import Tensor, nn

from ..errors import DampenError
from .tabular import EmbeddedColumns

_Layer = TypeVar("_Layer", nn.Linear, nn.Conv2d)
ACTIVATIONS: dict[str, tuple[type[nn.Module], float]] = {
    "relu": (nn.ReLU, math.sqrt(2.0)),
    "tanh": (nn.Tanh, 1.0),
    "gelu": (nn.GELU, math.sqrt(2.0)),
    "silu": (nn.SiLU, math.sqrt(2.0)),
    "selu": (nn.SELU, 1.0),
    "sigmoid": (nn.Sigmoid, 4.0),
}


@dataclasses.dataclass(frozen=True)
class MLP:
    """Flatten, then layers of `hidden` units with an activation, then one output per class or target.

    A factory: `MLP((128, 128))(facts)` returns a fresh module. Weights are normal with the standard deviation
    gain / sqrt(inputs) (He et al. 2015 for ReLU; LeCun for tanh; for the sigmoid 4, as its slope is 1/4, Glorot and
    Bengio 2010), biases zero: PyTorch's own default collapses deep narrow networks under an L1 penalty. Categorical
    columns of a table are embedded first where its data set says so.
    """

    hidden: tuple[int, ...] = (128, 128)
    activation: str = "relu"

    def __post_init__(self) -> None:
        if isinstance(self.hidden, Iterable) and not isinstance(self.hidden, str):
            object.__setattr__(self, "hidden", tuple(map(whole, self.hidden)))
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise DampenError(f"MLP.activation must be one of {known}; got {self.activation!r}.")
        if not isinstance(self.hidden, tuple) or not all(type(w) is int and w >= 1 for w in self.hidden):
            raise DampenError(f"MLP.hidden must be whole numbers, at least 1; got {self.hidden!r}.")

    def __call__(self, facts: Any) -> nn.Module:
        if facts.num_tokens:
            raise DampenError("MLP needs inputs that are numbers; got texts as token ids. Use Transformer or LSTM.")
        embeds = facts.schema is not None and facts.schema.coding == "embed" and facts.schema.spans
        more = facts.more_by_bins
        spans = [(start + more, stop + more) for start, stop in facts.schema.spans] if embeds else ()
        embedding = EmbeddedColumns(spans) if embeds else None
        width = facts.num_inputs if embedding is None else embedding.out_features
        return Perceptron((width, *self.hidden, facts.num_outputs), self.activation, embedding)


class Perceptron(nn.Module):
    """(N, ...) -> (N, widths[-1])."""

    def __init__(self, widths: tuple[int, ...], activation: str, embedding: nn.Module | None = None) -> None:
        super().__init__()
        self.embedding = embedding
        kind, gain = ACTIVATIONS[activation]
        layers: list[nn.Module] = []
        for fan_in, fan_out in itertools.pairwise(widths[:-1]):
            layers += [initialised(nn.Linear(fan_in, fan_out), gain), kind()]
        self.body = nn.Sequential(*layers)
        self.head = initialised(nn.Linear(widths[-2], widths[-1]), 1.0)

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = inputs.flatten(1)
        return self.head(self.body(inputs if self.embedding is None else self.embedding(inputs)))


def whole(value: Any) -> Any:
    """A plain int of any integer type."""
    return int(value) if isinstance(value, numbers.Integral) and not isinstance(value, bool) else value


def initialised(layer: _Layer, gain: float) -> _Layer:
    """Normal weights with the standard deviation gain / sqrt(inputs of one unit), zero biases."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    nn.init.zeros_(layer.bias)
    return layer
