"""TrivialAugment: one operation per image, drawn from a list, as strong as a second draw says."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...images import Reach, augmented, chosen
from ...randomness import Key, uniform

REACH = Reach(rotation=135.0, shear=0.99, shift=1.0, colour=0.99, num_bits=6)
"""The paper's wide space at magnitude 30; its shift of 32 pixels is the whole side of its images of 32."""


@technique
class TrivialAugment:
    """x <- one of 13 operations, drawn per image, at m / 30 of its reach,  m ~ U{0, 1, ..., magnitude}

    The operations are RandAugment's, reaching further. The paper has no strength: magnitude = 30 is its rule, less
    cuts the strongest off. Equalize is left out. Outside is 0.

    Use it on photographs instead of RandAugment when nothing is to be tuned. Not for digits, spectra or medical
    images, where several of its operations change what is seen.

    Mueller and Hutter, TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation, 2021, algorithm 1 and
    section 3, arXiv:2103.10158.
    """

    needs = ("images",)
    magnitude: Strength = tunable(
        30.0, off=0.0, low=0.0, high=30.0, search=(5.0, 30.0), meaning="largest strength of an operation, in thirtieths"
    )

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"uniform": uniform(key, (3, 1, len(thing.inputs)), thing.inputs.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        choice, way, strength = draws["uniform"].unbind()
        level = (strength * (self.magnitude + 1)).floor() / 30
        levels, signed = chosen(choice, level), chosen(choice, torch.where(way < 0.5, -level, level))
        images = augmented(batch.inputs, at.facts.low, at.facts.high, levels, signed, REACH)
        return batch._replace(inputs=images)
