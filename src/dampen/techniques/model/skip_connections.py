"""Skip connections: what goes into a layer is added to what comes out."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ...contracts import At, technique
from ...errors import DampenError


@technique
class SkipConnections:
    """y <- activation(layer(x)) + x        for every hidden layer whose outputs have the shape of its inputs

    Linear layers as wide as what they get, convolutions that keep channels and size. The sum comes after the
    activation, so a network that starts with small weights starts near the identity; a norm stays inside, between
    layer and activation, and noise such as dropout acts on the sum. The paper adds before the last of two layers'
    activations.

    Use it in networks of more than a few equally wide layers: they train where plain ones stall. In shallow ones it
    changes little.

    He et al., Deep Residual Learning for Image Recognition, 2016, section 3.2, equation 1, arXiv:1512.03385.
    """

    def check(self, at: At) -> None:
        if not at.layout.blocks:
            raise DampenError(
                "SkipConnections needs a hidden layer that keeps the shape of its inputs and is followed by an "
                "activation module; this model has none. Make two layers in a row equally wide."
            )

    def rebuild(self, model: nn.Module, at: At) -> nn.Module:
        skips: dict[str, _Skip] = {}
        for layer, activation in at.layout.blocks:
            skip = skips.setdefault(activation, _Skip())  # a module may serve several layers
            model.get_submodule(layer).register_forward_pre_hook(skip.take)
        for activation, skip in skips.items():
            model.get_submodule(activation).register_forward_hook(skip.give)
        return model


class _Skip:
    """Carries what goes into a layer past it and its activation."""

    def __init__(self) -> None:
        self.carried: Tensor | None = None

    def take(self, layer: nn.Module, args: tuple[Any, ...]) -> None:
        self.carried = args[0]

    def give(self, activation: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        carried, self.carried = self.carried, None
        return output if carried is None else output + carried
