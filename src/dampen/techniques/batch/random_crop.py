"""Random crop: every image is padded and cut back to its size somewhere else."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, uniform


@technique
class RandomCrop:
    """x <- x moved by whole pixels, both ways uniform in -padding ... padding;  zeros come in from outside

    The same as padding with zeros (in the data's own units, as in RandomAffine) and cutting a window of the old size
    out. One shift per image. The whole part of `padding` counts.

    Use it with a horizontal flip on photographs: the standard augmentation of CIFAR. Not where the place is the
    class, or for images smaller than some sixteen pixels with the default padding.

    Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; padding by 4 as in He et al., Deep
    Residual Learning for Image Recognition, 2016, section 4.2, arXiv:1512.03385.
    """

    needs = ("images",)
    padding: Strength = tunable(4.0, off=0.0, low=0.0, high=128.0, search=(1.0, 8.0), meaning="largest shift, pixels")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"uniform": uniform(key, (2, len(thing.inputs)), thing.inputs.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        images, (height, width) = batch.inputs, batch.inputs.shape[-2:]
        most = torch.floor(torch.as_tensor(self.padding, dtype=draws["uniform"].dtype, device=images.device))
        shift = (draws["uniform"] * (2 * most + 1)).floor().clamp(max=2 * most) - most
        rows = torch.arange(height, device=images.device) + shift[0, :, None].long()
        columns = torch.arange(width, device=images.device) + shift[1, :, None].long()
        source = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
        everywhere = source.flatten(1)[:, None, :].expand(-1, images.shape[1], -1)
        moved = images.flatten(2).gather(2, everywhere).view(images.shape)
        known = [(place >= 0) & (place < size) for place, size in ((rows, height), (columns, width))]
        inside = (known[0][:, :, None] & known[1][:, None, :])[:, None]
        return batch._replace(inputs=moved * inside.to(images.dtype))
