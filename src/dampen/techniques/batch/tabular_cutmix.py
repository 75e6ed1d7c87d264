"""Tabular CutMix: rows of a table exchange whole columns."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, beta, permutation, uniform


@technique
class TabularCutMix:
    """x[columns] <- x[partner][columns];  targets <- kept * targets + (1 - kept) * targets[partner], weights alike

    With `probability` a batch is mixed: mix ~ Beta(alpha, alpha), floor((1 - mix) * C) of the C source columns come
    from the partner, and kept is the share of columns that stayed. One choice of columns per batch and partners by a
    random permutation, as in the paper's code, but there encoded columns are cut one by one; here the categories of a
    column, and a number and the mark that it is missing, move together and count as one.

    Use it on tables with many columns and few rows; unlike MixUp it invents no value between two categories. Leave it
    out with a handful of columns.

    Kadra et al., Well-tuned Simple Nets Excel on Tabular Datasets, 2021 (cut-mix), arXiv:2106.11189;
    Yun et al., CutMix, 2019, section 3.1, arXiv:1905.04899.
    """

    needs = ("table",)
    alpha: Strength = tunable(1.0, low=0.0, high=4.0, meaning="0 swaps nothing, 1 any share of columns alike")
    probability: Strength = tunable(
        0.5, off=0.0, low=0.0, high=1.0, search=(0.0, 1.0), meaning="share of batches mixed"
    )

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {
            "mix": beta(key / "mix", self.alpha, (), thing.targets.dtype),
            "uniform": uniform(key / "apply", (), thing.targets.dtype),
            "partner": permutation(key / "partner", thing.targets.shape[0]),
            "order": permutation(key / "order", at.facts.num_columns),
        }

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        partner, order = draws["partner"], draws["order"]
        applied = draws["uniform"] < self.probability
        swapped = applied & (order + 1 <= (1 - draws["mix"]) * order.shape[0])
        kept = 1 - swapped.to(batch.targets.dtype).mean()
        inputs = torch.where(at.facts.by_feature(swapped), batch.inputs[partner], batch.inputs)
        targets, weights = (kept * part + (1 - kept) * part[partner] for part in batch[1:])
        return Batch(inputs, targets, weights)
