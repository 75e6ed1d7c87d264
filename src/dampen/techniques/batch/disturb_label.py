"""DisturbLabel: some targets are replaced by random classes."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, uniform
from ...tensors import chosen


@technique
class DisturbLabel:
    """target <- one-hot(c), c uniform over all C classes, with probability rate for each example

    The true class is among the C, as in the paper: a target is wrong with probability rate * (C - 1) / C. Drawn afresh
    in every step. On average it is label smoothing with epsilon = rate, with more noise.

    Use it with large sets and long training, where the network would otherwise learn every label by heart. Prefer
    LabelSmoothing with small batches or labels that are already noisy.

    Xie et al., DisturbLabel: Regularizing CNN on the Loss Layer, 2016, section 3, arXiv:1605.00055.
    """

    needs = ("classes",)
    rate: Strength = tunable(0.1, off=0.0, low=0.0, high=1.0, meaning="share of targets drawn at random")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"uniform": uniform(key, (thing.targets.shape[0],), thing.targets.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        classes = batch.targets.shape[-1]
        hit, drawn = chosen(draws["uniform"], self.rate, classes)
        one_hot = (drawn[:, None] == torch.arange(classes, device=drawn.device)).to(batch.targets.dtype)
        return batch._replace(targets=torch.where(hit[:, None], one_hot, batch.targets))
