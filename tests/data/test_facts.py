import numpy as np
import polars as pl
import pytest
import torch
from helpers import agrees
from sklearn.datasets import load_diabetes, load_linnerud, load_wine
from sklearn.preprocessing import StandardScaler
from tabular_sets import wine

from dampen.data import Facts, facts_of, load, load_table, split
from dampen.data.dataset import from_arrays
from dampen.data.facts import TENSORS
from dampen.data.schema import Column, Schema

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
    assert (facts.num_outputs, facts.num_classes, facts.words) == (3, 3, {"classes", "continuous", "table"})
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
    assert (facts.num_inputs, facts.input_shape, facts.words) == (
        128,
        (2, 8, 8),
        {"classes", "continuous", "images", "places"},
    )


def test_a_series_has_facts_per_channel():
    inputs, targets = training_part(load("digits"))

    facts = facts_of(inputs[:, 0], targets, "classes")

    agrees(facts.mean, inputs[:, 0].numpy().mean((0, 2))[:, None])
    assert facts.mean.shape == (8, 1)


def test_the_covariance_of_what_becomes_of_the_training_rows_is_numpy_s():
    data = from_arrays(WINE.data, WINE.target)
    rows = split(data, 3).train
    facts = facts_of(data.inputs.double(), data.targets.double(), "classes", rows=rows)

    mean, covariance = facts.covariance(lambda x: (x - facts.mean) / facts.std)
    raw_mean, variances = facts.covariance(lambda x: x, diagonal=True)

    taken = data.inputs[rows].double().numpy()
    agrees([raw_mean, variances], [taken.mean(0), taken.var(0)])
    agrees(mean, np.zeros(13), atol=1e-10)
    agrees(covariance, np.corrcoef(taken.T), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bunch", [load_diabetes(), load_linnerud()], ids=["one column", "three columns"])
def test_numbers_as_targets_have_a_mean_and_a_deviation_per_column(bunch):
    inputs, targets = training_part(from_arrays(bunch.data, bunch.target))

    facts = facts_of(inputs, targets, "numbers")

    agrees([facts.target_mean, facts.target_std], [targets.numpy().mean(0), targets.numpy().std(0)])
    assert (facts.num_outputs, facts.num_classes, facts.words) == (targets.shape[1], 0, {"continuous", "table"})


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


def test_token_ids_are_names_without_a_scale_of_their_own():
    ids = torch.tensor([[2, 3, 7, 0], [4, 0, 0, 0], [1, 1, 6, 2]])

    facts = facts_of(ids, torch.eye(3)[[0, 1, 1]], "classes", rows=torch.tensor([0, 1]), num_tokens=9)

    agrees([facts.mean, facts.std, facts.low, facts.high], [torch.tensor(v) for v in (0.0, 1.0, 0.0, 8.0)])
    agrees(facts.prior, torch.tensor([0.5, 0.5, 0.0]))
    assert (facts.num_tokens, facts.input_shape, facts.num_rows, facts.words) == (9, (4,), 2, {"tokens", "classes"})


def test_texts_with_numbers_as_targets_answer_tokens_alone():
    facts = facts_of(torch.tensor([[2, 3], [4, 0]]), torch.tensor([[1.5], [0.5]]), "numbers", num_tokens=5)

    assert facts.words == {"tokens"}
    agrees(facts.target_mean, torch.ones(1))


# ------------------------------------------------------------------ tables: NumPy's on the training rows alone


@pytest.fixture(scope="module", params=["standard", "quantile", "robust", "bins"])
def table(request, tmp_path_factory):
    """Wine with missing cells, a category that one seed's training part lacks, and that part's rows."""
    frame = wine()
    rare = pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("cloudy")).otherwise(frame["body"])
    file = tmp_path_factory.mktemp("facts") / "wine.csv"
    frame.with_columns(rare.alias("body")).write_csv(file)
    data = load_table(file, target="kind", scale=request.param)
    seed = next(seed for seed in range(50) if 7 not in split(data, seed).train)
    return data, split(data, seed).train


def facts_of_part(data, rows):
    return facts_of(data.inputs.double(), data.targets.double(), data.task, rows=rows, schema=data.schema)


def test_facts_of_a_table_skip_missing_cells_and_leave_zeros_and_ones_as_they_are(table):
    data, rows = table

    facts = facts_of_part(data, rows)

    numbers = data.inputs[rows].double().numpy()[:, :13]
    binary = np.zeros(data.inputs.shape[1] - 13)
    agrees(facts.mean, np.r_[np.nanmean(numbers, 0), binary])
    agrees(facts.std, np.r_[np.nanstd(numbers, 0), binary + 1])
    agrees(facts.low[:13], np.nanmin(numbers, 0))
    agrees(facts.high[:13], np.nanmax(numbers, 0))
    agrees(facts.fill, facts.mean)
    assert np.isnan(numbers[:, 2]).any()
    everything = np.nanmean(data.inputs.double().numpy()[:, :13], 0)
    assert np.abs(everything - facts.mean[:13].numpy()).max() > 1e-3, "all rows would give other facts"


def test_the_vocabulary_is_the_training_part_s(table):
    data, rows = table

    facts = facts_of_part(data, rows)

    unknown = [name for name, known in zip(data.schema.features, facts.known.tolist(), strict=True) if not known]
    assert unknown == ["body = cloudy"]


def test_quantiles_are_numpy_s_of_the_training_rows_and_only_where_asked_for(table):
    data, rows = table

    facts = facts_of_part(data, rows)

    if data.schema.scale == "standard":
        assert facts.quantiles is None
        return
    numbers = data.inputs[rows].double().numpy()[:, :13]
    count = {"quantile": 100, "robust": 5, "bins": 25}[data.schema.scale]
    agrees(facts.quantiles, np.nanquantile(numbers, np.linspace(0, 1, count), axis=0).T, rtol=1e-9)


def test_quartiles_are_five_however_few_the_rows():
    inputs = torch.tensor([[1.0], [2.0], [4.0], [8.0]]).double()
    schema = Schema((Column("n", "number"),), scale="robust")

    facts = facts_of(inputs, torch.eye(2).double()[[0, 1, 0, 1]], "classes", schema=schema)

    agrees(facts.quantiles, np.quantile(inputs.numpy(), [0, 0.25, 0.5, 0.75, 1], axis=0).T)


def test_facts_in_chunks_are_the_facts_of_all_rows(table, monkeypatch):
    data, rows = table
    whole = facts_of_part(data, rows)

    monkeypatch.setattr("dampen.data.facts.CHUNK_NUMBERS", 5 * data.inputs.shape[1])

    agrees(facts_of_part(data, rows).tensors(), whole.tensors(), rtol=1e-10)


def test_a_column_without_a_number_in_the_training_part_says_nothing(table):
    data, rows = table
    inputs = data.inputs.double()
    inputs[rows, 2] = np.nan

    facts = facts_of(inputs, data.targets.double(), data.task, rows=rows, schema=data.schema)

    agrees([facts.mean[2], facts.std[2], facts.fill[2], facts.known[2]], [0.0, 1.0, 0.0, 0.0])


def test_facts_of_plain_arrays_carry_nothing_of_tables():
    data = from_arrays(WINE.data, WINE.target)

    assert set(facts_of(data.inputs, data.targets, data.task).tensors()) == set(TENSORS)


def test_facts_of_whole_pixels_are_those_of_the_same_numbers():
    images = load("digits")
    pixels = from_arrays(images.inputs.to(torch.uint8), images.targets.argmax(1))
    rows = split(images, 0).train

    facts = facts_of(pixels.inputs, pixels.targets, "classes", rows=rows)

    assert pixels.inputs.dtype == torch.uint8
    assert pixels.fingerprint != images.fingerprint
    agrees(facts.tensors(), facts_of(images.inputs[rows], images.targets[rows], "classes").tensors(), rtol=1e-6)
