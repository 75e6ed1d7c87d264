"""Input noise: every example is seen slightly blurred."""

from __future__ import annotations

import torch
from torch.nn.functional import pad

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...errors import DampenError
from ...randomness import Key, normal


@technique
class InputNoise:
    """x <- x + stddev * std(feature) * e,  e ~ N(0, 1) for every number of every example

    std is the feature's standard deviation in the training part, so the unit of a column does not matter; of images
    and series it is the channel's. Of a table only numbers get noise: categories and the marks of missing cells stay
    0 or 1, a missing number stays missing. What never varies has no standard deviation and gets no noise.

    Use it with small data whose inputs are measured (sensors, tables of numbers): it acts like a penalty on steep
    functions. Leave it out where tiny differences decide, and for counts with few values.

    Bishop, Training with Noise is Equivalent to Tikhonov Regularization, 1995, Neural Computation 7.
    """

    needs = ("continuous",)
    stddev: Strength = tunable(
        0.1, off=0.0, low=0.0, high=100.0, search=(0.0, 0.3), meaning="size of the noise, in standard deviations"
    )

    def check(self, at: At) -> None:
        if at.facts.schema is not None and not at.facts.schema.numbers:
            raise DampenError("InputNoise needs a column of numbers; all columns are categories. Leave InputNoise out.")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        rows, *shape = thing.inputs.shape
        if at.facts.schema is None:
            return {"noise": normal(key, (rows, *shape), thing.targets.dtype)}
        count = len(at.facts.schema.numbers)  # numbers stand before the features that are 0 or 1
        return {"noise": pad(normal(key, (rows, count), thing.targets.dtype), (0, shape[0] - count))}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        std = torch.where(at.facts.high > at.facts.low, at.facts.std, 0.0)
        return batch._replace(inputs=batch.inputs + self.stddev * std * draws["noise"])
