"""Weight drop: silence random connections from one time to the next."""

from __future__ import annotations

from ...contracts import At, Draws, Strength, Tensors, technique, tunable
from ...randomness import Key, keep
from ...tensors import changed


@technique
class WeightDrop:
    """U <- U * keep / (1 - rate),  keep ~ Bernoulli(1 - rate), U the hidden-to-hidden weights of a recurrent layer

    DropConnect (Wan et al. 2013) on U alone. One mask per pass, so the same at all times and for all sequences of
    the batch; the gradient goes to U itself where it was kept. Prediction uses the whole U.

    Use it in LSTM and GRU networks, together with LockedDropout for what goes in and out of the layers; alone it
    leaves the embeddings, which hold most of the weights, free to overfit.

    Merity, Keskar and Socher, Regularizing and Optimizing LSTM Language Models, 2017, section 2, arXiv:1708.02182.
    """

    needs = ("recurrent",)
    rate: Strength = tunable(
        0.5, off=0.0, low=0.0, high=1.0, search=(0.0, 0.8), meaning="share of connections silenced"
    )

    def draw(self, thing: Tensors, key: Key, at: At) -> Draws:
        names = at.layout.weights("recurrent")
        return {name: keep(key / name, self.rate, thing[name].shape, thing[name].dtype) for name in names}

    def parameters(self, params: Tensors, draws: Draws, at: At) -> Tensors:
        return changed(params, tuple(draws), lambda name, weight: weight * draws[name])
