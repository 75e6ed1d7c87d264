"""Several passes over the same rows: what each puts out, and what all of them say together."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import DampenError
from ..training.fitted import Fitted
from ..training.problem import Problem
from ..training.run import EVALUATION_NUMBERS


class ClassPrediction(NamedTuple):
    """probabilities (N, C): the mean over T passes. entropy (N,): of these, in nats. mutual_information (N,): how much
    of the entropy is disagreement between the passes, in nats; the rest is doubt that they share. Of labels, each of
    which is there or not whatever the others are, the entropies are summed.

    p <- (1 / T) sum_t softmax(outputs_t);  entropy = H(p);  mutual_information = H(p) - (1 / T) sum_t H(p_t)

    Smith and Gal, Understanding Measures of Uncertainty for Adversarial Example Detection, 2018, section 3,
    arXiv:1803.08533.
    """

    probabilities: Tensor
    entropy: Tensor
    mutual_information: Tensor


class NumberPrediction(NamedTuple):
    """mean, std (N, M), in the target's units: over T passes, the squares divided by T. What the target itself
    scatters is not in it."""

    mean: Tensor
    std: Tensor


Prediction = ClassPrediction | NumberPrediction


def summary(outputs: Tensor, task: str) -> Prediction:
    """What T passes say together, (T, N, C) or (T, N, M). Probabilities are averaged, not outputs."""
    wide = outputs.double()
    if task == "numbers":
        parts: Prediction = NumberPrediction(wide.mean(0), wide.std(0, correction=0))
    else:
        each = wide.sigmoid() if task == "labels" else wide.softmax(-1)
        mean = each.mean(0)
        entropy = _entropies(mean, task)
        shared = _entropies(each, task).mean(0)
        parts = ClassPrediction(mean, entropy, (entropy - shared).clamp(min=0))  # rounding alone is below 0
    return type(parts)(*(part.to(outputs.dtype) for part in parts))


def _entropies(probabilities: Tensor, task: str) -> Tensor:
    entropies = torch.special.entr(probabilities)
    return (entropies + torch.special.entr(1 - probabilities) if task == "labels" else entropies).sum(-1)


@torch.no_grad()
def over_passes(predict: Callable[[Tensor, int], Tensor], inputs: Tensor, num_passes: int, task: str) -> Prediction:
    """predict(rows, number): outputs of the pass with that number. Goes through the rows in chunks, each pass over each
    chunk has a number of its own: 0, 1, ..., num_passes - 1 for the first chunk."""
    size = max(1, EVALUATION_NUMBERS // num_passes // max(1, inputs[0].numel()))
    parts = []
    for chunk, rows in enumerate(inputs.split(size)):
        outputs = [predict(rows, chunk * num_passes + number) for number in range(num_passes)]
        parts.append(summary(torch.stack(outputs), task))
    return type(parts[0])(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


@torch.no_grad()
def outputs_of(fitted: Fitted, rows: Tensor) -> tuple[Tensor, Tensor]:
    """(outputs, targets), in double precision, of these rows of a member's data."""
    problem, model = fitted.problem, fitted.model()
    size = max(1, EVALUATION_NUMBERS // max(1, problem.data.inputs[0].numel()))
    taken = [problem.feed.take(part[None].to(problem.device)) for part in rows.split(size)]
    outputs = torch.cat([model(inputs[0]).double() for inputs, _ in taken])
    return outputs, torch.cat([targets[0].double() for _, targets in taken])


def check_fitted(who: str, fitted: Any) -> Fitted:
    if not isinstance(fitted, Fitted):
        raise DampenError(f"{who} takes what `fit` returned, which knows its data; got {type(fitted).__name__}.")
    return fitted


def as_inputs(problem: Problem, inputs: Any) -> Tensor:
    """Raw rows as the problem's networks take them, or a sentence where they are none."""
    rows = as_rows(inputs)
    if rows.shape[1:] != problem.data.input_shape:
        wanted = ", ".join(["rows", *map(str, problem.data.input_shape)])
        raise DampenError(f"inputs must have shape ({wanted}), as in training; got {tuple(rows.shape)}. Reshape them.")
    return rows.to(problem.device, problem.feed.inputs_dtype)


def as_rows(inputs: Any) -> Tensor:
    try:
        rows = torch.as_tensor(inputs)
    except (TypeError, ValueError, RuntimeError):
        raise DampenError(f"inputs must be an array of numbers; got {type(inputs).__name__}.") from None
    if rows.dim() < 2 or not len(rows):
        raise DampenError(f"inputs must have shape (rows, ...), at least one row; got {tuple(rows.shape)}.")
    return rows


def check_passes(num_passes: Any) -> int:
    """Two at least: a single pass has nothing to be averaged with."""
    if isinstance(num_passes, bool) or not isinstance(num_passes, numbers.Integral) or num_passes < 2:
        raise DampenError(f"num_passes must be a whole number, at least 2; got {num_passes!r}.")
    return int(num_passes)
