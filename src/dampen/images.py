"""Maths on images (N, C, H, W) of one member: boxes, resampling with one matrix per image, colours in one pass.

Coordinates run from -1 to 1 over an image, x to the right and y down; what lies outside of an image is 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .contracts import Strength

PIECE = 2**17
"""Numbers of images that are resampled at a time on the CPU: with their result they fit in a core's cache."""
LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue contribute to how bright a colour looks (ITU-R BT.601)."""


# ------------------------------------------------------------------ boxes


def between(low: Tensor, high: Tensor, length: int) -> Tensor:
    """(..., length): 1 at the places from 0 to `length` - 1 whose centre lies in [low, high), 0 elsewhere."""
    centres = torch.arange(length, dtype=low.dtype, device=low.device) + 0.5
    return ((centres >= low[..., None]) & (centres < high[..., None])).to(low.dtype)


def box(rows: Tensor, columns: Tensor) -> Tensor:
    """(N, 1, H, W): 1 inside of each image's box, from rows (N, H) and columns (N, W) that are 0 or 1."""
    return (rows[:, :, None] * columns[:, None, :])[:, None]


# ------------------------------------------------------------------ resampling


def centres(length: int, like: Tensor) -> Tensor:
    """(length,): the coordinates of a side's pixels."""
    return (2 * torch.arange(length, dtype=like.dtype, device=like.device) + 1) / length - 1


def resampled(images: Tensor, grid: Tensor) -> Tensor:
    """Each pixel is the image's colour at `grid` (N, 2, H, W), x and y, interpolated between the four pixels around.

    Piece after piece on the CPU: a turned grid reads an image in an order that no processor foresees, and waits for
    memory at every line of it. A copy is made in order, brings the piece into the cache, and halves the time.
    """
    places, size = grid.permute(0, 2, 3, 1), len(images)
    if images.device.type == "cpu":
        size = max(1, PIECE // images[0].numel())
    if size >= len(images):
        return torch.grid_sampler_2d(images, places, 0, 0, False)
    pieces = zip(images.split(size), places.split(size), strict=True)
    return torch.cat([torch.grid_sampler_2d(part.clone(), where, 0, 0, False) for part, where in pieces])


def moved(images: Tensor, turn: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]], shift: Tensor) -> Tensor:
    """Resampled at  p -> turn p + shift,  p in pixels from the image's middle.

    turn: a matrix of four numbers per image, each (N,). shift: (2, N), shares of the width and of the height.
    """
    height, width = images.shape[-2:]
    (xx, xy), (yx, yy) = turn
    # The ratio of the sides turns pixels into coordinates; x and y contribute apart, so that one sum makes the grid.
    along_x = torch.stack([xx, yx * (width / height)], 1)[:, :, None] * centres(width, images)
    along_y = torch.stack([xy * (height / width), yy], 1)[:, :, None] * centres(height, images)
    along_y = along_y + 2 * shift.transpose(0, 1)[:, :, None]
    return resampled(images, along_x[:, :, None, :] + along_y[:, :, :, None])


# ------------------------------------------------------------------ colours


def grey(images: Tensor) -> Tensor:
    """(N, 1, H, W): how bright each pixel is; the mean of the channels where these are not red, green and blue."""
    shares = LUMA if images.shape[1] == 3 else (1 / images.shape[1],) * images.shape[1]
    parts = [share * channel for share, channel in zip(shares, images.unbind(1), strict=True)]
    return torch.stack(parts).sum(0)[:, None]


def coloured(images: Tensor, low: Tensor, high: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast and saturation (3, N), 1 each where nothing changes, in one pass.

    With v = (x - low) / (high - low):  v <- brightness * v;  v <- m + contrast * (v - m), m the mean grey of the
    image;  v <- g + saturation * (v - g), g the grey of the pixel;  at the end v is cut to [0, 1]. Each step is
    linear in v, m and g, so the three are one sum. A single channel is its own grey: saturation does nothing.
    """
    brightness, contrast, saturation = factors.to(images.dtype)[:, :, None, None, None]
    range_ = high - low
    bright = grey((images - low) / _or_one(range_))
    if images.shape[1] == 1:
        saturation = torch.ones_like(saturation)
    own = brightness * contrast * saturation - 1
    grey_part = brightness * contrast * (1 - saturation) * bright
    mean_part = brightness * (1 - contrast) * bright.mean((2, 3), keepdim=True)
    changed = images + own * (images - low) + range_ * (grey_part + mean_part)
    still = (factors == 1).all(0)[:, None, None, None]
    return _cut(changed, low, high, still)


def _cut(images: Tensor, low: Tensor, high: Tensor, still: Tensor) -> Tensor:
    """Within [low, high], but for images that stay `still`: other techniques may have left the range."""
    infinity = torch.full_like(low, torch.inf)
    return images.clamp(torch.where(still, -infinity, low), torch.where(still, infinity, high))


def _or_one(range_: Tensor) -> Tensor:
    return torch.where(range_ > 0, range_, torch.ones_like(range_))
