"""Attention dropout: each place overlooks random other places."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...contracts import At, Draws, Strength, structural, technique, tunable
from ...randomness import Key, keep


@technique
class AttentionDropout:
    """a <- a * keep / (1 - rate),  keep ~ Bernoulli(1 - rate), a = softmax(scores)

    After the softmax and without making the weights sum to 1 again: they do on average, as in the authors' code and
    in every library since. Each query, key and head has a mask of its own.

    Use it in transformers, with a small rate, beside Dropout on the activations. The model must show its weights with
    the marker module AttentionWeights; torch's own attention hides them.

    Vaswani et al., Attention Is All You Need, 2017, section 5.4, arXiv:1706.03762 (this place: their tensor2tensor).
    """

    rate: Strength = tunable(0.1, off=0.0, low=0.0, high=1.0, search=(0.0, 0.4), meaning="share of weights silenced")
    sites: Any = structural("attention", meaning="where: attention, or paths in the model")

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        return {"keep": keep(key, self.rate, thing.shape, thing.dtype)}

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        return x * draws["keep"]
