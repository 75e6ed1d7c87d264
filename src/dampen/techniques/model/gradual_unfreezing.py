"""Gradual unfreezing: layers begin to train one after the other, the last ones first."""

from __future__ import annotations

from typing import Any

from ...contracts import At, Clock, structural, technique
from ...errors import DampenError


@technique
class GradualUnfreezing:
    """w <- w        for the tensors of the l-th layer, counted from the last as 1, while epoch < l * num_epochs

    What is in none of `layers` (the output layer, by default) trains from the start. A layer is a module with
    weights and the norm after it, in the order in which the model lists them. What is frozen gets no gradient, no
    optimizer step, no decay; its optimizer state begins when it thaws.

    Use it to adapt a network that was trained elsewhere to few data of your own: the late layers, which fit the old
    task, move first and shield what the early ones know. For a network with fresh weights it only costs time.

    Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, 2018, section 3.3,
    arXiv:1801.06146.
    """

    layers: Any = structural("body", meaning="what thaws, last first: body (all but the output layer), or paths")
    num_epochs: int = structural(1, low=1, meaning="epochs from one layer to the next")

    def check(self, at: At) -> None:
        count = len(self._layers(at.layout))
        if count * self.num_epochs >= at.clock.epochs:
            raise DampenError(
                f"GradualUnfreezing thaws {count} layers, one every {self.num_epochs} epochs, and needs more than "
                f"{count * self.num_epochs} epochs; got {at.clock.epochs}. Name fewer layers, or train longer."
            )

    def trains(self, layout: Any, clock: Clock) -> tuple[str, ...]:
        layers = self._layers(layout)
        still = layers[: max(0, len(layers) - clock.epoch // self.num_epochs)]
        frozen = {name for layer in still for name in layer}
        return tuple(name for name in layout.tensors if name not in frozen)

    def _layers(self, layout: Any) -> list[list[str]]:
        """Names of tensors per layer, in order."""
        if self.layers != "body":
            paths = (self.layers,) if isinstance(self.layers, str) else self.layers
            return [list(layout.inside((path,))) for path in paths]
        layers: list[list[str]] = []
        module = None
        for name in layout.inside("body"):
            role = layout.tensors[name]
            if not layers or (role.kind in ("weight", "embedding") and role.module != module):
                layers.append([])
                module = role.module
            layers[-1].append(name)
        return layers
