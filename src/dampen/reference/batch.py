"""What batch techniques compute, example by example."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


def label_smoothing(targets: Array, epsilon: float, prior: Array | None = None) -> Array:
    """smoothed_c = (1 - epsilon) * target_c + epsilon / C, or + epsilon * prior_c

    Every class gives the share `epsilon` of its probability away, in equal parts to all C classes, itself
    among them. So a certain class ends at 1 - epsilon + epsilon / C, not at 1 - epsilon. With a prior the
    parts are not equal: common classes get more.

    targets: (N, C), rows sum to 1. prior: (C,), the share of each class in the training part. Returns (N, C).
    Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2016, section 7.
    """
    num_examples, num_classes = targets.shape
    parts = [1 / num_classes] * num_classes if prior is None else prior.tolist()
    smoothed = np.zeros((num_examples, num_classes))
    for n in range(num_examples):
        for giver in range(num_classes):
            given_away = epsilon * targets[n, giver]
            smoothed[n, giver] += targets[n, giver] - given_away
            for taker in range(num_classes):
                smoothed[n, taker] += given_away * parts[taker]
    return smoothed


def mixup(
    inputs: Array, targets: Array, weights: Array, mix: float, partner: NDArray[np.int64]
) -> tuple[Array, Array, Array]:
    """x_n <- mix * x_n + (1 - mix) * x_partner(n), targets and example weights alike

    Both examples of a pair are the originals: nobody is mixed with somebody already mixed.

    inputs: (N, ...). targets: (N, C). weights: (N,). mix: one number in [0, 1] for the whole batch, drawn
    from Beta(alpha, alpha). partner: (N,), an order of 0 .. N - 1. Returns the three, mixed.
    Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018, section 2.
    """

    def mixed(part: Array) -> Array:
        return np.stack([part[other] + mix * (part[n] - part[other]) for n, other in enumerate(partner)])

    return mixed(inputs), mixed(targets), mixed(weights)


def random_affine(
    images: Array,
    uniform: Array,
    *,
    rotation: float,
    zoom: float,
    shift: float,
    shear: float,
    horizontal_flip: float,
    vertical_flip: float,
) -> Array:
    """result[p] = image[R(rotation u0) S(shear u1) F / (1 + zoom u2) p + shift (u3, u4)], u in [-1, 1)

    For every pixel p of the result, five steps lead to the place in the image that it shows: mirror, zoom,
    shear, rotate, shift. p counts pixels from the middle of the image, x to the right and y down. The place
    rarely is a pixel's centre, so the colour there is interpolated; outside of the image it is 0.

    images: (N, C, H, W). uniform: (7, N) numbers in [0, 1), stretched to [-1, 1) for rotation, shear, zoom
    and the two shifts; the last two rows mirror where they are below the flip probabilities. rotation, shear:
    degrees. zoom: share of the size. shift: share of the side. Returns (N, C, H, W).
    Simard et al., Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis, 2003,
    section 2.
    """
    num_images, num_channels, height, width = images.shape
    result = np.zeros(images.shape)
    for n in range(num_images):
        turn, slant, size, right, down = (2 * u - 1 for u in uniform[:5, n])
        angle = math.radians(rotation * turn)
        slope = math.tan(math.radians(shear * slant))
        for row in range(height):
            for column in range(width):
                x, y = column + 0.5 - width / 2, row + 0.5 - height / 2
                if uniform[5, n] < horizontal_flip:
                    x = -x
                if uniform[6, n] < vertical_flip:
                    y = -y
                x, y = x / (1 + zoom * size), y / (1 + zoom * size)
                x = x + slope * y
                x, y = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
                x, y = x + shift * right * width, y + shift * down * height
                source_row, source_column = y + height / 2 - 0.5, x + width / 2 - 0.5
                for channel in range(num_channels):
                    result[n, channel, row, column] = _bilinear(images[n, channel], source_row, source_column)
    return result


def _bilinear(image: Array, row: float, column: float) -> float:
    """The colour at a place between pixels: the four around it, each by how near it is."""
    colour = 0.0
    for r in (math.floor(row), math.floor(row) + 1):
        for c in (math.floor(column), math.floor(column) + 1):
            if 0 <= r < image.shape[0] and 0 <= c < image.shape[1]:
                colour += image[r, c] * (1 - abs(row - r)) * (1 - abs(column - c))
    return colour
