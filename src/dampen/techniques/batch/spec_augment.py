"""SpecAugment: a stretch of time and a band of frequencies are hidden."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, uniform
from ...tensors import interval


@technique
class SpecAugment:
    """x[:, times] <- mean(channel), x[band, :] <- mean(channel),  lengths ~ U{0 .. fraction * T}, U{0 .. fraction * C}

    Channels are frequencies, in order. One interval of times and one band per example; the products are rounded to
    whole numbers. Hidden values become the channel's mean in the training part, which is the paper's 0 in a normalised
    spectrogram. The paper's third step, warping, it found to add little: TimeWarp. The defaults are those of its
    policy for Switchboard, mild: at most 0.2 of the time, 15 of 80 frequencies.

    Use it on spectrograms. For channels without an order, or one channel alone, take TimeMask.

    Park et al., SpecAugment, 2019, section 2 and table 1, arXiv:1904.08779.
    """

    needs = ("series",)
    time_mask_fraction: Strength = tunable(0.2, off=0.0, low=0.0, high=1.0, meaning="largest share of the time hidden")
    freq_mask_fraction: Strength = tunable(
        0.2, off=0.0, low=0.0, high=1.0, meaning="largest share of the channels hidden"
    )

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"uniform": uniform(key, (2, 2, thing.inputs.shape[0]), thing.targets.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        _, channels, times = batch.inputs.shape
        hidden_times = interval(draws["uniform"][0], times, self.time_mask_fraction)
        hidden_channels = interval(draws["uniform"][1], channels, self.freq_mask_fraction)
        hidden = hidden_times[:, None] | hidden_channels[:, :, None]
        return batch._replace(inputs=torch.where(hidden, at.facts.mean, batch.inputs))
