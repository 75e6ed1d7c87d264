"""Series that tests use: made ones, and real ones where the shared sets are."""

import numpy as np
import pytest
import torch
from helpers import a_batch, an_at
from tabular_sets import SHARED

from dampen.contracts import Batch
from dampen.data import facts_of
from dampen.data.dataset import from_arrays
from dampen.randomness import make_key

FOLDER = SHARED / "timeseries"
needs_series = pytest.mark.skipif(not (FOLDER / "OSULeaf.npz").exists(), reason=f"no series in {FOLDER}")


def series_set(name):
    """ItalyPowerDemand: 24 hours of power demand, summer or winter. OSULeaf: outlines of leaves, 427 points."""
    with np.load(FOLDER / f"{name}.npz") as part:
        return from_arrays(part["x_train"], part["y_train"], part["x_test"], part["y_test"], name=name)


def training_batch(name):
    """The training part as one batch, and the `at` with facts of it; float64."""
    data = series_set(name)
    rows = len(data.inputs) - len(data.test_rows)
    inputs, targets = data.inputs[:rows].double(), data.targets[:rows].double()
    return Batch(inputs, targets, torch.ones(rows).double()), an_at(facts=facts_of(inputs, targets, "classes"))


def some_series(*shape):
    """A batch of series whose channels have unlike scales and means, and the `at` with facts of it."""
    channels = torch.arange(shape[1], dtype=torch.float64)[:, None]
    batch = a_batch(*shape)
    batch = batch._replace(inputs=batch.inputs * 10**channels + 5 * channels)
    return batch, an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))


def changed(technique, batch, at, step=5):
    draws = technique.draw(batch, make_key(3, step), at)
    return technique.batch(batch, draws, at), draws
