"""Series of unequal lengths: in lists, with NaN at their ends, in archives, and where a trained network takes them."""

import numpy as np
import pytest
import torch
from helpers import agrees

from dampen import MLP, DampenError, fit
from dampen.data import as_dataset, open_data
from dampen.data.dataset import from_arrays
from dampen.data.signature import Signature, encoded
from dampen.data.unlabelled import open_rows

NOTE = "Series of unequal lengths: padded with their mean, from 2 to 5 steps."
CLASSES = np.arange(8) % 2
SERIES = [[1.0, 3.0], [2.0, 4.0, 9.0], [1.0, 2.0, 3.0, 6.0], [5.0, 4.0, 3.0, 2.0, 1.0]] * 2
PADDED = [
    [1.0, 3.0, 2.0, 2.0, 2.0],
    [2.0, 4.0, 9.0, 5.0, 5.0],
    [1.0, 2.0, 3.0, 6.0, 3.0],
    [5.0, 4.0, 3.0, 2.0, 1.0],
] * 2


def ended_by_nan(series=SERIES, length=5):
    array = np.full((len(series), 1, length), np.nan)
    for row, values in zip(array, series, strict=True):
        row[0, : len(values)] = values
    return array


def holds(inputs, expected):
    agrees(inputs.double(), np.array(expected, dtype=np.float64), rtol=1e-6)


FORMS = {
    "arrays": lambda: [np.array(series) for series in SERIES],
    "a tuple of tensors": lambda: tuple(torch.tensor(series) for series in SERIES),
    "one channel each": lambda: [np.array([series], dtype=np.float32) for series in SERIES],
    "whole numbers": lambda: [np.array(series, dtype=np.int16) for series in SERIES],
    "an array of arrays": lambda: np.array([np.array(series) for series in SERIES], dtype=object),
    "NaN at the ends": ended_by_nan,
    "a tensor with NaN at the ends": lambda: torch.from_numpy(ended_by_nan()).float(),
}


@pytest.mark.parametrize("form", FORMS)
def test_short_series_end_in_their_own_mean_and_it_is_said(form):
    data = from_arrays(FORMS[form](), CLASSES)

    holds(data.inputs[:, 0], PADDED)
    assert data.inputs.shape == (8, 1, 5)
    assert data.notes == (NOTE,)
    assert "series" in data.words


def test_each_channel_has_its_own_mean_and_numbers_as_targets_are_welcome():
    series = [np.array([np.arange(count), 1000.1 + np.arange(count)]) for count in (4, 2, 3, 4, 4, 4)]

    data = as_dataset((series, np.arange(6) / 2))

    holds(data.inputs[1], [[0, 1, 0.5, 0.5], [1000.1, 1001.1, 1000.6, 1000.6]])
    assert data.task == "numbers"
    assert data.notes == ("Series of unequal lengths: padded with their mean, from 2 to 4 steps.",)


def test_channels_may_end_at_different_steps():
    array = ended_by_nan().repeat(2, axis=1)
    array[:, 1] = 7.0
    array[0, 1, 1:] = np.nan

    data = from_arrays(array, CLASSES)

    holds(data.inputs[0], [PADDED[0], [7.0] * 5])
    assert data.notes == (NOTE.replace("from 2", "from 1"),)


def test_a_test_part_is_as_long_as_the_training_part():
    own, shorter = FORMS["arrays"](), np.array([[[2.0, 4.0]], [[4.0, 8.0]]])

    data = from_arrays(own, CLASSES, shorter, [0, 1])
    other = from_arrays(shorter.repeat(4, axis=0), CLASSES, [np.array([1.0]), np.array([1.0, 2.0, 6.0])], [0, 1])

    holds(data.inputs[8:, 0], [[2, 4, 3, 3, 3], [4, 8, 6, 6, 6]])
    holds(data.inputs[:8, 0], PADDED)
    assert data.notes == (NOTE,)
    holds(other.inputs[[0, 8, 9], 0], [[2, 4, 3], [1, 1, 1], [1, 2, 6]])
    assert other.notes == ("Series of unequal lengths: padded with their mean, from 1 to 3 steps.",)


def test_the_units_of_a_series_do_not_matter():
    """With 100 added, and 10 times as large, the same network learns the same."""
    draw = np.random.default_rng(0)
    series = [draw.normal(size=count) for count in draw.integers(3, 9, 60)]
    labels = np.array([values.mean() > 0 for values in series])

    scores = [
        fit(MLP((8,)), from_arrays([scale * values + shift for values in series], labels), epochs=3).test["loss"]
        for scale, shift in ((1.0, 0.0), (10.0, 100.0))
    ]

    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-3)


def test_arrays_without_nan_and_equal_rows_stay_what_they_were():
    whole = np.arange(48, dtype=np.float32).reshape(8, 1, 6)

    assert from_arrays(whole, CLASSES).notes == ()
    assert np.shares_memory(from_arrays(whole, CLASSES).inputs.numpy(), whole)
    assert from_arrays([np.arange(6.0) + row for row in range(8)], CLASSES).inputs.shape == (8, 6)


def test_archives_end_short_series_with_nan(tmp_path):
    np.savez(tmp_path / "one.npz", X=ended_by_nan(), y=CLASSES)
    np.savez(tmp_path / "floats.npz", X=ended_by_nan(SERIES * 10), y=np.arange(80) % 2.0)
    np.savez(
        tmp_path / "parts.npz",
        x_train=ended_by_nan(),
        y_train=CLASSES,
        x_test=ended_by_nan(SERIES[:2]),
        y_test=CLASSES[:2],
        more=CLASSES,
    )

    data, parts = open_data(tmp_path / "one.npz"), open_data(tmp_path / "parts.npz")

    holds(data.inputs[:, 0], PADDED)
    assert data.notes == (NOTE,)
    holds(parts.inputs[8:, 0], PADDED[:2])
    assert parts.notes == (NOTE, "Arrays left out: more.")
    assert open_data(tmp_path / "floats.npz").notes[0] == NOTE
    assert len(open_data(tmp_path / "floats.npz").notes) == 2


# ------------------------------------------------------------------ where a trained network takes them


def test_new_rows_may_be_shorter_too(tmp_path):
    signature = Signature.of(from_arrays(FORMS["arrays"](), CLASSES))
    np.savez(tmp_path / "new.npz", X=ended_by_nan(SERIES[:3]))

    holds(encoded(signature, FORMS["arrays"]())[:, 0], PADDED)
    holds(encoded(signature, [np.array([1.0, 3.0])])[:, 0], PADDED[:1])
    holds(encoded(signature, ended_by_nan())[:, 0], PADDED)
    holds(open_rows(tmp_path / "new.npz", signature).inputs[:, 0], PADDED[:3])


def test_new_rows_that_are_longer_or_arrays_of_another_shape_are_refused():
    signature = Signature.of(from_arrays(FORMS["arrays"](), CLASSES))

    with pytest.raises(DampenError, match=r"must have shape \(rows, 1, 5\), as in training; got \(1, 1, 6\)"):
        encoded(signature, [np.arange(6.0)])
    with pytest.raises(DampenError, match=r"must have shape \(rows, 1, 5\), as in training; got \(8, 1, 4\)"):
        encoded(signature, np.zeros((8, 1, 4)))


def test_a_window_of_a_forecast_is_never_padded(tmp_path):
    (tmp_path / "series.csv").write_text("value\n" + "".join(f"{number**2 % 13}\n" for number in range(40)))
    signature = Signature.of(open_data(tmp_path / "series.csv", window=5))

    with pytest.raises(DampenError, match="inputs must be an array of numbers"):
        encoded(signature, [np.arange(4.0), np.arange(5.0)])


# ------------------------------------------------------------------ what is refused

HOLED = ended_by_nan()
HOLED[3, 0, 2] = np.nan
EMPTY = ended_by_nan()
EMPTY[3] = np.nan
ENDLESS = ended_by_nan()
ENDLESS[0, 0, :2] = np.inf, -np.inf
BAD = {
    "NaN in the middle": (HOLED, "inputs must be finite and below 3e38; got NaN, infinity or more in column 2 (1 row)"),
    "NaN at the beginning": (ended_by_nan()[..., ::-1].copy(), "inputs must be finite and below 3e38; got NaN, "),
    "nothing but NaN": (EMPTY, "inputs must be finite and below 3e38; got NaN, infinity or more in column 0 (1 row)"),
    "no step": ([np.ones(3)] * 7 + [np.ones(0)], "inputs must be finite and below 3e38; got NaN, infinity or more in "),
    "infinity": (ENDLESS, "inputs must be finite and below 3e38; got NaN, infinity or more in column 0 (1 row), "),
    "channels": (
        [np.ones((2, 3))] * 7 + [np.ones((3, 4))],
        "Series must all be of shape (steps,), or all (channels, steps) with as many channels; got (2, 3) and (3, 4).",
    ),
    "axes": (
        [np.ones(3)] * 7 + [np.ones((1, 3))],
        "Series must all be of shape (steps,), or all (channels, steps) with as many channels; got (3,) and (1, 3).",
    ),
    "texts": (
        [np.array(["a", "b"])] * 7 + [np.array(["c"])],
        "Series must be real numbers; got others. Turn them into ",
    ),
    "complex numbers": ([np.ones(2, complex)] * 7 + [np.ones(1)], "Series must be real numbers; got others. "),
    "lists of numbers": ([[1.0, 2.0]] * 7 + [[1.0]], "inputs must be an array; got rows of different lengths."),
    "images": (
        [np.ones((1, 3, 3))] * 7 + [np.ones((1, 4, 4))],
        "inputs must be an array; got rows of different lengths.",
    ),
    "a table": (
        np.where(np.arange(40).reshape(8, 5) == 4, np.nan, 1.0),
        "inputs must be finite and below 3e38; got NaN, infinity or more in ",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_such_series_is_refused_with_a_sentence(name):
    inputs, message = BAD[name]

    with pytest.raises(DampenError) as raised:
        from_arrays(inputs, CLASSES)

    assert str(raised.value).startswith(message)
