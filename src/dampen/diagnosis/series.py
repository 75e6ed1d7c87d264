"""What a noisy series of numbers per epoch tells: its noise, its course, where it turns, whether it still moves."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAD_TO_DEVIATION = 1.4826
"""Of normal noise the standard deviation over the median of absolute values."""
SECOND_DIFFERENCE = math.sqrt(6.0)
"""Deviation of x[i - 1] - 2 x[i] + x[i + 1] over that of x."""
WIDEST = 5
"""A window of smoothing holds at most one in so many epochs."""
RISE, RISE_OF_START = 0.15, 0.02
"""A loss that rises by more than the one share in an epoch, and by the other of where it began, has jumped."""
FEWEST_FOR_CURVE = 6
"""Fewer epochs than these hold no curve of five numbers."""
SURE = 3.0
"""Two numbers are told apart that differ by so many standard deviations of their difference."""


class Turn(NamedTuple):
    """The lowest place of a series. epoch, and between which epochs it may as well have been, counted from 1; depth:
    how far the series has risen since, at its end; error: standard deviation of depth; lowest, last: smooth values."""

    epoch: int
    low: int
    high: int
    depth: float
    error: float
    lowest: float
    last: float


def noise(values: Array) -> float:
    """Standard deviation of what changes from epoch to epoch beside the course: from second differences, robust."""
    if len(values) < 4:
        return 0.0
    bends = np.abs(np.diff(values, 2))
    return float(MAD_TO_DEVIATION * np.median(bends) / SECOND_DIFFERENCE)


def smooth(values: Array, window: int) -> Array:
    """Means over `window` epochs around each, of fewer at the ends: as many to the left as to the right."""
    reach = np.minimum(np.arange(len(values)), np.arange(len(values))[::-1])
    reach = np.minimum(reach, window // 2)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    return (sums[places + reach + 1] - sums[places - reach]) / (2 * reach + 1)


def level(values: Array, count: int) -> float:
    """The median of the last `count`."""
    return float(np.median(values[-count:]))


def lowest(values: Array) -> Turn:
    """Where a series is lowest. The window is the smallest whose smooth values are sure of the rise that follows: the
    less noise, the sharper the place. Where it did rise, the place is that of a curve through its surroundings."""
    spread = noise(values)
    widest = max(1, len(values) // WIDEST)
    for window in (1, 3, 5, 7, 11, 15, 21, 31):
        course = smooth(values, window)
        place = int(np.argmin(course))
        tail = min(max(1, window), len(values) - place)
        last = float(np.mean(values[-tail:]))
        error = spread * math.sqrt(1 / window + 1 / tail)
        depth = last - float(course[place])
        if spread == 0 or window + 2 > widest or depth > 8 * error:
            break
    alike = course <= course[place] + SURE * spread / math.sqrt(window) + 1e-12
    first, final = place, place
    while first > 0 and alike[first - 1]:
        first -= 1
    while final < len(values) - 1 and alike[final + 1]:
        final += 1
    epoch = _turning_point(values, course, place, depth) if depth > SURE * error else place + 1
    return Turn(epoch, min(first + 1, epoch), max(final + 1, epoch), depth, error, float(course[place]), last)


def _turning_point(values: Array, course: Array, place: int, depth: float) -> int:
    """The lowest epoch of a quartic in the logarithm of the epoch, through all around `place` that lies in the lower
    half of the rise: losses fall fast and rise slowly, and on that scale alike."""
    first, final = place, place
    level = course[place] + depth / 2
    while first > 0 and course[first - 1] <= level:
        first -= 1
    while final < len(values) - 1 and course[final + 1] <= level:
        final += 1
    if final - first < FEWEST_FOR_CURVE:
        return place + 1
    epochs = np.arange(first, final + 1) + 1.0
    middle = float(np.log(epochs).mean())
    curve = np.polyfit(np.log(epochs) - middle, values[first : final + 1], 4)
    return int(epochs[np.argmin(np.polyval(curve, np.log(epochs) - middle))])


def ending(values: Array) -> Array:
    """The last quarter, at least four."""
    return values[-max(4, round(len(values) / 4)) :]


def slope_at_end(values: Array) -> tuple[float, float]:
    """(change over the ending by a straight line through it, its standard error)."""
    tail = ending(values)
    if len(tail) < 4:
        return 0.0, math.inf
    x = np.arange(len(tail)) - (len(tail) - 1) / 2
    slope = float(x @ tail / (x @ x))
    rest = tail - tail.mean() - slope * x
    deviation = max(math.sqrt(float(rest @ rest) / (len(tail) - 2)), noise(values))
    return slope * (len(tail) - 1), deviation / math.sqrt(float(x @ x)) * (len(tail) - 1)


def rises(values: Array, excused: Array | None = None) -> int:
    """In how many epochs a loss rose by more than 15 % and by more than 2 % of where it began: near zero a loss moves
    by large factors without any harm. excused: epochs in which it may (E,)."""
    start = abs(float(np.mean(values[:3])))
    steps = np.diff(values)
    jumped = (steps > RISE * np.abs(values[:-1])) & (steps > RISE_OF_START * start)
    return int((jumped if excused is None else jumped & np.logical_not(excused[1:])).sum())
