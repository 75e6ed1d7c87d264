"""Which rows train, which choose, which judge: decided by the seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from .dataset import Dataset

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.2


class Split(NamedTuple):
    """Row numbers, int64."""

    train: Tensor
    validation: Tensor
    test: Tensor


def split(data: Dataset, seed: int) -> Split:
    """60 % train, 20 % validation, 20 % test, stratified by class; where the data set brings its own test part,
    that one stays and 80 % / 20 % of the other rows train and validate."""
    rows = np.arange(len(data.inputs))
    if data.test_rows is None:
        rest, test = _cut(data, rows, TEST_FRACTION, seed)
        train, validation = _cut(data, rest, VALIDATION_FRACTION / (1 - TEST_FRACTION), seed)
    else:
        test = data.test_rows.numpy()
        train, validation = _cut(data, np.setdiff1d(rows, test), VALIDATION_FRACTION, seed)
    return Split(*(torch.from_numpy(np.sort(part)) for part in (train, validation, test)))


def _cut(data: Dataset, rows: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    classes = data.targets[torch.from_numpy(rows)].argmax(1).numpy() if data.task == "classes" else None
    first, second = train_test_split(rows, test_size=fraction, random_state=seed, stratify=classes)
    return first, second
