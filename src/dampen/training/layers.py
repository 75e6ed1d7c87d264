"""What the weights and units of each layer tell, of all members at once: norms, steps, exact zeros, dead units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..contracts import Tensors
from ..history import DIGITS
from ..models.layout import Layout

NUM_BINS = 64
MOST_LAYERS = 24
"""Of so many layers is told at most."""
SMALLEST = 1e-30
"""Norms are at least this where something is divided by them."""
RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.Threshold)
"""Activation modules that put out exact zeros: behind these alone can a unit be seen to be dead."""


def chosen_layers(layout: Layout) -> tuple[str, ...]:
    """Names of the weights of layers, tables of embeddings included; of deep networks some, spread over the depth."""
    names = [name for name, role in layout.tensors.items() if role.kind in ("weight", "embedding")]
    if len(names) <= MOST_LAYERS:
        return tuple(names)
    return tuple(names[round(i * (len(names) - 1) / (MOST_LAYERS - 1))] for i in range(MOST_LAYERS))


def layer_measures(served: Tensors, trained: Tensors, before: Tensors) -> dict[str, Tensors]:
    """Per tensor (K, ...), each (K,): l1, l2 and zeros_fraction of what serves; update_ratio, the length of the last
    step, from `before` to `trained`, over that of the weights."""
    measures = {}
    for name, tensor in served.items():
        rows = tensor.flatten(1)
        measures[name] = {
            "l1": rows.norm(p=1, dim=1),
            "l2": rows.norm(dim=1),
            "update_ratio": ratio(trained[name].flatten(1), before[name].flatten(1)),
            "zeros_fraction": (rows == 0).float().mean(1),
        }
    return measures


def ratio(now: Tensor, before: Tensor) -> Tensor:
    """Length of the step between rows (K, D) over the length of the rows: (K,)."""
    return (now - before).norm(dim=1) / now.norm(dim=1).clamp(min=SMALLEST)


def zeros_fraction(measures: Mapping[str, Tensors], weights: Tensors) -> Tensor:
    """Share of exact zeros among all these weights (K, ...), from their measures: (K,)."""
    counts = [measures[name]["zeros_fraction"] * tensor[0].numel() for name, tensor in weights.items()]
    return torch.stack(counts).sum(0) / sum(tensor[0].numel() for tensor in weights.values())


def remember(members: Sequence[dict[str, dict[str, list[float]]]], measures: Mapping[str, Tensors]) -> None:
    """Put each member's numbers at the ends of its history's columns."""
    for name, found in measures.items():
        for column, values in found.items():
            for layers, value in zip(members, values.tolist(), strict=True):
                layers.setdefault(name, {}).setdefault(column, []).append(_rounded(value))


def histograms(weights: Tensors) -> list[dict[str, dict[str, Any]]]:
    """For each of K members and each of its weights (K, ...): how many lie in each of 64 equal bins from the smallest
    to the largest. Nothing of weights that are not finite."""
    members: list[dict[str, dict[str, Any]]] = [{} for _ in next(iter(weights.values()), ())]
    for name, tensor in weights.items():
        rows = tensor.detach().flatten(1).float()
        ends = zip(*(end.tolist() for end in rows.aminmax(dim=1)), strict=True)
        # One by one: together they would take seven times the memory of the weights.
        for member, row, (low, high) in zip(members, rows, ends, strict=True):
            if math.isfinite(high - low):
                counts = torch.histc(row, NUM_BINS, low, high).int().tolist()
                member[name] = {"low": _rounded(low), "high": _rounded(high), "counts": counts}
    return members


def _rounded(value: float) -> float:
    """To as many digits as a history keeps."""
    return float(f"{value:.{DIGITS}g}")


# ------------------------------------------------------------------ units


def watched_sites(layout: Layout, model: nn.Module) -> tuple[str, ...]:
    """The activation modules behind which a unit can be seen to be dead."""
    return tuple(path for path in layout.sites["activations"] if _is_rectifier(path, model))


def _is_rectifier(path: str, model: nn.Module) -> bool:
    return path in dict(model.named_modules()) and isinstance(model.get_submodule(path), RECTIFIERS)


class AliveUnits:
    """Edits that watch which units put out anything but 0, for one forward pass: `edits` go into it, `alive` comes out:
    per call of a site, (units,), True where some row's output was not 0. The units are the second axis; of sites in
    time the last one."""

    def __init__(self, sites: Iterable[str], time_axes: Mapping[str, int]) -> None:
        self.alive: Tensors = {}
        self._time_axes = time_axes
        self.edits = {path: [self._watch] for path in sites}

    def _watch(self, output: Tensor, _: Any, place: str) -> Tensor:
        time = self._time_axes.get(place.partition("#")[0], 2)
        units = 1 if time == 2 else output.dim() - 1
        others = [axis for axis in range(output.dim()) if axis != units]
        self.alive[place] = (output.detach() != 0).any(others[0]) if len(others) == 1 else _any(output, others)
        return output


def _any(output: Tensor, axes: list[int]) -> Tensor:
    return (output.detach() != 0).sum(axes) > 0


def dead_fraction(alive: Tensors) -> Tensor:
    """Share of the watched units (K, units) that are not alive: (K,)."""
    return (~torch.cat(list(alive.values()), dim=1)).float().mean(1)
