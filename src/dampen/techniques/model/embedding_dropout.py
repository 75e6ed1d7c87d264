"""Embedding dropout: silence whole words, wherever they stand in the batch."""

from __future__ import annotations

from ...contracts import At, Draws, Strength, Tensors, technique, tunable
from ...randomness import Key, keep
from ...tensors import changed


@technique
class EmbeddingDropout:
    """E[w] <- E[w] * keep_w / (1 - rate),  keep_w ~ Bernoulli(1 - rate), one for each word w of the table E

    One mask per pass: a word that is silent is so in all texts of the batch and at all places. Scaled, as in
    AWD-LSTM (Merity et al. 2017); Gal's own formula leaves the rest as it is. Where a network ties its output layer
    to the table, the word's row is gone there too.

    Use it on texts, so that no prediction hangs on a single word; the categories of an embedded table are words too.
    It has little to do where words are few.

    Gal and Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural Networks, 2016,
    section 4.2, arXiv:1512.05287.
    """

    needs = ("embeddings",)
    rate: Strength = tunable(0.1, off=0.0, low=0.0, high=1.0, search=(0.0, 0.5), meaning="share of words silenced")

    def draw(self, thing: Tensors, key: Key, at: At) -> Draws:
        names = at.layout.weights("embeddings")
        return {name: keep(key / name, self.rate, (thing[name].shape[0], 1), thing[name].dtype) for name in names}

    def parameters(self, params: Tensors, draws: Draws, at: At) -> Tensors:
        return changed(params, tuple(draws), lambda name, table: table * draws[name])
