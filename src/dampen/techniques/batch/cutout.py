"""Cutout: a square of every image is covered."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...images import between, box
from ...randomness import Key, uniform


@technique
class Cutout:
    """x <- mean + fill * std inside of a square, x outside;  its side is size_fraction of the image's shorter side

    One square per image, its centre uniform over the image, so that it may be cut off at the border, as in the
    paper. mean and std are those of the channel: with fill = 0 the network sees zeros there once its inputs are
    standardised, again as in the paper.

    Use it on images whose class shows in many places, with a network that looks at one of them only. Not where one
    small thing decides, as a stroke does in digits: it may be what is covered.

    DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017, section 3.2,
    arXiv:1708.04552.
    """

    needs = ("images",)
    size_fraction: Strength = tunable(
        0.25, off=0.0, low=0.0, high=1.0, search=(0.05, 0.6), meaning="side of the square, share of the image's"
    )
    fill: Strength = tunable(
        0.0, low=-10.0, high=10.0, search=(-2.0, 2.0), meaning="what covers: standard deviations from the mean"
    )

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"uniform": uniform(key, (2, len(thing.inputs)), thing.inputs.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        height, width = batch.inputs.shape[-2:]
        half = self.size_fraction * min(height, width) / 2
        down, across = draws["uniform"][0] * height, draws["uniform"][1] * width
        covered = box(between(down - half, down + half, height), between(across - half, across + half, width))
        cover = at.facts.mean + self.fill * at.facts.std
        return batch._replace(inputs=torch.lerp(batch.inputs, cover.to(batch.inputs.dtype), covered))
