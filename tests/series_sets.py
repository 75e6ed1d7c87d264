"""Real series that tests read, where the shared sets are."""

import numpy as np
import pytest
import torch
from helpers import an_at
from tabular_sets import SHARED

from dampen.contracts import Batch
from dampen.data import facts_of
from dampen.data.dataset import from_arrays

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
