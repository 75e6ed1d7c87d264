"""Feature mask (row cutout): single cells of a table are hidden."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, uniform


@technique
class FeatureMask:
    """cell <- nothing known, with probability rate, for each cell of the source by itself

    A hidden cell looks as a missing one does: a number becomes the column's mean, and where the column has missing
    cells its mark of a missing cell is set; a category becomes the column's own missing category where it has one,
    else all zeros, which is how an unknown category looks. The paper's code writes 0 into encoded columns one by one,
    which tears categories apart. Nothing is scaled up: at prediction all cells are there.

    Use it on tables whose columns say much the same, or where cells will be missing at prediction. Leave it out where
    one column alone decides the target.

    Kadra et al., Well-tuned Simple Nets Excel on Tabular Datasets, 2021 (cut-out), arXiv:2106.11189.
    """

    needs = ("table",)
    rate: Strength = tunable(0.1, off=0.0, low=0.0, high=1.0, meaning="share of cells hidden")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"uniform": uniform(key, (thing.inputs.shape[0], at.facts.num_columns), thing.targets.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        facts, fill = at.facts, at.facts.mean  # of features that are 0 or 1 the mean counts as 0
        if facts.schema is not None:
            fill = fill + torch.tensor(facts.schema.missing_row, dtype=fill.dtype, device=fill.device)
        hidden = facts.by_feature(draws["uniform"] < self.rate)
        return batch._replace(inputs=torch.where(hidden, fill, batch.inputs))
