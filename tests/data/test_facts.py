import numpy as np
import pytest
import torch
from helpers import agrees
from sklearn.datasets import load_diabetes, load_linnerud, load_wine
from sklearn.preprocessing import StandardScaler

from dampen.data import Facts, facts_of, load, split
from dampen.data.dataset import from_arrays
from dampen.data.facts import TENSORS

WINE = load_wine()


def training_part(data, seed=3):
    rows = split(data, seed).train
    return data.inputs[rows].double(), data.targets[rows].double()


def test_facts_of_a_table_are_numpy_s_per_column_on_the_training_rows_alone():
    data = from_arrays(WINE.data, WINE.target)
    inputs, targets = training_part(data)

    facts = facts_of(inputs, targets, "classes")

    rows = inputs.numpy()
    agrees([facts.mean, facts.std], [rows.mean(0), rows.std(0)])
    agrees([facts.low, facts.high], [rows.min(0), rows.max(0)])
    agrees(facts.prior, np.bincount(targets.argmax(1), minlength=3) / len(rows))
    agrees([facts.target_mean, facts.target_std], [np.zeros(3), np.ones(3)])
    assert (facts.num_rows, facts.num_inputs, facts.input_shape) == (len(rows), 13, (13,))
    assert (facts.num_outputs, facts.num_classes, facts.words) == (3, 3, {"classes"})
    assert np.abs(facts.mean.numpy() - WINE.data.mean(0)).max() > 0.1, "all rows would give other facts"


def test_standardising_with_the_facts_is_scikit_learn_s_scaler():
    inputs, targets = training_part(from_arrays(WINE.data, WINE.target))

    facts = facts_of(inputs, targets, "classes")

    agrees((inputs - facts.mean) / facts.std, StandardScaler().fit_transform(inputs.numpy()), rtol=1e-9)


def test_facts_of_images_are_numpy_s_per_channel():
    inputs, targets = training_part(load("digits"))
    inputs = torch.cat([inputs, 100 - 3 * inputs], 1)

    facts = facts_of(inputs, targets, "classes")

    images = inputs.numpy()
    over = (0, 2, 3)
    agrees(facts.mean, images.mean(over).reshape(2, 1, 1))
    agrees(facts.std, images.std(over).reshape(2, 1, 1))
    agrees(facts.low, images.min(over).reshape(2, 1, 1))
    agrees(facts.high, images.max(over).reshape(2, 1, 1))
    assert (facts.num_inputs, facts.input_shape, facts.words) == (128, (2, 8, 8), {"classes", "images"})


def test_a_series_has_a_fact_per_place():
    inputs, targets = training_part(load("digits"))

    facts = facts_of(inputs[:, 0], targets, "classes")

    agrees(facts.mean, inputs[:, 0].numpy().mean(0))
    assert facts.mean.shape == (8, 8)


@pytest.mark.parametrize("bunch", [load_diabetes(), load_linnerud()], ids=["one column", "three columns"])
def test_numbers_as_targets_have_a_mean_and_a_deviation_per_column(bunch):
    inputs, targets = training_part(from_arrays(bunch.data, bunch.target))

    facts = facts_of(inputs, targets, "numbers")

    agrees([facts.target_mean, facts.target_std], [targets.numpy().mean(0), targets.numpy().std(0)])
    assert (facts.num_outputs, facts.num_classes, facts.words) == (targets.shape[1], 0, frozenset())


@pytest.mark.parametrize("constant", [0.0, 7.0, -1e6, 1 / 3])
def test_a_column_that_never_varies_keeps_its_own_scale(constant):
    inputs, targets = training_part(from_arrays(WINE.data, WINE.target))
    inputs[:, 4] = constant

    facts = facts_of(inputs, targets, "classes")

    agrees(facts.std[4], 1.0)
    agrees(facts.mean[4], constant)


def test_a_target_column_that_never_varies_keeps_its_own_scale():
    bunch = load_linnerud()
    inputs, targets = training_part(from_arrays(bunch.data, bunch.target))
    targets[:, 1] = 5.0

    facts = facts_of(inputs, targets, "numbers")

    agrees([facts.target_mean[1], facts.target_std[1]], [5.0, 1.0])


def test_constant_pixels_of_single_precision_keep_their_own_scale_too():
    """Round-off in the mean must not become a deviation of 1e-8 that blows the column up."""
    inputs = torch.full((1000, 3), 0.1)
    inputs[:, 0] = torch.linspace(0, 1, 1000)

    facts = facts_of(inputs, torch.eye(2)[torch.arange(1000) % 2], "classes")

    agrees(facts.std[1:], torch.ones(2))


def test_one_training_row_has_facts_without_a_nan():
    facts = facts_of(torch.tensor([[2.0, 3.0]]), torch.tensor([[1.5]]), "numbers")

    agrees([facts.mean, facts.std], [torch.tensor([2.0, 3.0]), torch.ones(2)])
    agrees(facts.target_std, torch.ones(1))


def test_facts_carry_their_tensors_by_name():
    inputs, targets = training_part(from_arrays(WINE.data, WINE.target))

    tensors = facts_of(inputs, targets, "classes").tensors()

    assert list(tensors) == list(TENSORS)
    assert all(getattr(Facts, "__annotations__", {}).get(name) == "Tensor" for name in tensors)
