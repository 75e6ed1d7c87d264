"""Token swap: some words of a text exchange their places."""

from __future__ import annotations

import torch

from ...contracts import PADDING, At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, uniform


@technique
class TokenSwap:
    """text[p_j] <- text[p_(j+1)],  p_1 ... p_m the chosen places in random order, after the last one the first again

    Each real token is chosen with probability rate, so `rate` is the share of tokens that move, but for texts with a
    single chosen one, which stays. EDA makes rate * length swaps of two random places, one after the other and at
    least one, which moves about twice as many. Two chosen tokens are one of its swaps. Padding is never touched.

    Use it on texts whose class hangs on their words more than on their order (topics, sentiment), best with few
    examples; leave it out where word order is the point.

    Wei and Zou, EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks, 2019,
    section 2 (random swap), arXiv:1901.11196.
    """

    needs = ("tokens",)
    rate: Strength = tunable(0.05, off=0.0, low=0.0, high=1.0, search=(0.0, 0.3), meaning="share of words that move")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"uniform": uniform(key, thing.inputs.shape, thing.targets.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        """One number per token does both: below the rate it chooses, and its rank among these is the order."""
        ids = batch.inputs
        numbers = torch.where(ids != PADDING, draws["uniform"], 2.0)
        chosen = (numbers < self.rate).sum(-1, keepdim=True)
        places = numbers.argsort(-1)
        rank = torch.arange(ids.shape[-1], device=ids.device)
        follows = torch.where(rank < chosen, (rank + 1) % chosen.clamp(min=1), rank)
        taken = ids.gather(-1, places.gather(-1, follows))
        return batch._replace(inputs=torch.zeros_like(ids).scatter(-1, places, taken))
