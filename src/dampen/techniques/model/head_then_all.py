"""Head, then all: the output layer trains alone at first, then everything."""

from __future__ import annotations

from typing import Any

from ...contracts import At, Clock, structural, technique
from ...errors import DampenError


@technique
class HeadThenAll:
    """w <- w        for every tensor but the output layer's, during the first num_epochs epochs

    Linear probing, then fine-tuning. The optimizer state of the body begins when it thaws; running statistics of
    its batch norms move from the start.

    Use it to adapt a network that was trained elsewhere, above all where new data will differ from yours: a random
    output layer would bend good features before it has learned to read them. Train the head until it stops improving.

    Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution, 2022, section 3.4
    (LP-FT), arXiv:2202.10054.
    """

    num_epochs: int = structural(3, low=1, meaning="epochs for the output layer alone")

    def check(self, at: At) -> None:
        if self.num_epochs >= at.clock.epochs:
            raise DampenError(
                f"HeadThenAll.num_epochs must be less than the epochs of the training; got {self.num_epochs} of "
                f"{at.clock.epochs}. Give the head fewer epochs, or train longer."
            )

    def trains(self, layout: Any, clock: Clock) -> tuple[str, ...]:
        if clock.epoch >= self.num_epochs:
            return tuple(layout.tensors)
        body = set(layout.inside("body"))
        return tuple(name for name in layout.tensors if name not in body)
