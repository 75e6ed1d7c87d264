"""Random affine maps: small rotations, zooms, shifts, shears and flips of images."""

from __future__ import annotations

import math

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...images import moved, turned
from ...randomness import Key, uniform


@technique
class RandomAffine:
    """x <- x resampled at  p -> R(rotation u0) S(shear u1) F / (1 + zoom u2) p + shift (u3, u4),  u ~ U(-1, 1)

    F mirrors an image with probability `horizontal_flip` and `vertical_flip`. One matrix per image and one
    bilinear resampling for all of them; coordinates p run from the image's centre, outside is 0.

    Use it on photographs and drawings whose class survives such changes: almost always the first augmentation to try.
    Not a flip for digits, letters or anything else whose mirror image is another class.

    Simard et al., Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis, 2003,
    section 2.
    """

    needs = ("images",)
    rotation: Strength = tunable(
        10.0, off=0.0, low=0.0, high=180.0, search=(0.0, 45.0), meaning="largest rotation, degrees"
    )
    zoom: Strength = tunable(0.1, off=0.0, low=0.0, high=0.9, meaning="largest change of size, as a share")
    shift: Strength = tunable(0.1, off=0.0, low=0.0, high=1.0, meaning="largest shift, share of the side")
    shear: Strength = tunable(0.0, off=0.0, low=0.0, high=60.0, search=(0.0, 20.0), meaning="largest shear, degrees")
    horizontal_flip: Strength = tunable(
        0.0, off=0.0, low=0.0, high=1.0, search=(0.0, 0.5), meaning="probability of mirroring left and right"
    )
    vertical_flip: Strength = tunable(
        0.0, off=0.0, low=0.0, high=1.0, search=(0.0, 0.5), meaning="probability of mirroring up and down"
    )

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"uniform": uniform(key, (7, thing.inputs.shape[0]), thing.targets.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        drawn = draws["uniform"].to(batch.inputs.dtype)
        turn, slant, zoom = (drawn[:3] - 0.5).unbind()  # half of u
        size = (1 + (2 * self.zoom) * zoom).reciprocal()
        flips = torch.stack([torch.as_tensor(self.horizontal_flip), torch.as_tensor(self.vertical_flip)])
        mirrored = torch.copysign(size, drawn[5:] - flips.to(drawn)[:, None])
        right, down = turned((math.pi / 90 * self.rotation) * turn)
        down = torch.addcmul(down, torch.tan((math.pi / 90 * self.shear) * slant)[:, None], right)
        shift = ((2 * self.shift) * (drawn[3:5] - 0.5)).t()
        across, along = mirrored[:, :, None].unbind()
        return batch._replace(inputs=moved(batch.inputs, across * right, along * down, shift))
