"""Token dropout: random words become the unknown word."""

from __future__ import annotations

import torch

from ...contracts import UNKNOWN, At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, keep


@technique
class TokenDropout:
    """token <- unknown with probability rate, for every token that is a known word

    The text keeps its length and its order; Iyyer et al. leave the words out of an average, which for an order there
    would shift all places. Padding is never touched. Nothing is scaled.

    Use it on texts. Words that the training part lacks look the same to the network, so it learns to do without a
    word; at high rates it cannot tell what was said.

    Iyyer et al., Deep Unordered Composition Rivals Syntactic Methods for Text Classification, 2015, section 3.1,
    ACL 2015 ("word dropout").
    """

    needs = ("tokens",)
    rate: Strength = tunable(0.1, off=0.0, low=0.0, high=1.0, search=(0.0, 0.5), meaning="share of words made unknown")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"keep": keep(key, self.rate, thing.inputs.shape, thing.targets.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        ids = batch.inputs
        gone = (draws["keep"] == 0) & (ids > UNKNOWN)
        return batch._replace(inputs=torch.where(gone, UNKNOWN, ids))
