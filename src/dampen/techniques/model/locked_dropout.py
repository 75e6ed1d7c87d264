"""Locked dropout: silence random units of a sequence at all times together."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...contracts import At, Draws, Strength, structural, technique, tunable
from ...errors import DampenError
from ...randomness import Key, keep


@technique
class LockedDropout:
    """x <- x * keep / (1 - rate),  keep ~ Bernoulli(1 - rate), one for each sequence and unit, the same at all times

    The mask has one entry on the axis of time, wherever that is: each sequence of a batch has a mask of its own.
    Between the layers and on the embeddings, as `VariationalDropout` and `LockedDropout` of other libraries; for the
    weights from one time to the next there is WeightDrop.

    Use it on the outputs of embeddings and recurrent layers, where dropout that changes with time makes memory hard
    to keep. A network without either has the plain Dropout.

    Gal and Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural Networks, 2016,
    section 4, arXiv:1512.05287.
    """

    rate: Strength = tunable(0.3, off=0.0, low=0.0, high=1.0, search=(0.0, 0.7), meaning="share of units silenced")
    sites: Any = structural("sequences", meaning="where: sequences, or paths in the model")

    def check(self, at: At) -> None:
        for path in at.layout.site_paths(self.sites):
            if path not in at.layout.time_axes:
                raise DampenError(
                    f"LockedDropout.sites must put out sequences (three axes, one of them time); {path} puts out "
                    f"{('rows', *at.layout.shapes[path])}. Use Dropout there."
                )

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        time = at.site.time_axis if at.site is not None else None
        shape = [1 if axis == time else size for axis, size in enumerate(thing.shape)]
        return {"keep": keep(key, self.rate, shape, thing.dtype)}

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        return x * draws["keep"]
