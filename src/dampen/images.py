"""Maths on images (N, C, H, W) of one member: boxes, resampling with one matrix per image, colours in one pass.

Coordinates run from -1 to 1 over an image, x to the right and y down; what lies outside of an image is 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

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
    return cut(changed, low, high, (factors == 1).all(0))


def cut(images: Tensor, low: Tensor, high: Tensor, still: Tensor) -> Tensor:
    """Within [low, high], but for the images that stay `still` (N,): other techniques may have left the range."""
    still, infinity = still[:, None, None, None], torch.full_like(low, torch.inf)
    return images.clamp(torch.where(still, -infinity, low), torch.where(still, infinity, high))


def stretched(images: Tensor, low: Tensor, high: Tensor, on: Tensor) -> Tensor:
    """Autocontrast where `on` (N,) is 1: each channel of the image fills the range; one without contrast stays."""
    on = on[:, None, None, None]
    least, most = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    on = on * (most > least).to(on.dtype)
    gain = on * ((high - low) / _or_one(most - least) - 1)
    return images + gain * (images - least) + on * (low - least)


def sharpened(images: Tensor, amount: Tensor) -> Tensor:
    """x + amount (N,) * (x - smooth), smooth the mean of the nine pixels around, the middle one counted five times;
    the border stays."""
    if min(images.shape[-2:]) < 3:
        return images
    rows = images[..., :-2, :] + images[..., 1:-1, :] + images[..., 2:, :]
    nine = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    detail = images[..., 1:-1, 1:-1] * (9 / 13) - nine / 13
    return images + torch.nn.functional.pad(amount[:, None, None, None] * detail, (1, 1, 1, 1))


def posterized(images: Tensor, low: Tensor, high: Tensor, num_bits: Tensor) -> Tensor:
    """With the lowest `num_bits` (N,) of eight gone; 0 bits: as it is."""
    num_bits, unit = num_bits[:, None, None, None], _or_one(high - low) / 255
    step = unit * 2**num_bits
    return torch.lerp(images, low + ((images - low) / step).floor() * step, (num_bits > 0).to(images.dtype))


def solarized(images: Tensor, low: Tensor, high: Tensor, level: Tensor) -> Tensor:
    """What is brighter than 1 - level (N,) of the range becomes its own negative; level 0: nothing does."""
    level = level[:, None, None, None]
    bright = (images >= high - level * (high - low)) & (level > 0)
    return torch.lerp(images, low + high - images, bright.to(images.dtype))


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
    """(operations, N): `values` (M, N) at the operations that each image's M draws from [0, 1) name; the sum where one
    is named twice."""
    named = (choice * len(OPERATIONS)).floor()[None]
    operations = torch.arange(len(OPERATIONS), dtype=choice.dtype, device=choice.device)[:, None, None]
    return ((named == operations).to(values.dtype) * values).sum(1)


def augmented(images: Tensor, low: Tensor, high: Tensor, level: Tensor, signed: Tensor, reach: Reach) -> Tensor:
    """Every operation of `OPERATIONS` by its level (operations, N) from 0 to 1, 0 where an image has not drawn it.

    The order is fixed: colours as they stand there, then one resampling for all that moves. signed: the same, below 0
    where the operation goes the other way; autocontrast, posterize and solarize know one way only.
    """
    _, autocontrast, posterize, solarize, *_ = level.clamp(max=1).unbind()
    factors = 1 + reach.colour * signed[4:8]
    still = (level[:8] == 0).all(0)
    rest = stretched(images, low, high, (autocontrast > 0).to(images.dtype))
    rest = coloured(rest, low, high, factors[:3].clamp(min=0))
    rest = cut(sharpened(rest, factors[3] - 1), low, high, still)
    rest = posterized(rest, low, high, (reach.num_bits * posterize).round())
    rest = solarized(rest, low, high, solarize)
    angle = (math.pi / 180 * reach.rotation) * signed[8]
    x_slope, y_slope = reach.shear * signed[9], reach.shear * signed[10]
    cos, sin, one = torch.cos(angle), torch.sin(angle), 1 + x_slope * y_slope
    turn = (cos * one - sin * y_slope, cos * x_slope - sin), (sin * one + cos * y_slope, sin * x_slope + cos)
    return moved(rest, turn, reach.shift * signed[11:13])
