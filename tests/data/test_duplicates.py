import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_wine

from dampen.data import Split, load, split
from dampen.data.dataset import from_arrays
from dampen.data.duplicates import Duplicates, Overlap, duplicates, sentence
from dampen.data.idx import load_idx

SHARED = Path(__file__).parents[3] / "shared" / "data"
DIGITS, WINE = load_digits(), load_wine()
NOTHING = "No test or validation row stands in the training part, exactly or nearly."


def planted(inputs, targets, change, count=30, seed=0):
    """The data with `count` rows of the training part, changed, in place of test rows; and the pairs planted."""
    data = from_arrays(inputs, targets)
    parts = split(data, seed)
    generator = np.random.default_rng(seed)
    there = generator.choice(parts.train.numpy(), count, replace=False)
    here = parts.test.numpy()[:count]
    values = np.array(inputs, dtype=np.float64)
    values[here] = change(values[there], generator)
    labels = np.array(targets)
    return from_arrays(values, labels), parts, dict(zip(here.tolist(), there.tolist(), strict=True))


def everything_found(overlap, pairs):
    assert set(overlap.pairs) <= set(pairs.items())
    assert overlap.pairs


@pytest.mark.parametrize("seed", range(3))
def test_planted_copies_are_found_and_their_labels_compared(seed):
    data, parts, pairs = planted(DIGITS.images[:, None], DIGITS.target, lambda rows, _: rows, seed=seed)

    found = duplicates(data, parts)

    differ = sum(DIGITS.target[here] != DIGITS.target[there] for here, there in pairs.items())
    assert (found.test.num_rows, found.test.exact, found.test.near) == (len(parts.test), 30, 0)
    assert found.test.other_label == differ > 0
    assert found.validation == Overlap(len(parts.validation))
    everything_found(found.test, pairs)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows, _: rows + 0.15,
        lambda rows, generator: rows + 0.15 * generator.standard_normal(rows.shape),
        lambda rows, _: rows * 0.98,
    ],
    ids=["brighter", "noisy", "darker"],
)
def test_planted_near_copies_of_images_are_found(change):
    """Grey values of the digits go from 0 to 16."""
    data, parts, pairs = planted(DIGITS.images[:, None], DIGITS.target, change)

    found = duplicates(data, parts)

    assert (found.test.exact, found.test.near, found.validation.found) == (0, 30, 0)
    everything_found(found.test, pairs)


def test_near_copies_in_a_table_are_found_whatever_the_units_of_its_columns():
    units = np.array([1e-6, 1e6, 1.0] * 4 + [1e3])
    deviation = (WINE.data * units).std(0)

    def change(rows, generator):
        return rows + 0.005 * deviation * generator.standard_normal(rows.shape)

    data, parts, pairs = planted(WINE.data * units, WINE.target, change, count=20)

    found = duplicates(data, parts)

    assert (found.test.exact, found.test.near, found.validation.found) == (0, 20, 0)
    everything_found(found.test, pairs)


def test_of_several_near_copies_the_nearest_is_named():
    deviation = WINE.data.std(0)
    copies = [WINE.data[7] + share * deviation for share in (0.012, 0.004, 0.008)]
    data = from_arrays(np.concatenate([WINE.data, copies]), np.concatenate([WINE.target, WINE.target[[7] * 3]]))
    train = torch.tensor([row for row in range(181) if row not in (7, 8)])

    found = duplicates(data, Split(train, torch.tensor([8]), torch.tensor([7])))

    assert found.test.pairs == ((7, 179),)


def test_no_row_of_the_digits_stands_in_two_parts():
    """By brute force: the closest two images of the digits are far from equal."""
    data = load("digits")

    found = duplicates(data, split(data, 0))

    assert sentence(found) == NOTHING
    assert found == Duplicates(Overlap(len(split(data, 0).test)), Overlap(len(split(data, 0).validation)))


def test_exact_copies_are_those_of_a_search_by_brute_force():
    """Wine to whole numbers, four columns: many rows are equal."""
    rounded = np.round(WINE.data[:, [0, 2, 7, 8]])
    data = from_arrays(rounded, WINE.target)
    parts = split(data, 0)

    found = duplicates(data, parts)

    for overlap, rows in ((found.test, parts.test), (found.validation, parts.validation)):
        equal = (rounded[rows][:, None] == rounded[parts.train][None]).all(-1)
        other = equal & (WINE.target[rows][:, None] != WINE.target[parts.train][None])
        assert overlap.exact == equal.any(1).sum() > 5
        assert overlap.other_label == other.any(1).sum() > 0
        assert all((rounded[here] == rounded[there]).all() for here, there in overlap.pairs[: overlap.exact])


def test_missing_equals_missing_and_nothing_else():
    inputs = WINE.data.astype(np.float32)
    data = from_arrays(inputs, WINE.target)
    inputs = inputs.copy()
    inputs[[0, 1, 2], 3] = np.nan
    inputs[1], inputs[2, :3] = inputs[0], inputs[0, :3]
    inputs[5, 0] = inputs[:, 0].mean()
    inputs[4], inputs[4, 0] = inputs[5], np.nan
    data = dataclasses.replace(data, inputs=torch.from_numpy(inputs))
    rest = torch.arange(5, 178)

    found = duplicates(data, Split(torch.cat([torch.tensor([0]), rest]), torch.tensor([2, 4]), torch.tensor([1, 3])))

    assert (found.test.exact, found.test.pairs) == (1, ((1, 0),))
    assert found.validation.found == 0, "a row that lacks a value is not the row that has it"


def test_minus_zero_is_zero():
    inputs = WINE.data.copy()
    inputs[0, 0], inputs[1, 0], inputs[0, 1:] = 0.0, -0.0, inputs[1, 1:]
    data = from_arrays(inputs, WINE.target)

    found = duplicates(data, Split(torch.arange(1, 170), torch.arange(170, 178), torch.tensor([0])))

    assert (found.test.exact, found.test.pairs) == (1, ((0, 1),))


def test_numbers_as_targets_have_another_label_where_they_differ():
    inputs = np.concatenate([WINE.data, WINE.data[:10]])
    targets = np.concatenate([WINE.data[:, 0], WINE.data[:4, 0], WINE.data[4:10, 0] + 1])
    data = from_arrays(inputs, targets)

    found = duplicates(data, Split(torch.arange(0, 170), torch.arange(170, 178), torch.arange(178, 188)))

    assert (found.test.exact, found.test.other_label) == (10, 6)


def test_rows_that_agree_in_categories_and_are_close_in_the_one_number_are_ordinary():
    generator = np.random.default_rng(0)
    inputs = np.column_stack([generator.integers(0, 3, (5000, 8)), generator.standard_normal(5000)])

    found = duplicates(data := from_arrays(inputs, np.arange(5000) % 2), split(data, 0))

    assert found.test.near + found.validation.near <= 2


def test_one_column_has_no_near_duplicates_by_chance():
    data = from_arrays(np.random.default_rng(0).standard_normal((20_000, 1)), np.arange(20_000) % 2)

    found = duplicates(data, split(data, 0))

    assert found.test.near + found.validation.near <= 8, "one in 10,000 of 8,000 rows, or little more"


def test_the_same_data_give_the_same_answer_and_stay_as_they_are():
    data = load("digits")
    before = data.inputs.clone()

    assert duplicates(data, split(data, 1)) == duplicates(data, split(data, 1))
    torch.testing.assert_close(data.inputs, before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Duplicates(Overlap(100), Overlap(80)), NOTHING),
        (
            Duplicates(Overlap(1000, 8, 4, 1), Overlap(80)),
            "12 of 1,000 test rows (1.2 %) also stand in the training part: 8 exactly, 4 nearly; 1 with another label.",
        ),
        (
            Duplicates(Overlap(10_000, 0, 3), Overlap(8000, 1, 0)),
            "3 of 10,000 test rows (under 0.1 %) and 1 of 8,000 validation rows (under 0.1 %) also stand in the "
            "training part: 1 exactly, 3 nearly.",
        ),
    ],
)
def test_the_sentence(found, expected):
    assert sentence(found) == expected


# ------------------------------------------------------------------ MNIST


@pytest.fixture(scope="module")
def mnist():
    if not SHARED.is_dir():
        pytest.skip("the shared data sets are not here")
    return load_idx(SHARED / "mnist")


@pytest.mark.slow
def test_clean_mnist_raises_no_false_alarm_as_brute_force_confirms(mnist):
    parts = split(mnist, 0)

    began = time.perf_counter()
    found = duplicates(mnist, parts)
    seconds = time.perf_counter() - began

    sample = mnist.inputs[parts.test[::50]].flatten(1).float()
    closest = torch.cdist(sample, mnist.inputs[parts.train].flatten(1).float()).min()
    assert sentence(found) == NOTHING
    assert closest > 200, "grey values over 784 pixels: the closest two differ by 7 a pixel"
    assert seconds < 20


@pytest.mark.slow
def test_copies_planted_into_mnist_are_found_brighter_noisy_or_as_they_are(mnist):
    parts = split(mnist, 0)
    generator = np.random.default_rng(0)
    here, there = parts.test[:300].numpy(), generator.choice(parts.train.numpy(), 300, replace=False)
    inputs = mnist.inputs.numpy().copy()
    rows = inputs[there].astype(float)
    rows[100:200] += 1
    rows[200:] += 2 * generator.standard_normal(rows[200:].shape)
    inputs[here] = rows.round().clip(0, 255)

    found = duplicates(dataclasses.replace(mnist, inputs=torch.from_numpy(inputs)), parts)

    assert (found.test.exact, found.test.near, found.validation.found) == (100, 200, 0)
    assert set(found.test.pairs) <= set(zip(here.tolist(), there.tolist(), strict=True))
