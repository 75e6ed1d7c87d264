"""Maths on images (N, C, H, W) of one member: boxes, resampling with one matrix per image, colours in one pass.

Coordinates run from -1 to 1 over an image, x to the right and y down; what lies outside of an image is 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

PIECE = 2**18
"""Numbers of images that a core resamples at a time: with their result they fit in its cache."""
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
    last = 1 - 1 / length
    return torch.linspace(-last, last, length, dtype=like.dtype, device=like.device)


def resampled(images: Tensor, grid: Tensor) -> Tensor:
    """Each pixel is the image's colour at `grid` (N, 2, H, W), x and y, interpolated between the four pixels around.

    Piece after piece on the CPU: a turned grid reads an image in an order that no processor foresees, and waits for
    memory at every line of it. A copy is made in order, brings the piece into the cache, and halves the time.
    """
    places, size = grid.permute(0, 2, 3, 1), len(images)
    if images.device.type == "cpu":
        size = max(1, PIECE * torch.get_num_threads() // images[0].numel())
    if size >= len(images):
        return torch.grid_sampler_2d(images, places, 0, 0, False)
    pieces = zip(images.split(size), places.split(size), strict=True)
    return torch.cat([torch.grid_sampler_2d(part.clone(), where, 0, 0, False) for part, where in pieces])


def turned(angle: Tensor) -> tuple[Tensor, Tensor]:
    """Where a step to the right and one downwards lead (N, 2) after a turn by `angle` (N,), radians."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)


def moved(images: Tensor, right: Tensor, down: Tensor, shift: Tensor) -> Tensor:
    """Resampled at  p -> p_x right + p_y down + shift,  p in pixels from the image's middle: right and down (N, 2) say
    where in the source, x and y, one step to the right and one downwards lead. shift: (N, 2), shares of the sides."""
    height, width = images.shape[-2:]
    if height != width:  # what is right in pixels is not in coordinates
        sides = torch.tensor([width, height], dtype=images.dtype, device=images.device)
        right, down = right * (width / sides), down * (height / sides)
    # x and y contribute apart: one sum makes the grid.
    of_x = right[:, :, None] * centres(width, images)
    of_y = torch.addcmul(2 * shift[:, :, None], down[:, :, None], centres(height, images))
    return resampled(images, of_x[:, :, None, :] + of_y[:, :, :, None])


# ------------------------------------------------------------------ colours


def coloured(images: Tensor, low: Tensor, high: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast and saturation by factors (N, 3), 1 where nothing changes, in one pass.

    With v = (x - low) / (high - low):  v <- brightness * v;  v <- m + contrast * (v - m), m the mean grey of the
    image;  v <- g + saturation * (v - g), g the grey of the pixel;  at the end v is cut to [0, 1].
    """
    changed = _linear(images, low, high, factors, torch.ones_like(images[:, :1, :1, :1]), low)
    return cut(changed, low, high, factors)


def _linear(images: Tensor, low: Tensor, high: Tensor, factors: Tensor, gain: Tensor, least: Tensor) -> Tensor:
    """`coloured` without the cut, of images stretched to low + gain * (x - least). Each step is linear in x, in the
    grey of the pixel and in the mean grey of the image; so all of them are one sum."""
    brightness, contrast, saturation = factors.to(images.dtype)[:, :, None, None, None].unbind(1)
    num_channels, range_ = images.shape[1], high - low
    shares = LUMA if num_channels == 3 else (1 / num_channels,) * num_channels
    share = torch.tensor(shares, dtype=images.dtype, device=images.device)[:, None, None] / _or_one(range_) * gain
    grey = (share * images).sum(1, keepdim=True)
    black = (share * least).sum(1, keepdim=True)
    own = brightness * contrast * saturation
    of_grey = range_ * (brightness * contrast * (1 - saturation))
    of_mean = range_ * (brightness * (1 - contrast))
    rest = (low - own * gain * least) - of_grey * black + of_mean * (grey.mean((2, 3), keepdim=True) - black)
    return torch.addcmul(of_grey * grey + rest, own * gain, images)


def cut(images: Tensor, low: Tensor, high: Tensor, factors: Tensor) -> Tensor:
    """Within [low, high], but for the images whose factors (N, ...) are all 1: other techniques may have left the
    range."""
    still, infinity = (factors == 1).all(1)[:, None, None, None], torch.full_like(low, torch.inf)
    # `clamp` between tensors is three times slower.
    return images.minimum(torch.where(still, infinity, high)).maximum(torch.where(still, -infinity, low))


def contrast_of(images: Tensor, low: Tensor, high: Tensor, on: Tensor) -> tuple[Tensor, Tensor]:
    """(gain, least): what stretches each channel of an image over the range, low + gain * (x - least), where `on` (N,)
    is true. A channel without contrast stays."""
    least, most = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    on = on[:, None, None, None] & (most > least)
    gain = torch.where(on, (high - low) / _or_one(most - least), torch.ones_like(least))
    return gain, torch.where(on, least, low)


def sharpened(images: Tensor, factor: Tensor) -> Tensor:
    """smooth + factor (N,) * (x - smooth), smooth the mean of the nine pixels around, the middle one counted five
    times; the border stays."""
    if min(images.shape[-2:]) < 3:
        return images
    rows = images[..., :-2, :] + images[..., 1:-1, :] + images[..., 2:, :]
    nine = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    away = torch.nn.functional.pad(torch.sub(images[..., 1:-1, 1:-1] * 9, nine), (1, 1, 1, 1))
    return torch.addcmul(images, away, ((factor - 1) / 13)[:, None, None, None])


def posterized(images: Tensor, low: Tensor, high: Tensor, num_bits: Tensor) -> Tensor:
    """With the lowest `num_bits` (N,) of eight gone; 0 bits: as it is."""
    num_bits, unit = num_bits[:, None, None, None], _or_one(high - low) / 255
    step = unit * 2**num_bits
    return torch.lerp(images, low + ((images - low) / step).floor() * step, (num_bits > 0).to(images.dtype))


def solarized(images: Tensor, low: Tensor, high: Tensor, level: Tensor) -> Tensor:
    """What is brighter than 1 - level (N,) of the range becomes its own negative; level 0: nothing does."""
    level = level[:, None, None, None]
    above = images - torch.where(level > 0, high - level * (high - low), torch.full_like(low, torch.inf))
    bright = torch.copysign(torch.full_like(low, 0.5), above) + 0.5  # ten times faster than comparing and `where`
    return torch.lerp(images, low + high - images, bright)


def _or_one(range_: Tensor) -> Tensor:
    return torch.where(range_ > 0, range_, torch.ones_like(range_))


# ------------------------------------------------------------------ one operation of many


OPERATIONS = (
    *("identity", "autocontrast", "posterize", "solarize", "brightness", "contrast", "saturation", "sharpness"),
    *("rotation", "shear_x", "shear_y", "shift_x", "shift_y"),
)
"""What RandAugment and TrivialAugment choose from. Equalize is left out: no fixed number of passes makes it."""


class Reach(NamedTuple):
    """What the operations do at level 1. rotation: degrees. shear: slope. shift: share of the side. colour: change of
    a factor. num_bits: of eight."""

    rotation: float
    shear: float
    shift: float
    colour: float
    num_bits: int


def chosen(choice: Tensor, values: Tensor) -> Tensor:
    """(N, operations): `values` (M, N) at the operations that each image's M draws from [0, 1) name; the sum where one
    is named twice."""
    named = (choice * len(OPERATIONS)).floor()[:, :, None]
    operations = torch.arange(len(OPERATIONS), dtype=choice.dtype, device=choice.device)
    return ((named == operations).to(values.dtype) * values[:, :, None]).sum(0)


def augmented(images: Tensor, low: Tensor, high: Tensor, level: Tensor, signed: Tensor, reach: Reach) -> Tensor:
    """Every operation of `OPERATIONS` by its level (N, operations) from 0 to 1, 0 where an image has not drawn it.

    The order is fixed: colours as they stand there, cut to the range after sharpness, then one resampling for all
    that moves. signed: the same, below 0 where the operation goes the other way; autocontrast, posterize and solarize
    know one way only.
    """
    return _moved(_recoloured(images, low, high, level.clamp(max=1), signed, reach), signed, reach)


def _recoloured(images: Tensor, low: Tensor, high: Tensor, level: Tensor, signed: Tensor, reach: Reach) -> Tensor:
    factors = (1 + reach.colour * signed[:, 4:8]).clamp(min=0)
    changed = _linear(images, low, high, factors[:, :3], *contrast_of(images, low, high, level[:, 1] > 0))
    changed = cut(sharpened(changed, factors[:, 3]), low, high, factors)
    changed = posterized(changed, low, high, (reach.num_bits * level[:, 2]).round())
    return solarized(changed, low, high, level[:, 3])


def _moved(images: Tensor, signed: Tensor, reach: Reach) -> Tensor:
    angle = (math.pi / 180 * reach.rotation) * signed[:, 8]
    x_slope, y_slope = reach.shear * signed[:, 9, None], reach.shear * signed[:, 10, None]
    right, down = turned(angle)
    down = down + x_slope * right
    return moved(images, right + y_slope * down, down, reach.shift * signed[:, 11:13])
