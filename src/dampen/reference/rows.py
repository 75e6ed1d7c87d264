"""What techniques for tables and class targets compute, cell by cell.

`groups` says how a table is coded: for each source column the features that stand for it (a number; a number
and the mark that it is missing; one feature per category). What happens to a cell happens to all of them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Groups: TypeAlias = Sequence[Sequence[int]]


def input_noise(inputs: Array, noise: Array, stddev: float, std: Array, left_out: Collection[int] = ()) -> Array:
    """x <- x + stddev * std_feature * e, e ~ N(0, 1)

    inputs: (N, F), NaN where a number is missing, which it stays. noise: e, (N, F). std: (F,), each feature's
    standard deviation in the training part, 0 where it never varies. left_out: features that are 0 or 1.
    Bishop, Training with Noise is Equivalent to Tikhonov Regularization, 1995.
    """
    noisy = inputs.copy()
    for n, feature in np.ndindex(inputs.shape):
        if feature not in left_out and not math.isnan(inputs[n, feature]):
            noisy[n, feature] += stddev * std[feature] * noise[n, feature]
    return noisy


def swap_noise(inputs: Array, uniform: Array, rate: float, groups: Groups) -> Array:
    """cell <- the same column's cell of another row, with probability rate

    One uniform number per cell decides twice. Below `rate` the cell is swapped; the stretch from 0 to `rate` is cut
    into N - 1 equal pieces, and the k-th piece means the row k + 1 places further on (after the last comes the
    first), so that all other rows are as likely.

    inputs: (N, F). uniform: (N, columns) in [0, 1). Returns (N, F).
    Yoon et al., VIME: Extending the Success of Self- and Semi-supervised Learning to Tabular Domain, 2020, section 4.1.
    """
    num_rows = len(inputs)
    swapped = inputs.copy()
    for n in range(num_rows):
        for column, features in enumerate(groups):
            for k in range(num_rows - 1):
                if k / (num_rows - 1) * rate <= uniform[n, column] < (k + 1) / (num_rows - 1) * rate:
                    for feature in features:
                        swapped[n, feature] = inputs[(n + k + 1) % num_rows, feature]
    return swapped


def feature_mask(inputs: Array, uniform: Array, rate: float, groups: Groups, unknown: Array) -> Array:
    """cell <- what stands for nothing known, with probability rate

    inputs: (N, F). uniform: (N, columns) in [0, 1); below `rate` the cell is hidden. unknown: (F,), a row of which
    nothing is known: the mean for a number and 1 for its mark of a missing cell, 1 for the missing category of a
    column that has one, else 0.
    Kadra et al., Well-tuned Simple Nets Excel on Tabular Datasets, 2021.
    """
    masked = inputs.copy()
    for n in range(len(inputs)):
        for column, features in enumerate(groups):
            if uniform[n, column] < rate:
                for feature in features:
                    masked[n, feature] = unknown[feature]
    return masked


def tabular_cutmix(
    inputs: Array,
    targets: Array,
    weights: Array,
    *,
    mix: float,
    uniform: float,
    probability: float,
    partner: NDArray[np.int64],
    order: NDArray[np.int64],
    groups: Groups,
) -> tuple[Array, Array, Array]:
    """x[columns] <- x[partner][columns]; targets and example weights are blended by the share of columns that stayed

    The share that leaves, 1 - mix, is rounded down to whole columns. So the targets follow what was done, not
    what was drawn.

    inputs: (N, F). targets: (N, C). weights: (N,). mix: one number in [0, 1] from Beta(alpha, alpha). uniform: one
    number; the batch is mixed where it is below `probability`. partner: (N,), an order of the rows. order: (columns,),
    a random rank for each column; the lowest ones leave.
    Kadra et al., Well-tuned Simple Nets Excel on Tabular Datasets, 2021; Yun et al., CutMix, 2019.
    """
    num_columns = len(groups)
    num_swapped = math.floor((1 - mix) * num_columns) if uniform < probability else 0
    kept = (num_columns - num_swapped) / num_columns
    mixed = inputs.copy()
    for n, other in enumerate(partner):
        for column, features in enumerate(groups):
            if order[column] < num_swapped:
                for feature in features:
                    mixed[n, feature] = inputs[other, feature]
    blended = [
        np.stack([kept * part[n] + (1 - kept) * part[other] for n, other in enumerate(partner)])
        for part in (targets, weights)
    ]
    return mixed, blended[0], blended[1]


def disturb_label(targets: Array, uniform: Array, rate: float) -> Array:
    """target <- one-hot(c), c uniform over all C classes, with probability rate

    One uniform number per example decides twice: the stretch from 0 to `rate` is cut into C equal pieces, one for
    each class, the true one among them; above it the target stays.

    targets: (N, C). uniform: (N,) in [0, 1). Returns (N, C).
    Xie et al., DisturbLabel: Regularizing CNN on the Loss Layer, 2016, section 3.
    """
    num_examples, num_classes = targets.shape
    disturbed = targets.copy()
    for n in range(num_examples):
        for c in range(num_classes):
            if c / num_classes * rate <= uniform[n] < (c + 1) / num_classes * rate:
                disturbed[n] = 0
                disturbed[n, c] = 1
    return disturbed
