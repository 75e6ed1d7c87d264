"""A few images before and after what a recipe does to them, as plain numbers for a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..contracts import At, Batch, Clock
from ..models.layout import layout_of
from ..randomness import make_key
from ..recipe import Recipe, with_tensors
from ..training.problem import Problem, prepare
from ..training.step import drawn
from ..vocabulary import touches

NUM_RECIPES, NUM_IMAGES, NUM_VARIANTS = 2, 3, 5
MOST_PIXELS = 64 * 64
"""Of larger images none is kept: a record is for people."""
DIGITS = 3


def examples(problem: Problem, recipes: Mapping[str, Recipe], seed: int) -> dict[str, dict[str, Any]]:
    """Of the first few of these recipes that change images: {"recipe": in words, "before": images, "after": variants of
    each}. An image is H rows of W numbers from 0 to 1, or of W times red, green and blue."""
    shape = problem.data.input_shape
    if "images" not in problem.data.words or shape[1] * shape[2] > MOST_PIXELS:
        return {}
    facts = problem.facts(seed)
    layout = layout_of(prepare(problem, Recipe(), seed, facts).model, problem.example(2))
    rows = problem.split(seed).train[: problem.batch_size]
    inputs, targets = (part[0] for part in problem.feed.take(rows[None].to(problem.device)))
    at = At(Clock(0, 1, 0, 1), facts, layout, batch_size=len(rows))
    found: dict[str, dict[str, Any]] = {}
    for name, recipe in recipes.items():
        if not recipe.having("batch") or len(found) == NUM_RECIPES:
            continue
        variants = [
            _changed(problem, recipe, Batch(inputs, targets, torch.ones_like(targets[:, 0])), seed, number, at)
            for number in range(NUM_VARIANTS)
        ]
        if not all(torch.equal(variant, inputs) for variant in variants):
            found[name] = {"recipe": str(recipe), **_shown(inputs, variants)}
    return found


def _changed(problem: Problem, recipe: Recipe, batch: Batch, seed: int, number: int, at: At) -> Tensor:
    """The inputs after the recipe's `batch` hooks, in order; other keys for every number."""
    strengths = {n: torch.tensor(v, dtype=problem.dtype, device=problem.device) for n, v in recipe.strengths.items()}
    key = make_key(seed, number, problem.device)
    for name, technique in with_tensors(recipe.active, strengths).items():
        if touches(technique, "batch"):
            batch = technique.batch(batch, drawn(technique, batch, key / name, at), at)
    return batch.inputs


def _shown(inputs: Tensor, variants: list[Tensor]) -> dict[str, Any]:
    """The first few images, all on the scale of the originals."""
    low, high = inputs.min(), inputs.max()
    scaled = [(images[:NUM_IMAGES] - low) / (high - low).clamp(min=1e-12) for images in (inputs, *variants)]
    before, *after = map(_plain, scaled)
    return {"before": before, "after": [list(row) for row in zip(*after, strict=True)]}


def _plain(images: Tensor) -> list[Any]:
    """(N, C, H, W) as nested lists; one channel as it is, else the first three as colours."""
    shown = images[:, 0] if images.shape[1] < 3 else images[:, :3].movedim(1, -1)
    return [[_rounded(row) for row in image] for image in shown.clamp(0, 1).tolist()]


def _rounded(value: Any) -> Any:
    return [_rounded(part) for part in value] if isinstance(value, list) else round(value, DIGITS)
