"""RandAugment: a few operations per image, drawn from a list, all equally strong."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, structural, technique, tunable
from ...images import Reach, augmented, chosen
from ...randomness import Key, uniform

REACH = Reach(rotation=30.0, shear=0.3, shift=150 / 331, colour=0.9, num_bits=4)
"""At magnitude 30, as in the paper's code (a shift of 150 of 331 pixels) with its enhancing operations going both ways
from the image as it is, which later implementations agree on."""


@technique
class RandAugment:
    """x <- each of num_operations operations, drawn from 13 per image, at magnitude / 30 of its reach

    Identity, autocontrast, posterize, solarize, brightness, contrast, saturation, sharpness, rotation, shears and
    shifts; the last nine either way. Equalize is left out. An image's operations act in this order and in one
    resampling, not in the order drawn; one that is drawn twice acts once, twice as strong. Outside is 0.

    Use it on photographs when flips and crops are not enough and there is no time to tune single augmentations. Not
    for digits, spectra or medical images, where several of its operations change what is seen.

    Cubuk et al., RandAugment: Practical Automated Data Augmentation with a Reduced Search Space, 2019, section 3,
    arXiv:1909.13719.
    """

    needs = ("images",)
    magnitude: Strength = tunable(
        9.0, off=0.0, low=0.0, high=30.0, search=(1.0, 20.0), meaning="strength of every operation, in thirtieths"
    )
    num_operations: int = structural(2, low=1, high=10, meaning="operations per image")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"uniform": uniform(key, (2, self.num_operations, len(thing.inputs)), thing.inputs.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        choice, way = draws["uniform"].unbind()
        level = torch.full_like(choice, 1 / 30) * self.magnitude
        levels, signed = chosen(choice, level), chosen(choice, torch.where(way < 0.5, -level, level))
        images = augmented(batch.inputs, at.facts.low, at.facts.high, levels, signed, REACH)
        return batch._replace(inputs=images)
