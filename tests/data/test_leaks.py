"""Nothing of validation and test part reaches training: chance stays chance, and all that is fitted is fitted on the
training rows alone."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch
from helpers import agrees
from tabular_sets import needs_shared, shared

from dampen import MLP
from dampen.data import load_table, open_data, split
from dampen.training.fit import fit

SEEDS = range(12)
ROWS = 600


def written(folder, seed):
    """A table in which nothing tells anything: numbers with missing cells, rare categories, labels by coin."""
    draw = np.random.default_rng(seed)
    frame = pl.DataFrame({f"n{i}": draw.standard_normal(ROWS).astype(np.float32) for i in range(6)})
    frame = frame.with_columns(
        pl.when(pl.Series(draw.random(ROWS) < 0.8)).then(pl.col("n0")).alias("n0"),
        pl.Series("word", [f"w{i}" for i in draw.integers(150, size=ROWS)]),
        pl.Series("label", np.array(["no", "yes"])[draw.integers(2, size=ROWS)]),
    )
    frame.write_csv(folder / f"noise{seed}.csv")
    return folder / f"noise{seed}.csv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("leaks")


@pytest.fixture(scope="module")
def noise(folder):
    return written(folder, 100)


@pytest.mark.parametrize("options", [{}, {"scale": "quantile", "categories": "embed"}], ids=["plain", "other"])
def test_from_noise_nothing_is_learned(folder, options):
    """Every seed with a table of its own: what one finite table shows by chance, all its splits show. Balanced
    accuracy: the more frequent label would be right more often than by chance."""
    scores = []
    for seed in SEEDS:
        data = load_table(written(folder, seed), target="label", **options)
        fitted = fit(MLP((16,)), data, seed=seed, epochs=6, batch_size=32, metric="balanced_accuracy")
        scores.append(fitted.test["metric"])

    standard_error = np.std(scores, ddof=1) / np.sqrt(len(scores))
    assert abs(np.mean(scores) - 0.5) < 2 * standard_error, scores


def stored(data, seed):
    """(what a trained model stores of its data, the same by NumPy from the training rows alone)"""
    model = fit(MLP((4,)), data, seed=seed, epochs=1, batch_size=64).model()
    part = data.inputs[split(data, seed).train].double().numpy()
    count = len(data.schema.numbers)
    numbers, binary = part[:, :count], np.zeros(part.shape[1] - count)
    expected = {"inputs_known": np.r_[np.ones(count), part[:, count:].any(0)]}
    if data.inputs.isnan().any():
        expected["inputs_fill"] = np.r_[np.nanmean(numbers, 0), binary]
    if data.schema.scale == "quantile":
        expected["inputs_quantiles"] = np.nanquantile(numbers, np.linspace(0, 1, 100), axis=0).T
    elif data.schema.scale == "robust":
        expected["inputs_quartiles"] = np.nanquantile(numbers, [0, 0.25, 0.5, 0.75, 1], axis=0).T
    elif data.schema.scale == "bins":
        expected["inputs_bins"] = np.nanquantile(numbers, np.linspace(0, 1, 25), axis=0).T
    else:
        expected |= {
            "inputs_mean": np.r_[np.nanmean(numbers, 0), binary],
            "inputs_std": np.r_[np.nanstd(numbers, 0), binary + 1],
        }
    if data.task == "numbers":
        targets = data.targets[split(data, seed).train].double().numpy()
        expected |= {"targets_mean": targets.mean(0), "targets_std": targets.std(0)}
    return {name: buffer.double() for name, buffer in model.named_buffers()}, expected


@pytest.mark.parametrize("scale", ["standard", "quantile", "robust", "bins"])
@pytest.mark.parametrize("seed", [0, 5])
def test_everything_stored_is_numpy_s_of_the_training_rows_alone(noise, scale, seed):
    ours, expected = stored(load_table(noise, target="label", scale=scale), seed)

    agrees(ours, expected, rtol=1e-5, atol=1e-6)
    assert 0 < expected["inputs_known"].mean() < 1, "some words are in other parts only"


def test_everything_stored_of_a_table_with_numbers_as_targets_too(noise):
    ours, expected = stored(load_table(noise, target="n3", task="numbers"), 2)

    agrees(ours, expected, rtol=1e-5, atol=1e-6)


@needs_shared
@pytest.mark.parametrize("name", ["adult", "anneal"])
def test_everything_stored_of_real_tables_too(name):
    ours, expected = stored(open_data(shared(name), target="target"), 0)

    agrees(ours, expected, rtol=1e-5, atol=1e-5)


def test_a_word_of_the_test_part_alone_changes_no_prediction(noise):
    """Its weights have learned nothing; they must not speak either."""
    data = load_table(noise, target="label")
    fitted = fit(MLP((16,)), data, seed=0, epochs=1, batch_size=64)
    model, parts = fitted.model(), split(data, 0)
    first = data.schema.spans[0][0]
    unseen = ~data.inputs[parts.train, first:].any(0)
    rows = data.inputs[parts.test][data.inputs[parts.test, first:][:, unseen].any(1)]
    blank = rows.clone()
    blank[:, first:] = 0

    assert len(rows)
    torch.testing.assert_close(model(rows), model(blank), rtol=0, atol=0)


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("options", [{}, {"scale": "quantile", "categories": "embed"}], ids=["plain", "other"])
def test_rows_of_the_other_parts_change_no_bit_of_what_is_trained(noise, monkeypatch, options, seed):
    """Sharper than any score: other cells and other labels outside the training part, the same weights."""
    data = load_table(noise, target="label", **options)
    parts = split(data, seed)
    monkeypatch.setattr("dampen.training.problem.split", lambda *_: parts)  # which labels decide, by class
    outside = torch.cat([parts.validation, parts.test])
    inputs, targets = data.inputs.clone(), data.targets.clone()
    inputs[outside] = inputs[outside.flip(0)]
    inputs[outside, :6] *= 100
    targets[outside] = targets[outside].flip(1)
    other = dataclasses.replace(data, inputs=inputs, targets=targets)
    nudged = data.inputs.clone()
    nudged[parts.train[0], 1] += 1

    def trained(data):
        fitted = fit(MLP((8,)), data, seed=seed, epochs=2, batch_size=64)
        return {**fitted.params, **fitted.buffers}

    ours = trained(data)
    for name, tensor in trained(other).items():
        torch.testing.assert_close(tensor, ours[name], rtol=0, atol=0)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(trained(dataclasses.replace(data, inputs=nudged)), ours, rtol=0, atol=0)
