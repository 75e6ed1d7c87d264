"""What techniques for images and series compute, image by image and pixel by pixel."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .batch import _bilinear

Array: TypeAlias = NDArray[np.float64]

# ------------------------------------------------------------------ boxes


def _covers(centre: float, side: float, place: int) -> bool:
    """Whether the middle of pixel `place` lies in the interval of length `side` around `centre`."""
    return centre - side / 2 <= place + 0.5 < centre + side / 2


def cutmix(
    inputs: Array,
    targets: Array,
    weights: Array,
    *,
    mix: float,
    centre: tuple[float, ...],
    chance: float,
    partner: NDArray[np.int64],
    probability: float,
) -> tuple[Array, Array, Array]:
    """x_n <- x_partner(n) inside of the box, x_n outside; targets and weights by the share of places outside

    The box has the share sqrt(1 - mix) of each side of an image (1 - mix of the times of a series), and so 1 - mix
    of the area where nothing is cut off. Its centre may be anywhere, so something often is; the weight is therefore
    counted, not taken from mix: it is the share of the *image* that stays, not the share of the box.

    inputs: (N, C, H, W) or (N, C, T). targets: (N, C). weights: (N,). mix: drawn from Beta(alpha, alpha). centre:
    share of each side, in [0, 1). chance: below `probability` where the batch is cut at all. partner: (N,), an order.
    Yun et al., CutMix, 2019, section 3.1 and algorithm A1.
    """
    sides = inputs.shape[2:]
    if chance >= probability:
        return inputs.copy(), targets.copy(), weights.copy()
    cut = inputs.copy()
    share = 0
    for place in np.ndindex(sides):
        if all(
            _covers(c * side, side * (1 - mix) ** (1 / len(sides)), p)
            for c, side, p in zip(centre, sides, place, strict=True)
        ):
            share += 1
            for n, other in enumerate(partner):
                cut[(n, slice(None), *place)] = inputs[(other, slice(None), *place)]
    stays = 1 - share / math.prod(sides)
    mixed = [np.stack([stays * p[n] + (1 - stays) * p[o] for n, o in enumerate(partner)]) for p in (targets, weights)]
    return cut, mixed[0], mixed[1]


def cutout(images: Array, centre: Array, mean: Array, std: Array, *, size_fraction: float, fill: float) -> Array:
    """x <- mean + fill * std inside of a square around the centre, x outside

    images: (N, C, H, W). centre: (2, N), shares of height and width. mean, std: (C,), of the training part.
    DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017, section 3.2.
    """
    covered = images.copy()
    num_images, _, height, width = images.shape
    side = size_fraction * min(height, width)
    for n in range(num_images):
        for row in range(height):
            for column in range(width):
                if _covers(centre[0, n] * height, side, row) and _covers(centre[1, n] * width, side, column):
                    covered[n, :, row, column] = mean + fill * std
    return covered


def random_erasing(
    images: Array,
    uniform: Array,
    noise: Array,
    low: Array,
    high: Array,
    *,
    probability: float,
    area_low: float = 0.02,
    area_high: float = 0.33,
    aspect_low: float = 0.3,
    aspect_high: float = 3.3,
) -> Array:
    """x <- low + (high - low) * noise inside of a rectangle, for the images whose first number is below `probability`

    images: (N, C, H, W). uniform: (5, N): chance, area, aspect, and the place among those where the rectangle fits.
    noise: (C, H, W) in [0, 1). low, high: (C,), the range of the training part.
    Zhong et al., Random Erasing Data Augmentation, 2020, algorithm 1.
    """
    erased = images.copy()
    num_images, num_channels, height, width = images.shape
    for n in range(num_images):
        chance, area, aspect, down, across = uniform[:, n]
        if chance >= probability:
            continue
        area = height * width * (area_low * (1 - area) + area_high * area)
        aspect = aspect_low * (1 - aspect) + aspect_high * aspect
        tall, wide = min(math.sqrt(area * aspect), height), min(math.sqrt(area / aspect), width)
        middle = down * (height - tall) + tall / 2, across * (width - wide) + wide / 2
        for c, row, column in np.ndindex(num_channels, height, width):
            if _covers(middle[0], tall, row) and _covers(middle[1], wide, column):
                erased[n, c, row, column] = low[c] + (high[c] - low[c]) * noise[c, row, column]
    return erased


def random_crop(images: Array, uniform: Array, padding: float) -> Array:
    """A window of the old size, cut out of the image with `padding` zeros around it

    images: (N, C, H, W). uniform: (2, N), which of the 2 * padding + 1 places down and across. The whole part of
    padding counts.
    Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; He et al. 2016, section 4.2.
    """
    num_images, _, height, width = images.shape
    pad = math.floor(padding)
    cropped = np.zeros(images.shape)
    for n in range(num_images):
        padded = np.pad(images[n], ((0, 0), (pad, pad), (pad, pad)))
        top, left = (int(u * (2 * pad + 1)) for u in uniform[:, n])
        cropped[n] = padded[:, top : top + height, left : left + width]
    return cropped


# ------------------------------------------------------------------ elastic deformation


def elastic_deformation(images: Array, uniform: Array, *, alpha: float, sigma: float) -> Array:
    """result[p] = image[p + alpha * (sum over pixels q of G(p - q) * u(q))],  G a Gaussian of `sigma` pixels

    Noise that is smoothed moves neighbours alike. G is the product of two weights, by rows and by columns apart,
    each of which sums to 1 over all whole numbers; there is no noise outside of the image.

    images: (N, C, H, W). uniform: (N, 2, W, H) in [0, 1), stretched to [-1, 1): first the movement to the right, then
    that downwards; the columns stand before the rows. Returns (N, C, H, W).
    Simard et al., Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis, 2003,
    section 2.
    """
    num_images, num_channels, height, width = images.shape
    total = sum(math.exp(-(step**2) / (2 * sigma**2)) for step in range(-1000, 1001))
    result = np.zeros(images.shape)
    for n, row, column in np.ndindex(num_images, height, width):
        right = down = 0.0
        for r, c in np.ndindex(height, width):
            weight = math.exp(-((row - r) ** 2 + (column - c) ** 2) / (2 * sigma**2)) / total**2
            right += weight * (2 * uniform[n, 0, c, r] - 1)
            down += weight * (2 * uniform[n, 1, c, r] - 1)
        for channel in range(num_channels):
            result[n, channel, row, column] = _bilinear(images[n, channel], row + alpha * down, column + alpha * right)
    return result


# ------------------------------------------------------------------ colours


def _grey(v: Array) -> Array:
    """(H, W) of v (C, H, W)."""
    if len(v) == 3:
        return 0.299 * v[0] + 0.587 * v[1] + 0.114 * v[2]
    return v.mean(0)


def _brightness(v: Array, factor: float) -> Array:
    return factor * v


def _contrast(v: Array, factor: float) -> Array:
    mean = _grey(v).mean()
    return mean + factor * (v - mean)


def _saturation(v: Array, factor: float) -> Array:
    return _grey(v) + factor * (v - _grey(v))


def color_jitter(
    images: Array, uniform: Array, low: Array, high: Array, *, brightness: float, contrast: float, saturation: float
) -> Array:
    """v <- b v;  v <- m + c (v - m);  v <- g + s (v - g);  v cut to [0, 1],  v the image in the range of the data

    images: (N, C, H, W). uniform: (3, N) in [0, 1), stretched to factors from 1 - strength to 1 + strength. low,
    high: (C,), the range of the training part.
    Howard, Some Improvements on Deep Convolutional Neural Network Based Image Classification, 2013, section 2.2.
    """
    result = np.zeros(images.shape)
    for n in range(len(images)):
        b, c, s = (1 + k * (2 * u - 1) for k, u in zip((brightness, contrast, saturation), uniform[:, n], strict=True))
        v = (images[n] - low[:, None, None]) / (high - low)[:, None, None]
        v = np.clip(_saturation(_contrast(_brightness(v, b), c), s), 0, 1)
        result[n] = low[:, None, None] + (high - low)[:, None, None] * v
    return result


# ------------------------------------------------------------------ one operation of many

_OPERATIONS = (
    *("identity", "autocontrast", "posterize", "solarize", "brightness", "contrast", "saturation", "sharpness"),
    *("rotation", "shear_x", "shear_y", "shift_x", "shift_y"),
)


def rand_augment(
    images: Array, choice: Array, way: Array, low: Array, high: Array, *, magnitude: float, reach: tuple[float, ...]
) -> Array:
    """Per image, every operation that was drawn, at magnitude / 30 of its reach, in the order of the list

    What moves an image gives the place of the source that a pixel shows; all movements are followed one after the
    other, the last of the list first taken, and the colour is interpolated once.

    images: (N, C, H, W). choice, way: (operations, N) in [0, 1): which of the 13, and which way (below a half:
    backwards). low, high: (C,), the range of the training part. reach: rotation in degrees, shear, shift as a share of
    the side, change of a colour's factor, bits, all at magnitude 30. Operations drawn twice add up.
    Cubuk et al., RandAugment, 2019, section 3.
    """
    result = np.zeros(images.shape)
    for n in range(len(images)):
        level, signed = dict.fromkeys(_OPERATIONS, 0.0), dict.fromkeys(_OPERATIONS, 0.0)
        for number, direction in zip(choice[:, n], way[:, n], strict=True):
            name = _OPERATIONS[int(number * len(_OPERATIONS))]
            level[name] += magnitude / 30
            signed[name] += -magnitude / 30 if direction < 0.5 else magnitude / 30
        v = (images[n] - low[:, None, None]) / (high - low)[:, None, None]
        v = _recoloured(v, {name: min(at, 1.0) for name, at in level.items()}, signed, reach)
        result[n] = _moved(low[:, None, None] + (high - low)[:, None, None] * v, signed, reach)
    return result


def trivial_augment(
    images: Array,
    choice: Array,
    way: Array,
    strength: Array,
    low: Array,
    high: Array,
    *,
    magnitude: float,
    reach: tuple[float, ...],
) -> Array:
    """RandAugment with one operation, and per image with a magnitude of its own: any whole one from 0 to `magnitude`

    strength: (N,) in [0, 1). The others: as for `rand_augment`.
    Mueller and Hutter, TrivialAugment, 2021, algorithm 1.
    """
    own = [int(u * (magnitude + 1)) for u in strength]
    parts = [slice(n, n + 1) for n in range(len(images))]
    return np.concatenate(
        [
            rand_augment(images[n], choice[:, n], way[:, n], low, high, magnitude=m, reach=reach)
            for n, m in zip(parts, own, strict=True)
        ]
    )


def _recoloured(v: Array, level: dict[str, float], signed: dict[str, float], reach: tuple[float, ...]) -> Array:
    """v (C, H, W), in the range of the data."""
    _, _, _, colour, num_bits = reach
    if level["autocontrast"] > 0:
        v = np.stack([(c - c.min()) / (c.max() - c.min()) if c.max() > c.min() else c for c in v])
    changes = {"brightness": _brightness, "contrast": _contrast, "saturation": _saturation, "sharpness": _sharpness}
    for name, change in changes.items():
        if level[name] > 0:
            v = change(v, max(1 + colour * signed[name], 0.0))
    if any(level[name] > 0 for name in changes):
        v = np.clip(v, 0, 1)
    if (gone := round(num_bits * level["posterize"])) > 0:
        v = np.floor(v * 255 / 2**gone) * 2**gone / 255
    if level["solarize"] > 0:
        v = np.where(v >= 1 - level["solarize"], 1 - v, v)
    return v


def _sharpness(v: Array, factor: float) -> Array:
    """Away from a copy in which each pixel inside is (its neighbours and five times itself) / 13."""
    smooth = v.copy()
    for c, row, column in np.ndindex(v.shape):
        if 0 < row < v.shape[1] - 1 and 0 < column < v.shape[2] - 1:
            smooth[c, row, column] = (
                v[c, row - 1 : row + 2, column - 1 : column + 2].sum() + 4 * v[c, row, column]
            ) / 13
    return smooth + factor * (v - smooth)


def _moved(image: Array, signed: dict[str, float], reach: tuple[float, ...]) -> Array:
    rotation, shear, shift, _, _ = reach
    num_channels, height, width = image.shape
    angle = math.radians(rotation * signed["rotation"])
    result = np.zeros(image.shape)
    for row, column in np.ndindex(height, width):
        x, y = column + 0.5 - width / 2, row + 0.5 - height / 2
        y = y + shear * signed["shear_y"] * x
        x = x + shear * signed["shear_x"] * y
        x, y = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
        x, y = x + shift * signed["shift_x"] * width, y + shift * signed["shift_y"] * height
        for channel in range(num_channels):
            result[channel, row, column] = _bilinear(image[channel], y + height / 2 - 0.5, x + width / 2 - 0.5)
    return result
