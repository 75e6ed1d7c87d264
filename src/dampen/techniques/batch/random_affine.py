"""Random affine maps: small rotations, zooms, shifts, shears and flips of images."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, uniform


@technique
class RandomAffine:
    """x <- x resampled at  p -> R(rotation u0) S(shear u1) F / (1 + zoom u2) p + shift (u3, u4),  u ~ U(-1, 1)

    F mirrors an image with probability `horizontal_flip` and `vertical_flip`. One matrix per image and one
    bilinear resampling for all of them; coordinates p run from the image's centre, outside is 0.

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
        images = batch.inputs
        matrix = self._matrix(draws["uniform"], images.shape[-2] / images.shape[-1]).to(images.dtype)
        grid = torch.einsum("nij,jhw->nhwi", matrix, _coordinates(images))
        moved = grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        return batch._replace(inputs=moved)

    def _matrix(self, draws: Tensor, height_per_width: float) -> Tensor:
        """(N, 2, 3) in coordinates from -1 to 1: where in the source each point of the result comes from."""
        signed = 2 * draws - 1
        angle, slant = (math.pi / 180) * self.rotation * signed[0], (math.pi / 180) * self.shear * signed[1]
        size = 1 / (1 + self.zoom * signed[2])
        mirror_x = 1 - 2 * (draws[5] < self.horizontal_flip).to(draws.dtype)
        mirror_y = 1 - 2 * (draws[6] < self.vertical_flip).to(draws.dtype)
        cos, sin, tan = torch.cos(angle), torch.sin(angle), torch.tan(slant)
        # R S F in pixels; the ratio of the sides turns pixels into coordinates that run from -1 to 1.
        across = torch.stack([cos * mirror_x, (cos * tan - sin) * mirror_y * height_per_width], -1)
        down = torch.stack([sin * mirror_x / height_per_width, (sin * tan + cos) * mirror_y], -1)
        turn = size[:, None, None] * torch.stack([across, down], -2)
        return torch.cat([turn, (2 * self.shift * signed[3:5]).transpose(0, 1)[:, :, None]], -1)


def _coordinates(images: Tensor) -> Tensor:
    """(3, H, W): x, y and 1 at every pixel's centre."""
    height, width = images.shape[-2:]
    x = (2 * torch.arange(width, dtype=images.dtype, device=images.device) + 1) / width - 1
    y = (2 * torch.arange(height, dtype=images.dtype, device=images.device) + 1) / height - 1
    return torch.stack(
        [x.expand(height, width), y[:, None].expand(height, width), torch.ones_like(x).expand(height, width)]
    )
