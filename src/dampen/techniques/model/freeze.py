"""Freeze: some layers do not train at first."""

from __future__ import annotations

from typing import Any

from ...contracts import Clock, structural, technique


@technique
class Freeze:
    """w <- w        for every tensor of `layers`, during the first `num_epochs` epochs

    Frozen tensors get no gradient, no optimizer step, no decay; their optimizer state begins when they thaw.

    Use it to adapt a network that was trained elsewhere: with few data freeze the body throughout. In a network with
    fresh weights frozen layers stay random.

    Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, 2018, section 3.3,
    arXiv:1801.06146.
    """

    layers: Any = structural("body", meaning="what is frozen: body (all but the output layer), or paths")
    num_epochs: int = structural(1, low=0, meaning="for how many epochs")

    def trains(self, layout: Any, clock: Clock) -> tuple[str, ...]:
        if clock.epoch >= self.num_epochs:
            return tuple(layout.tensors)
        frozen = set(layout.inside(self.layers))
        return tuple(name for name in layout.tensors if name not in frozen)
