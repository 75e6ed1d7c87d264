"""Elastic deformation: images drawn on rubber."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...contracts import At, Batch, Draws, Strength, structural, technique, tunable
from ...images import centres, resampled
from ...randomness import Key, uniform


@technique
class ElasticDeformation:
    """x[p] <- x[p + alpha * (G * u)[p]],  u ~ U(-1, 1) per pixel and direction, G a Gaussian of `sigma` pixels

    The smoothed noise is not normalised (the paper leaves that open): its size is 0.16 / sigma, so that alpha = 8
    and sigma = 4 move a pixel by a third of a pixel each way, the paper's alpha = 34 for digits by 1.4. Beyond the
    border the noise is 0. One bilinear resampling; outside is 0.

    Use it for handwriting, cells and other soft shapes. Not for rigid ones: no car or letter of a typeface bends.

    Simard et al., Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis, 2003,
    section 2.
    """

    needs = ("images",)
    alpha: Strength = tunable(
        8.0, off=0.0, low=0.0, high=1000.0, search=(2.0, 60.0), meaning="how far pixels move, times 0.16 / sigma pixels"
    )
    sigma: float = structural(4.0, low=0.1, meaning="smoothness of the movement, pixels")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        images = thing.inputs
        shape = (len(images), 2, images.shape[3], images.shape[2])  # (x, y), then width before height
        return {"uniform": uniform(key, shape, images.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        images, (height, width) = batch.inputs, batch.inputs.shape[-2:]
        down = (2 * draws["uniform"] - 1) @ self._smoothing(height, images)
        field = down.transpose(2, 3) @ self._smoothing(width, images)
        pixel = torch.tensor([2 / width, 2 / height], dtype=images.dtype, device=images.device)
        x, y = centres(width, images).expand(height, width), centres(height, images)[:, None].expand(height, width)
        grid = torch.addcmul(torch.stack([x, y]), self.alpha * pixel[:, None, None], field)
        return batch._replace(inputs=resampled(images, grid))

    def _smoothing(self, length: int, like: Tensor) -> Tensor:
        """(length, length): the Gaussian from every place to every other, as a matrix. Its weights sum to 1 over all
        whole numbers: near the border, where noise is missing, over less."""
        reach = length + math.ceil(8 * self.sigma)
        total = math.fsum(math.exp(-0.5 * (step / self.sigma) ** 2) for step in range(-reach, reach + 1))
        place = torch.arange(length, dtype=like.dtype, device=like.device)
        return torch.exp(-0.5 * ((place[:, None] - place) / self.sigma) ** 2) / total
