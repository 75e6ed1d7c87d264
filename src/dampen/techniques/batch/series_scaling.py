"""Series scaling: whole series are made larger or smaller."""

from __future__ import annotations

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, normal


@technique
class SeriesScaling:
    """x <- mean(channel) + (1 + stddev * e) * (x - mean(channel)),  e ~ N(0, 1) for every example and channel

    One factor for all times. The paper multiplies x itself, its data being centred; around the channel's mean in the
    training part the result is the same for them and does not depend on where a unit has its zero. The default, 0.1,
    is the one of the authors' code.

    Use it where the size of a swing says little: sensors of unlike gain, people of unlike strength. Leave it out
    where the level is what tells the classes apart.

    Um et al., Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring using Convolutional Neural
    Networks, 2017, arXiv:1706.00527.
    """

    needs = ("series",)
    stddev: Strength = tunable(
        0.1, off=0.0, low=0.0, high=100.0, search=(0.0, 0.5), meaning="spread of the factor around 1"
    )

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"noise": normal(key, (*thing.inputs.shape[:2], 1), thing.targets.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        away = batch.inputs - at.facts.mean
        return batch._replace(inputs=batch.inputs + self.stddev * draws["noise"] * away)
