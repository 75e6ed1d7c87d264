"""Which rows train, which choose, which judge: decided by the seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .dataset import Dataset

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.2


class Split(NamedTuple):
    """Row numbers, int64, in order."""

    train: Tensor
    validation: Tensor
    test: Tensor


def split(data: Dataset, seed: int) -> Split:
    """60 % train, 20 % validation, 20 % test of every class, at least one row of it each; where the data set brings
    its own test part, that one stays and 80 % / 20 % of the other rows train and validate.

    How many rows each part has does not depend on the seed: members of different seeds can share a pack.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = np.arange(len(data.inputs))
    own_test = None if data.test_rows is None else data.test_rows.numpy()
    rest = rows if own_test is None else np.setdiff1d(rows, own_test)
    labels = data.targets.argmax(1).numpy() if data.task == "classes" else np.zeros(len(rows), dtype=int)
    fractions = (TEST_FRACTION if own_test is None else 0.0, VALIDATION_FRACTION)
    test, validation, train = [], [], []
    for label in np.unique(labels[rest]):
        members = generator.permutation(rest[labels[rest] == label])
        first, second = (max(1, round(fraction * len(members))) if fraction else 0 for fraction in fractions)
        test.append(members[:first])
        validation.append(members[first : first + second])
        train.append(members[first + second :])
    parts = (train, validation, test if own_test is None else [own_test])
    return Split(*(torch.from_numpy(np.sort(np.concatenate(part))) for part in parts))
