"""Series jitter: noise on every value of a series."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, normal


@technique
class SeriesJitter:
    """x <- x + stddev * std(channel) * e,  e ~ N(0, 1) for every channel and time

    In units of the channel's standard deviation in the training part; a channel that never varies gets no noise.
    The default, 0.05, is the one of the authors' code.

    Use it on series from noisy sensors, small data above all. Leave it out where the fine texture is the signal.

    Um et al., Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring using Convolutional Neural
    Networks, 2017, arXiv:1706.00527.
    """

    needs = ("series",)
    stddev: Strength = tunable(
        0.05, off=0.0, low=0.0, high=100.0, search=(0.0, 0.3), meaning="size of the noise, in standard deviations"
    )

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"noise": normal(key, thing.inputs.shape, thing.targets.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        std = torch.where(at.facts.high > at.facts.low, at.facts.std, 0.0)
        return batch._replace(inputs=batch.inputs + self.stddev * std * draws["noise"])
