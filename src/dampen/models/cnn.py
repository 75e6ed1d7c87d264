"""A small convolutional network, initialised for its activation."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from ..errors import DampenError
from .mlp import ACTIVATIONS, initialised, whole


@dataclasses.dataclass(frozen=True)
class CNN:
    """Convolutions of `channels` units with an activation, halving the image between two of them (2 x 2 max
    pooling); then the mean over all places, and one output per class or target.

    A factory: `CNN((32, 64))(facts)` returns a fresh module. (32, 64) with kernel 3 is the network of Keras' MNIST
    tutorial, but for the padding: the image is padded with zeros to keep its size ("same"; the tutorial's shrinks it
    by 2 each time), so that images of 8 x 8 and deeper stacks work too. Initialised as `MLP` is; the inputs of a
    unit are kernel * kernel * channels before it (He et al. 2015).
    Raises `DampenError` for data that are no images (C, H, W), and for images too small to be halved so often.
    """

    channels: tuple[int, ...] = (32, 64)
    activation: str = "relu"
    kernel: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel", whole(self.kernel))
        check_channels(self)
        if type(self.kernel) is not int or self.kernel < 1 or self.kernel % 2 == 0:
            raise DampenError(f"CNN.kernel must be an odd whole number, at least 1; got {self.kernel!r}.")

    def __call__(self, facts: Any) -> nn.Module:
        check_images(facts.input_shape, "CNN", len(self.channels), "convolutions")
        widths = (facts.input_shape[0], *self.channels)
        return Convolutions(widths, facts.num_outputs, self.kernel, self.activation)


class Convolutions(nn.Module):
    """(N, widths[0], H, W) -> (N, num_outputs)."""

    def __init__(self, widths: tuple[int, ...], num_outputs: int, kernel: int, activation: str) -> None:
        super().__init__()
        kind, gain = ACTIVATIONS[activation]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            if layers:
                layers.append(nn.MaxPool2d(2))
            layers += [initialised(nn.Conv2d(before, after, kernel, padding=kernel // 2), gain), kind()]
        self.body = nn.Sequential(*layers)
        self.head = initialised(nn.Linear(widths[-1], num_outputs), 1.0)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(mean_over_places(self.body(inputs)))


def mean_over_places(images: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C). Asked in the order in which the numbers lie in memory, so that the gradient comes back in
    it; the other way round it is ten times slower (a third of a small network's step)."""
    return images.permute(0, 2, 3, 1).mean((1, 2)) if images.stride(1) == 1 else images.mean((2, 3))


def check_channels(factory: Any) -> None:
    """`channels` as a tuple of plain numbers, and a sentence where they or `activation` are none of ours."""
    name, channels = type(factory).__name__, factory.channels
    if isinstance(channels, Iterable) and not isinstance(channels, str):
        channels = tuple(map(whole, channels))
        object.__setattr__(factory, "channels", channels)
    if factory.activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise DampenError(f"{name}.activation must be one of {known}; got {factory.activation!r}.")
    fits = isinstance(channels, tuple) and channels
    if not fits or not all(type(width) is int and width >= 1 for width in channels):
        raise DampenError(f"{name}.channels must be whole numbers, one or more, each at least 1; got {channels!r}.")


def check_images(shape: tuple[int, ...], name: str, count: int, parts: str) -> None:
    """Refuse data that are no images, and images too small to be halved between `count` parts of a network."""
    if len(shape) != 3:
        raise DampenError(
            f"{name} needs images (channels, height, width); got inputs of shape {tuple(shape)}. Use MLP."
        )
    least = 2 ** (count - 1)
    if min(shape[1:]) < least:
        raise DampenError(
            f"{name} with {count} {parts} halves the image {count - 1} times and needs at least "
            f"{least} x {least} pixels; got {shape[1]} x {shape[2]}. Take fewer channels."
        )
