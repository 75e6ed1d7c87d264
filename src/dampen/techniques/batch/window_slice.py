"""Window slice: a part of each series, stretched to its full length."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, uniform
from ...tensors import at_times


@technique
class WindowSlice:
    """x(t) <- x(start + (1 - fraction) * t),  start ~ U(0, fraction * (T - 1))

    Every example shows a window of the share 1 - fraction of its time, stretched by linear interpolation; start and
    length need not be whole numbers. The paper classifies slices and lets those of one series vote; here prediction
    sees the whole series. Default: slices of 90 %, as in Iwana and Uchida, 2021, arXiv:2007.15951.

    Use it where a part of the series is enough to tell its class and the exact time of events is not. Leave it out
    where the beginning or the end decides.

    Le Guennec et al., Data Augmentation for Time Series Classification using Convolutional Neural Networks, 2016,
    AALTD workshop.
    """

    needs = ("series",)
    fraction: Strength = tunable(0.1, off=0.0, low=0.0, high=1.0, meaning="share of the time cut away")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"uniform": uniform(key, (thing.inputs.shape[0], 1), thing.targets.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        length = batch.inputs.shape[-1]
        times = torch.arange(length, dtype=draws["uniform"].dtype, device=batch.inputs.device)
        start = self.fraction * (length - 1) * draws["uniform"]
        return batch._replace(inputs=at_times(batch.inputs, start + (1 - self.fraction) * times))
