"""Westfall and Young's single-step max-T under joint sign flips, and the interval that inverts it.

Differences have shape (m recipes, n seeds), flips (F, n). Under the null hypothesis a recipe and the baseline
could swap names on any seed, so every flip of the signs gives a table that is as likely as the one observed.
One flip turns the same seeds of all recipes: that keeps the noise which they share through the baseline.

P. H. Westfall and S. S. Young, Resampling-Based Multiple Testing, 1993, section 2.3 (single-step maxT).
J. A. Hartigan, Using subsample values as typical values, JASA 64, 1969 (the interval of one recipe).
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ALPHA = 0.05
MOST_SEEDS_IN_FULL = 12  # 2^12 = 4,096 flips; above, a sample
NUM_RANDOM_FLIPS = 10_000
FLIP_SEED = 20_250_101  # any fixed number: the same scores give the same p on every machine
ROUNDING = 1e-9  # cosines closer than this are equal: a flip that repeats the observed table has to count


@lru_cache(maxsize=8)
def sign_flips(num_seeds: int) -> Array:
    """All 2^n rows of signs if n <= 12, else 10,000 random ones; the first row is the identity."""
    if num_seeds <= MOST_SEEDS_IN_FULL:
        flips = np.array(list(product((1.0, -1.0), repeat=num_seeds)))
    else:
        generator = np.random.default_rng(np.random.SeedSequence(FLIP_SEED))
        flips = generator.choice((1.0, -1.0), size=(NUM_RANDOM_FLIPS, num_seeds))
        flips[0] = 1.0
    flips.flags.writeable = False
    return flips


def cosines(flips: Array, differences: Array) -> Array:
    """|mean(s d)| / rms(d) for every flip s and recipe d, shape (F, m); 0/0 counts as 0.

    This is |cos| of the angle between s and d. It stands in for |t|, which grows with it,
    t = cos sqrt((n - 1) / (1 - cos^2)), is 1 where t is infinite and loses no variance to cancellation.
    """
    length = np.sqrt(differences.shape[1] * np.square(differences).sum(axis=1, keepdims=True))
    directions = differences / np.where(length > 0, length, 1.0)
    return np.asarray(np.abs(flips @ directions.T), dtype=np.float64)


def corrected_p(differences: Array) -> Array:
    """p_j = share of the flips with max over k of |t*_k| >= |t_j|, shape (m,)."""
    statistics = cosines(sign_flips(differences.shape[1]), differences)
    largest = statistics.max(axis=1, keepdims=True)
    return np.asarray((largest >= statistics[0] - ROUNDING).mean(axis=0), dtype=np.float64)


def simultaneous_interval(differences: Array) -> tuple[Array, Array]:
    """All delta with p_j(delta) > 0.05 when recipe j alone is shifted by -delta; low and high, each (m,)."""
    flips = sign_flips(differences.shape[1])
    statistics = cosines(flips, differences)
    low, high = np.empty(len(differences)), np.empty(len(differences))
    for j, row in enumerate(differences):
        rivals = np.delete(statistics, j, axis=1).max(axis=1, initial=0.0)
        low[j] = 0.0 - _reach(flips, -row, rivals)
        high[j] = _reach(flips, row, rivals)
    # A bound that ties with 0 may land on its wrong side in the last digit; the p-value decides.
    undecided = corrected_p(differences) > ALPHA
    return np.where(undecided, np.minimum(low, 0.0), low), np.where(undecided, np.maximum(high, 0.0), high)


def standard_error(differences: Array) -> Array:
    """sd / sqrt(n) over the last axis; a single seed has spread 0."""
    n = differences.shape[-1]
    deviations = differences - differences.mean(axis=-1, keepdims=True)
    return np.asarray(np.sqrt(np.square(deviations).sum(axis=-1) / (n * max(n - 1, 1))), dtype=np.float64)


def _reach(flips: Array, row: Array, rivals: Array) -> float:
    """The largest delta that the test keeps, without a search: each flip counts up to a delta in closed form.

    For delta above the mean, and d = row - delta, a flip counts as long as
        |t*(d)| >= |t(d)|   <=>  delta <= the mean of the seeds it keeps, or of those it turns
        rival  >= |t(d)|    <=>  delta <= mean(row) + t(rival) sd / sqrt(n)
    and p(delta) > alpha as long as more than alpha F flips count.
    """
    reach = np.maximum(_subset_means(flips > 0, row), _subset_means(flips < 0, row))
    reach = np.maximum(reach, row.mean() + _margins(rivals, row))
    num_allowed = math.floor(ALPHA * len(flips) + ROUNDING)
    return float(np.sort(reach)[-1 - num_allowed])


def _subset_means(chosen: NDArray[np.bool_], row: Array) -> Array:
    """Mean of the chosen seeds, one per flip; a flip that chooses none counts at every delta: infinity."""
    sizes = chosen.sum(axis=1)
    return np.where(sizes > 0, (chosen @ row) / np.maximum(sizes, 1), np.inf)


def _margins(rivals: Array, row: Array) -> Array:
    """t(rival) sd / sqrt(n), the distance from the mean at which |t| falls level with the rival's."""
    endless = rivals >= 1.0 - ROUNDING
    t = rivals * np.sqrt((len(row) - 1) / np.where(endless, 1.0, 1.0 - np.square(rivals)))
    return np.where(endless, np.inf, t * standard_error(row))
