"""Batches are the same, resident or gathered ahead, as floats or kept as bytes."""

import dataclasses

import numpy as np
import pytest
import torch
from helpers import agrees

from dampen import MLP, Dropout, fit
from dampen.data.dataset import from_arrays
from dampen.errors import DampenError
from dampen.training.feed import AHEAD, Feed
from dampen.training.problem import Problem

CPU = torch.device("cpu")


def arrays(rows=90):
    generator = np.random.Generator(np.random.PCG64(0))
    images = generator.integers(0, 256, (rows, 1, 4, 4), dtype=np.uint8)
    return images, np.arange(rows) % 3


@pytest.mark.parametrize("steps", [1, AHEAD, 11])
@pytest.mark.parametrize("on_disk", [False, True])
def test_batches_are_rows_in_order(on_disk, steps):
    images, labels = arrays()
    targets = torch.eye(3)[labels]
    feed = Feed(torch.from_numpy(images), targets, torch.float32, CPU, on_disk)
    assert feed.streams == on_disk
    order = torch.randint(0, 90, (2, steps, 5), generator=torch.Generator().manual_seed(1))
    batches = list(feed.batches(order))
    assert len(batches) == steps
    for step, (inputs, wanted) in enumerate(batches):
        assert inputs.dtype == torch.float32
        agrees(inputs, images[order[:, step].numpy()].astype(np.float32), rtol=0, atol=0)
        agrees(wanted, targets[order[:, step]], rtol=0, atol=0)


def test_bytes_stay_bytes_until_they_are_asked_for():
    images, labels = arrays()
    feed = Feed(torch.from_numpy(images), torch.eye(3)[labels], torch.float64, CPU)
    assert feed.inputs.dtype == torch.uint8
    inputs, targets = feed.take(torch.arange(4)[None])
    assert (inputs.dtype, targets.dtype) == (torch.float64, torch.float64)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_training_from_disk_equals_one_from_memory(tmp_path, dtype):
    images, labels = arrays()
    path = tmp_path / "images.npy"
    np.save(path, images.astype(dtype))
    mapped = np.load(path, mmap_mode="r")
    data = from_arrays(mapped, labels)
    assert data.on_disk
    settings = {"epochs": 3, "batch_size": 8, "precision": "float32"}
    there = fit(MLP((8,)), data, Dropout(0.2), **settings)
    here = fit(MLP((8,)), (images.astype(np.float32), labels), Dropout(0.2), **settings)
    agrees(there.params, here.params, rtol=1e-6, atol=1e-6)


def test_what_is_on_disk_is_checked_as_well(tmp_path):
    images, labels = arrays()
    floats = images.astype(np.float32)
    floats[[3, 50], 0, 1, 2] = np.nan
    np.save(tmp_path / "images.npy", floats)
    with pytest.raises(DampenError, match=r"column 6 \(2 rows\)"):
        from_arrays(np.load(tmp_path / "images.npy", mmap_mode="r"), labels)


@pytest.mark.parametrize("on_disk", [False, True])
def test_token_ids_stay_whole_numbers_in_every_batch(on_disk):
    ids = torch.arange(90 * 4).view(90, 4) + 2**53  # which float64 could not hold
    feed = Feed(ids, torch.eye(3)[torch.arange(90) % 3], torch.float32, CPU, on_disk)

    inputs, targets = feed.take(torch.tensor([[3, 1], [89, 3]]))

    assert (inputs.dtype, targets.dtype) == (torch.int64, torch.float32)
    agrees(inputs, ids[torch.tensor([[3, 1], [89, 3]])], rtol=0, atol=0)


def test_an_example_has_no_more_rows_than_there_are():
    data = from_arrays(*arrays())
    few = dataclasses.replace(data, inputs=data.inputs[:3], targets=data.targets[:3])
    assert len(Problem(few, MLP((4,))).example(4)) == 3
    assert len(Problem(data, MLP((4,))).example(4)) == 4
