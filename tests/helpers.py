"""What many tests need: comparison with an oracle, numbers to compare on, and the `at` that hooks receive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dampen.contracts import At, Batch, Clock, tunables, with_values


def agrees(actual: Any, expected: Any, **tolerances: float) -> None:
    """`actual` equals the oracle's `expected` (tensors, arrays, numbers, or dicts and sequences of them) in
    float64: a result that lost precision on its way fails."""
    limits = {"rtol": 1e-12, "atol": 1e-12, **tolerances}
    torch.testing.assert_close(_as_tensors(actual), _as_tensors(expected), **limits)


def rejects(actual: Any, nudged: Any, at_least: float = 1e-4) -> None:
    """The oracle with a nudged strength is somewhere else, relative to its largest number; otherwise `agrees`
    would prove nothing."""
    assert _distance(_as_tensors(actual), _as_tensors(nudged)) > at_least


def _as_tensors(thing: Any) -> Any:
    if isinstance(thing, Mapping):
        return {name: _as_tensors(part) for name, part in thing.items()}
    if isinstance(thing, list | tuple):
        return [_as_tensors(part) for part in thing]
    return thing.detach() if isinstance(thing, Tensor) else torch.from_numpy(np.array(thing))


def _distance(actual: Any, expected: Any) -> float:
    if isinstance(actual, Mapping):
        assert actual.keys() == expected.keys()
        return max(_distance(actual[name], expected[name]) for name in actual)
    if isinstance(actual, list):
        return max(_distance(*pair) for pair in zip(actual, expected, strict=True))
    assert actual.shape == expected.shape
    return float((actual - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal float64 numbers."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def one_hot(num_rows: int, num_classes: int, seed: int = 0) -> Tensor:
    classes = np.random.default_rng(seed).integers(num_classes, size=num_rows)
    return torch.from_numpy(np.eye(num_classes)[classes])


def a_batch(*input_shape: int, num_classes: int = 3, seed: int = 0) -> Batch:
    """Inputs of the given shape (N, ...), one-hot targets, unequal example weights, all float64."""
    num_rows = input_shape[0]
    weights = 0.5 + torch.from_numpy(np.random.default_rng(seed + 1).random(num_rows))
    return Batch(numbers(*input_shape, seed=seed), one_hot(num_rows, num_classes, seed), weights)


def an_at(step: int = 0, steps: int = 10, epoch: int = 0, epochs: int = 5, **fields: Any) -> At:
    fields = {"facts": None, "layout": None, **fields}
    return At(clock=Clock(step, steps, epoch, epochs), **fields)


def lifted(technique: Any) -> Any:
    """The technique as the engine holds it: strengths are float64 tensors."""
    values = {name: getattr(technique, name) for name in tunables(technique)}
    return with_values(technique, {name: torch.tensor(v, dtype=torch.float64) for name, v in values.items()})


def arrays(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The same tensors for the oracle."""
    return {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}
