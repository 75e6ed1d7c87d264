"""Test-time augmentation: the mean prediction for a row and for changed copies of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..contracts import At, Batch, Clock
from ..errors import DampenError
from ..models.layout import layout_of
from ..presets import as_recipe
from ..randomness import make_key
from ..recipe import Recipe, with_tensors
from ..settings import check_seed
from ..training.fitted import Fitted
from ..training.problem import Problem, check_recipe
from ..training.step import drawn
from ..vocabulary import hooks_of, touches
from .passes import Prediction, as_inputs, check_fitted, check_passes, over_passes


def augmented(fitted: Fitted, inputs: Any, techniques: Any, *, num_passes: int = 16, seed: int = 0) -> Prediction:
    """p <- mean over passes of softmax(f(augmented_t(x))), the first pass over x itself; numbers: mean and std

    techniques: a recipe, a technique, or text such as "RandomAffine(rotation=5) + InputNoise": those of the batch that
    change inputs alone. inputs: raw rows. num_passes counts the plain one, too. The same seed gives the same numbers.

    Use it with the changes that the network trained with, or milder ones: it averages out what they do to an answer.
    Each further pass costs one more prediction.

    Raises `DampenError` where a technique does anything else, or inputs of another shape are given.
    Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012, section 4.1.
    """
    num_passes, seed = check_passes(num_passes), check_seed(seed)
    fitted = check_fitted("augmented", fitted)
    problem, recipe, model = fitted.problem, as_recipe(techniques), fitted.model()
    rows = as_inputs(problem, inputs)
    layout = layout_of(model, problem.example(2))
    facts = problem.facts(fitted.member.seed)
    _check(recipe, problem, layout)
    at = At(Clock(0, 1, 0, 1), facts, layout, batch_size=len(rows))
    strengths = {n: torch.tensor(v, dtype=problem.dtype, device=problem.device) for n, v in recipe.strengths.items()}
    changes = with_tensors(recipe.active, strengths)

    def predict(part: Tensor, number: int) -> Tensor:
        if number % num_passes == 0:
            return model(part)
        targets = torch.zeros((len(part), facts.num_outputs), dtype=problem.dtype, device=problem.device)
        weights = torch.ones_like(targets[:, 0])
        batch = Batch(part, targets, weights)
        key = make_key(seed, number, problem.device)
        for name, technique in changes.items():
            batch = technique.batch(batch, drawn(technique, batch, key / name, at), at)
            if batch.targets is not targets or batch.weights is not weights:
                raise DampenError(
                    f"Augmentation at prediction time must leave targets and example weights alone; {name} changes "
                    f"them, too. Leave {name} out."
                )
        return model(batch.inputs)

    return over_passes(predict, rows, num_passes, problem.data.task)


def _check(recipe: Recipe, problem: Problem, layout: Any) -> None:
    """Refuse, with a sentence, what is no change of inputs, or none of these inputs."""
    check_recipe(recipe, problem, layout)
    for name, technique in recipe.named.items():
        others = [hook for hook in hooks_of(technique) if hook != "batch"]
        if others or not touches(technique, "batch"):
            raise DampenError(
                f"Augmentation at prediction time must change inputs and nothing else; {name} has the hook "
                f"{others[0]}. Leave {name} out, or see `mc_dropout`."
            )
    if not recipe.active:
        raise DampenError("Augmentation must have a technique that changes inputs; got none. Try 'RandomAffine'.")
