"""The fixed first layer: missing numbers filled, unknown categories silenced, numbers on one scale or in bins.

Its numbers are buffers of the root module, fitted on the training part; its steps are forward pre-hooks that use
them. What data do not need is not there: images and plain arrays are standardised and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor, nn

from ..contracts import UNKNOWN
from ..data.facts import Facts

BOUND = 5.199337582605575
"""Normal scores end here: at the quantile 1e-7, as in scikit-learn."""


FIXED = (
    *("inputs_fill", "inputs_known", "inputs_mean", "inputs_std", "inputs_quantiles", "inputs_quartiles"),
    "inputs_bins",
    *("targets_mean", "targets_std"),
)
"""Buffers of the fixed first and last step."""
QUANTILES_OF = {"quantile": "inputs_quantiles", "robust": "inputs_quartiles", "bins": "inputs_bins"}
"""The buffer that a scale of tables has instead of mean and deviation."""
REACH = 3.0
"""On the robust scale no number is further than this from the median."""


def scaling_of(facts: Facts) -> dict[str, Tensor]:
    """Buffers of the fixed first layer for these facts, by name."""
    if facts.num_tokens:
        return {"inputs_known": facts.known}  # type: ignore[dict-item]
    buffers = {"inputs_mean": facts.mean, "inputs_std": facts.std}
    if facts.quantiles is not None and facts.schema is not None:
        buffers = {QUANTILES_OF[facts.schema.scale]: facts.quantiles}
    if facts.known is not None:
        buffers["inputs_known"] = facts.known
    if facts.fill is not None:
        buffers["inputs_fill"] = facts.fill
    return buffers


def steps_of(buffers: Collection[str]) -> tuple[Any, ...]:
    """The hooks that use these buffers, in order."""
    if not {"inputs_mean", *QUANTILES_OF.values()} & {*buffers}:
        return (forget_unknown,) if "inputs_known" in buffers else ()
    steps = {
        "inputs_fill": fill_missing,
        "inputs_known": silence_unknown,
        "inputs_mean": standardise,
        "inputs_quantiles": map_quantiles,
        "inputs_quartiles": draw_in,
        "inputs_bins": cut,
    }
    return tuple(step for name, step in steps.items() if name in buffers)


def fill_missing(model: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (torch.where(args[0].isnan(), model.inputs_fill, args[0]), *args[1:])


def silence_unknown(model: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the training part has no row of says nothing: no weight has learned from it."""
    return (args[0] * model.inputs_known, *args[1:])


def forget_unknown(model: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Tokens that the training part does not know become the unknown one."""
    known: Tensor = model.inputs_known  # type: ignore[assignment]
    return (torch.where(known[args[0]] > 0, args[0], UNKNOWN), *args[1:])


def standardise(model: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return ((args[0] - model.inputs_mean) / model.inputs_std, *args[1:])


def map_quantiles(model: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (_of_numbers(normal_scores, args[0], model.inputs_quantiles), *args[1:])  # type: ignore[arg-type]


def draw_in(model: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (_of_numbers(robust_scores, args[0], model.inputs_quartiles), *args[1:])  # type: ignore[arg-type]


def cut(model: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (_of_numbers(shares_of_bins, args[0], model.inputs_bins), *args[1:])  # type: ignore[arg-type]


def _of_numbers(scores: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, quantiles: Tensor) -> Tensor:
    """Columns of numbers come first and have quantiles; the others stay 0 and 1."""
    count = quantiles.shape[-2]
    return torch.cat([scores(inputs[..., :count], quantiles), inputs[..., count:]], -1)


def normal_scores(numbers: Tensor, quantiles: Tensor) -> Tensor:
    """numbers (N, n), quantiles (n, Q) -> (N, n): the share of the training part below each number, linear between
    two quantiles, turned into the normal number with that share below it.

    As scikit-learn's QuantileTransformer(output_distribution="normal"), save for one thing: a value that several
    quantiles share stands in their middle at the lowest and highest value too, so that a column that is mostly zero
    does not become mostly -5.2.
    """
    count = quantiles.shape[-1]
    columns = numbers.transpose(-1, -2).contiguous()
    below = torch.searchsorted(quantiles, columns)
    upto = torch.searchsorted(quantiles, columns, right=True)
    low = quantiles.gather(-1, (below - 1).clamp(0, count - 1))
    high = quantiles.gather(-1, below.clamp(0, count - 1))
    between = below - 1 + (columns - low) / torch.where(high > low, high - low, 1.0)
    place = torch.where(upto > below, (below + upto - 1) / 2, between).clamp(0, count - 1)
    scores = torch.special.ndtri(place.to(numbers.dtype) / (count - 1))
    return scores.clamp(-BOUND, BOUND).transpose(-1, -2)


def robust_scores(numbers: Tensor, quartiles: Tensor) -> Tensor:
    """numbers (N, n), quartiles (n, 5) from lowest to highest -> (N, n): z = (x - median) / (width of the middle half),
    then z / sqrt(1 + (z / 3)^2), which leaves small z as they are and no z beyond 3 (Holzmueller et al. 2024, RealMLP).

    Where the middle half is one value, half of the whole range takes its place; a column that never varies is 0.
    """
    low, lower, median, upper, high = quartiles.unbind(-1)
    width = torch.where(upper > lower, upper - lower, (high - low) / 2)
    z = torch.where(width > 0, (numbers - median) / torch.where(width > 0, width, 1.0), 0.0)
    return z / (1 + (z / REACH).square()).sqrt()


def shares_of_bins(numbers: Tensor, edges: Tensor) -> Tensor:
    """numbers (N, n), edges (n, B + 1) from lowest to highest -> (N, n B): the share of each bin that lies below the
    number. Bins below the number's own are 1, bins above it 0, as are those without width; numbers beyond the edges
    count as the edge. Piecewise linear encoding: Gorishniy et al., On Embeddings for Numerical Features in Tabular
    Deep Learning, 2022, section 3.1.
    """
    low, high = edges[..., :-1], edges[..., 1:]
    shares = ((numbers[..., None] - low) / torch.where(high > low, high - low, 1.0)).clamp(0, 1)
    return torch.where(high > low, shares, 0.0).flatten(-2)
