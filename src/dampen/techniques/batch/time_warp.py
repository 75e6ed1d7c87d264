"""Time warp: a series runs faster here and slower there."""

from __future__ import annotations

import torch
from torch import Tensor

from ...contracts import At, Batch, Draws, Strength, structural, technique, tunable
from ...randomness import Key, normal
from ...tensors import at_times


@technique
class TimeWarp:
    """x(t) <- x(p(t)),  p(0) = 0, p(T - 1) = T - 1,  speed p' ~ exp(stddev * e),  e ~ N(0, 1) at the knots

    Between the knots (`num_knots` and the two ends, evenly spaced) the exponent is linear; speeds are added up and
    stretched to the full length, the series is interpolated linearly. The authors' code draws speeds N(1, stddev)
    and joins them by a cubic spline, which can run backwards; exp keeps every speed positive and is the same for
    small stddev. One warp per example for all channels, so that they stay in step. Defaults, 0.2 and 4, are theirs.

    Use it where the same thing happens at unlike pace: motion, speech, gestures. Leave it out where frequency or
    exact timing tells the classes apart.

    Um et al., Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring using Convolutional Neural
    Networks, 2017, arXiv:1706.00527.
    """

    needs = ("series",)
    stddev: Strength = tunable(0.2, off=0.0, low=0.0, high=2.0, meaning="spread of the logarithm of the speed")
    num_knots: int = structural(4, low=0, meaning="knots between the ends: how often the speed changes")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"knots": normal(key, (thing.inputs.shape[0], self.num_knots + 2), thing.targets.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        return batch._replace(inputs=at_times(batch.inputs, self._times(draws["knots"], batch.inputs.shape[-1])))

    def _times(self, knots: Tensor, length: int) -> Tensor:
        """(N, T): where in the source each time of the result comes from."""
        count = knots.shape[-1]
        places = torch.linspace(0, count - 1, length - 1, dtype=knots.dtype, device=knots.device)
        near = (1 - (places - torch.arange(count, device=knots.device)[:, None]).abs()).clamp(min=0)
        speeds = torch.exp(self.stddev * (knots @ near))
        passed = torch.nn.functional.pad(speeds.cumsum(-1), (1, 0))
        total = passed[:, -1:].clamp(min=torch.finfo(knots.dtype).tiny)  # 0 only for a series of one time
        return passed * ((length - 1) / total)
