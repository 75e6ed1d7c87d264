"""Swap noise: single cells of a table come from other rows."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, uniform
from ...tensors import chosen


@technique
class SwapNoise:
    """cell <- the same column's cell of another row of the batch, with probability rate

    Each cell decides for itself and has a partner of its own, any other row alike (the paper shuffles each column,
    where a cell may meet itself). A cell of the source moves whole: the categories of a column together, a number
    together with the mark that it is missing. Targets stay.

    Use it on tables of any kind: what a cell gets is always a value that occurs, which noise cannot promise for
    categories. Leave it out where one column alone decides the target.

    Yoon et al., VIME: Extending the Success of Self- and Semi-supervised Learning to Tabular Domain, 2020,
    section 4.1, NeurIPS 33.
    """

    needs = ("table",)
    rate: Strength = tunable(0.1, off=0.0, low=0.0, high=1.0, meaning="share of cells that come from another row")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"uniform": uniform(key, (thing.inputs.shape[0], at.facts.num_columns), thing.targets.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        rows = batch.inputs.shape[0]
        hit, which = chosen(draws["uniform"], self.rate, rows - 1)
        own = torch.arange(rows, device=batch.inputs.device)[:, None]
        source = torch.where(hit, (own + 1 + which) % rows, own)
        return batch._replace(inputs=batch.inputs.gather(0, at.facts.by_feature(source)))
