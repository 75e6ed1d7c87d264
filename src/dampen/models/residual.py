"""A small residual network for images, with branches and joins that techniques find; trains without norms."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from torch import Tensor, nn

from ..errors import DampenError
from .cnn import check_channels, check_images, mean_over_places
from .markers import Branch, Join
from .mlp import ACTIVATIONS, initialised, whole


@dataclasses.dataclass(frozen=True)
class ResidualCNN:
    """A 3 x 3 convolution with an activation; for each of `channels` a stage of `num_blocks` residual blocks, halving
    the image between two stages; an activation, the mean over all places, and one output per class or target.

    A block is x + the sum of its branches (convolution, activation, convolution). `num_branches=2` is the network of
    Shake-Shake. The first block of a later stage takes every second place in its branches, and on its skip the mean
    of 2 x 2 places and a 1 x 1 convolution (He et al. 2019, ResNet-D: a strided 1 x 1 convolution would throw three
    places of four away).

    A factory: `ResidualCNN((16, 32))(facts)` returns a fresh module. Initialised as `CNN` is; without norms the
    sum over B blocks would double the variance at each, so the last convolution of a branch starts smaller by
    sqrt(B * num_branches) (between Fixup, which starts it at 0, and the plain one: Zhang et al. 2019). No activation
    stands on the sum: the skips lead straight from the images to the output (He et al. 2016b).
    Raises `DampenError` for data that are no images (C, H, W), and for images too small to be halved so often.
    """

    channels: tuple[int, ...] = (16, 32)
    num_blocks: int = 2
    num_branches: int = 1
    activation: str = "relu"

    def __post_init__(self) -> None:
        check_channels(self)
        for name in ("num_blocks", "num_branches"):
            object.__setattr__(self, name, whole(getattr(self, name)))
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise DampenError(
                    f"ResidualCNN.{name} must be a whole number, at least 1; got {getattr(self, name)!r}."
                )

    def __call__(self, facts: Any) -> nn.Module:
        check_images(facts.input_shape, "ResidualCNN", len(self.channels), "stages")
        return Residual(facts.input_shape[0], facts.num_outputs, self)


class Residual(nn.Module):
    """(N, in_channels, H, W) -> (N, num_outputs)."""

    def __init__(self, in_channels: int, num_outputs: int, plan: ResidualCNN) -> None:
        super().__init__()
        kind, gain = ACTIVATIONS[plan.activation]
        width, num_blocks = plan.channels[0], plan.num_blocks * len(plan.channels)
        self.stem = nn.Sequential(initialised(nn.Conv2d(in_channels, width, 3, padding=1), gain), kind())
        blocks = []
        for stage, after in enumerate(plan.channels):
            for number in range(plan.num_blocks):
                halves = stage > 0 and number == 0
                blocks.append(Block(width, after, halves, plan, 1 / math.sqrt(num_blocks * plan.num_branches)))
                width = after
        self.blocks = nn.Sequential(*blocks)
        self.last = kind()
        self.head = initialised(nn.Linear(width, num_outputs), 1.0)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(mean_over_places(self.last(self.blocks(self.stem(inputs)))))


class Block(nn.Module):
    """skip(x) + the sum of the branches of x; `share`: how large a branch starts beside the skip."""

    def __init__(self, before: int, after: int, halves: bool, plan: ResidualCNN, share: float) -> None:
        super().__init__()
        kind, gain = ACTIVATIONS[plan.activation]
        self.skip: nn.Module = nn.Identity()
        if halves:
            project = initialised(nn.Conv2d(before, after, 1), 1.0)
            self.skip = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), project)
        self.branches = nn.ModuleList(
            Branch(
                initialised(nn.Conv2d(before, after, 3, 2 if halves else 1, padding=1), gain),
                kind(),
                initialised(nn.Conv2d(after, after, 3, padding=1), share),
            )
            for _ in range(plan.num_branches)
        )
        self.join = Join()

    def forward(self, inputs: Tensor) -> Tensor:
        joined: Tensor = self.join(self.skip(inputs), *(branch(inputs) for branch in self.branches))
        return joined
