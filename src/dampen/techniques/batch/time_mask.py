"""Time mask: a stretch of each series is hidden."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, uniform
from ...tensors import interval


@technique
class TimeMask:
    """x[:, start : start + length] <- mean(channel),  length ~ U{0 .. max_fraction * T}

    One interval per example, the same for all channels, anywhere it fits; the product is rounded to whole times. The
    mean is the channel's in the training part, 0 for the network. The default, 0.2, is the paper's bound p on the
    share of time that a mask may hide.

    Use it where every part of a series tells something of its class. Leave it out where one short event decides.

    Park et al., SpecAugment, 2019, section 2 (time masking), arXiv:1904.08779.
    """

    needs = ("series",)
    max_fraction: Strength = tunable(0.2, off=0.0, low=0.0, high=1.0, meaning="largest share of the time hidden")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"uniform": uniform(key, (2, thing.inputs.shape[0]), thing.targets.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        hidden = interval(draws["uniform"], batch.inputs.shape[-1], self.max_fraction)
        return batch._replace(inputs=torch.where(hidden[:, None], at.facts.mean, batch.inputs))
