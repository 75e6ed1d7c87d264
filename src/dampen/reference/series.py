"""What techniques for series compute, time by time. All series are (N, C, T): examples, channels, times."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


def series_jitter(series: Array, noise: Array, stddev: float, std: Array) -> Array:
    """x <- x + stddev * std_channel * e, e ~ N(0, 1)

    noise: e, (N, C, T). std: (C,), of each channel in the training part, 0 where it never varies.
    Um et al., Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring, 2017.
    """
    noisy = series.copy()
    for n, channel, time in np.ndindex(series.shape):
        noisy[n, channel, time] += stddev * std[channel] * noise[n, channel, time]
    return noisy


def series_scaling(series: Array, noise: Array, stddev: float, mean: Array) -> Array:
    """x <- mean_channel + factor * (x - mean_channel), factor = 1 + stddev * e, e ~ N(0, 1)

    noise: e, (N, C), one for all times. mean: (C,), of each channel in the training part.
    Um et al., Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring, 2017.
    """
    scaled = np.zeros(series.shape)
    for n, channel, time in np.ndindex(series.shape):
        factor = 1 + stddev * noise[n, channel]
        scaled[n, channel, time] = mean[channel] + factor * (series[n, channel, time] - mean[channel])
    return scaled


def time_mask(series: Array, uniform: Array, max_fraction: float, mean: Array) -> Array:
    """x[:, start : start + length] <- mean_channel, length ~ U{0 .. max_fraction * T}

    uniform: (2, N) in [0, 1), for length and start. mean: (C,), of each channel in the training part.
    Park et al., SpecAugment, 2019, section 2.
    """
    masked = series.copy()
    for n in range(len(series)):
        start, stop = _interval(uniform[:, n], series.shape[-1], max_fraction)
        for channel in range(series.shape[1]):
            masked[n, channel, start:stop] = mean[channel]
    return masked


def spec_augment(
    series: Array, uniform: Array, time_mask_fraction: float, freq_mask_fraction: float, mean: Array
) -> Array:
    """A stretch of times and a band of channels become mean_channel

    uniform: (2, 2, N) in [0, 1), for length and start of the times, then of the band. mean: (C,).
    Park et al., SpecAugment, 2019, section 2.
    """
    masked = time_mask(series, uniform[0], time_mask_fraction, mean)
    for n in range(len(series)):
        start, stop = _interval(uniform[1, :, n], series.shape[1], freq_mask_fraction)
        for channel in range(start, stop):
            masked[n, channel] = mean[channel]
    return masked


def time_warp(series: Array, knots: Array, stddev: float) -> Array:
    """x(t) <- x(p(t)), p(0) = 0, p(T - 1) = T - 1, the speed of p proportional to exp(stddev * e)

    e is given at evenly spaced knots and is linear between them. The way from one time to the next is travelled at
    one speed; all of it is then stretched or shrunk to the length of the series.

    knots: e, (N, K), K at least 2, for the first and the last way and K - 2 between. Returns (N, C, T).
    Um et al., Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring, 2017.
    """
    warped = np.zeros(series.shape)
    length, num_knots = series.shape[-1], knots.shape[1]
    for n in range(len(series)):
        passed = [0.0]
        for way in range(length - 1):
            place = way / max(length - 2, 1) * (num_knots - 1)
            exponent = np.interp(place, np.arange(num_knots), knots[n])
            passed.append(passed[-1] + math.exp(stddev * exponent))
        for time in range(length):
            source = passed[time] / passed[-1] * (length - 1)
            for channel in range(series.shape[1]):
                warped[n, channel, time] = np.interp(source, np.arange(length), series[n, channel])
    return warped


def window_slice(series: Array, uniform: Array, fraction: float) -> Array:
    """x(t) <- x(start + (1 - fraction) * t), start ~ U(0, fraction * (T - 1))

    A window of the share 1 - fraction of the time, read at T evenly spaced places.

    uniform: (N,) in [0, 1), for the start. Returns (N, C, T).
    Le Guennec et al., Data Augmentation for Time Series Classification using Convolutional Neural Networks, 2016.
    """
    sliced = np.zeros(series.shape)
    length = series.shape[-1]
    for n in range(len(series)):
        start = uniform[n] * fraction * (length - 1)
        for place, source in enumerate(np.linspace(start, start + (1 - fraction) * (length - 1), length)):
            for channel in range(series.shape[1]):
                sliced[n, channel, place] = np.interp(source, np.arange(length), series[n, channel])
    return sliced


def _interval(uniform: Array, size: int, fraction: float) -> tuple[int, int]:
    """(first, one past the last): a length from 0 to the rounded fraction * size and a start where it fits, each
    chosen by a uniform number among equally likely ones."""
    lengths = range(round(fraction * size) + 1)
    length = lengths[int(uniform[0] * len(lengths))]
    starts = range(size - length + 1)
    start = starts[int(uniform[1] * len(starts))]
    return start, start + length
