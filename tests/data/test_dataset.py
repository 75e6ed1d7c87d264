import numpy as np
import pytest
import torch
from helpers import agrees
from sklearn.datasets import load_diabetes, load_digits, load_linnerud, load_wine

from dampen import DampenError
from dampen.data import as_dataset, load
from dampen.data.dataset import from_arrays

WINE = load_wine()
"""178 real wines: 13 columns, three classes of 59, 71 and 48 rows."""
WANTED = "inputs must be real numbers of shape (rows, ...), at least one column"
FINITE = "must be finite and below 3e38; got NaN, infinity or more in"


def wine(rows=slice(None)):
    return WINE.data[rows].copy(), WINE.target[rows].copy()


def refusal(*arrays, **others):
    with pytest.raises(DampenError) as raised:
        from_arrays(*arrays, **others)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


# ------------------------------------------------------------------ what comes in


def test_digits_are_scikit_learn_s_own_images_and_labels():
    bunch = load_digits()

    data = load("digits")

    agrees(data.inputs, bunch.images[:, None].astype(np.float32))
    agrees(data.targets, np.eye(10, dtype=np.float32)[bunch.target])
    assert (data.name, data.task, data.protocol) == ("digits", "classes", "resampled")
    assert data.classes == tuple("0123456789")
    assert data.input_shape == (1, 8, 8)
    assert data.words == {"classes", "continuous", "images", "places"}
    assert data.describe() == "digits: 1797 rows, inputs 1 x 8 x 8, 10 classes"


@pytest.mark.parametrize("wrap", [lambda a: a, torch.from_numpy, np.ndarray.tolist], ids=["numpy", "torch", "lists"])
def test_arrays_tensors_and_lists_are_the_same_data(wrap):
    inputs, targets = wine()

    data = from_arrays(wrap(inputs), wrap(targets))

    agrees(data.inputs, inputs.astype(np.float32))
    agrees(data.targets, np.eye(3, dtype=np.float32)[targets])
    assert (data.task, data.classes, data.words) == ("classes", ("0", "1", "2"), {"classes", "continuous", "table"})


def test_a_tensor_that_needs_gradients_or_of_half_precision_is_read():
    inputs, targets = wine()

    needs = from_arrays(torch.from_numpy(inputs).requires_grad_(), targets)
    half = from_arrays(torch.from_numpy(inputs).bfloat16(), targets)

    agrees(needs.inputs, inputs.astype(np.float32))
    agrees(half.inputs, torch.from_numpy(inputs).bfloat16().float())


@pytest.mark.parametrize("kind", [str, object])
def test_classes_may_be_words_and_their_columns_are_in_the_order_of_the_alphabet(kind):
    inputs, targets = wine()
    words = np.array(["rose", "white", "a red"], dtype=kind)[targets]

    data = from_arrays(inputs, words)

    assert data.classes == ("a red", "rose", "white")
    agrees(data.targets.argmax(1), np.array([1, 2, 0])[targets])


def test_yes_and_no_are_two_classes():
    inputs, targets = wine()

    data = from_arrays(inputs, targets == 1)

    assert data.classes == ("False", "True")
    agrees(data.targets[:, 1], (targets == 1).astype(np.float32))


def test_class_numbers_may_have_gaps():
    inputs, targets = wine()

    data = from_arrays(inputs, np.array([7, 100, -3])[targets])

    assert data.classes == ("-3", "7", "100")
    agrees(data.targets.argmax(1), np.array([1, 2, 0])[targets])


def test_floats_as_targets_are_numbers_in_one_column_or_several():
    one, several = load_diabetes(), load_linnerud()

    single = from_arrays(one.data, one.target)
    multiple = from_arrays(several.data, several.target)

    agrees(single.targets, one.target.astype(np.float32)[:, None])
    agrees(multiple.targets, several.target.astype(np.float32))
    assert single.task == multiple.task == "numbers"
    assert single.classes == ()
    assert single.words == {"continuous", "table"}
    assert single.describe() == "arrays: 442 rows, inputs 10, numbers as targets"


def test_a_test_part_of_its_own_is_kept_at_the_end():
    inputs, targets = wine()

    data = from_arrays(inputs[:120], np.roll(targets, 60)[:120], inputs[120:], np.roll(targets, 60)[120:], name="w")

    agrees(data.test_rows, np.arange(120, 178))
    agrees(data.inputs, inputs.astype(np.float32))
    assert data.protocol == "fixed test"


def test_a_test_part_may_lack_classes_and_may_hold_a_class_only_once():
    inputs, targets = wine()
    rows = np.flatnonzero(targets == 2)[:1]
    rest = np.setdiff1d(np.arange(178), rows)

    data = from_arrays(inputs[rest], targets[rest], inputs[rows], targets[rows])

    agrees(data.targets[data.test_rows], torch.tensor([[0.0, 0.0, 1.0]]))


def test_the_fingerprint_is_the_data_s_and_nothing_else_s():
    inputs, targets = wine()
    prints = {name: from_arrays(inputs, targets, name=name).fingerprint for name in ("one", "another")}
    changed = inputs.copy()
    changed[5, 3] += 1e-3

    assert prints["one"] == prints["another"]
    assert from_arrays(changed, targets).fingerprint != prints["one"]
    assert from_arrays(inputs, np.roll(targets, 1)).fingerprint != prints["one"]
    assert from_arrays(inputs[:150], targets[:150], inputs[150:], targets[150:]).fingerprint != prints["one"]


def test_a_dataset_a_pair_and_a_name_are_data():
    inputs, targets = wine()
    data = from_arrays(inputs, targets)

    assert as_dataset(data) is data
    assert as_dataset((inputs, targets)).fingerprint == data.fingerprint
    assert as_dataset([inputs, targets]).fingerprint == data.fingerprint
    assert as_dataset((inputs, targets, inputs, targets)).protocol == "fixed test"
    assert as_dataset("digits").name == "digits"


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("data", [None, 3, (1, 2, 3), np.zeros((9, 2))])
def test_anything_else_is_no_data(data):
    with pytest.raises(
        DampenError, match=r"^data must be a name, a path, a Dataset, \(inputs, targets\) or \(inputs, "
    ):
        as_dataset(data)


def test_an_unknown_name_is_refused_and_the_nearest_one_offered():
    with pytest.raises(DampenError) as raised:
        load("digit")

    assert str(raised.value) == "Unknown data set 'digit'. Did you mean 'digits'? Built in: digits."


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named_by_column_and_row_count(bad):
    inputs, targets = wine()
    inputs[[3, 77, 100], 4] = bad
    inputs[3, 9] = bad

    assert refusal(inputs, targets) == (
        f"inputs {FINITE} column 4 (3 rows), column 9 (1 row). Fill or drop these rows."
    )


def test_many_bad_columns_are_counted_after_the_third():
    inputs, targets = wine()
    inputs[5] = np.nan

    message = refusal(inputs, targets)

    assert message.endswith(
        "in column 0 (1 row), column 1 (1 row), column 2 (1 row) and 10 more. Fill or drop these rows."
    )


def test_a_bad_pixel_and_a_bad_row_of_the_test_part_are_found_too():
    digits = load_digits()
    images = digits.images[:, None].copy()
    images[17, 0, 0, 3] = np.nan
    inputs, targets = wine()
    test = inputs[:20].copy()
    test[2, 12] = np.inf

    pixel, row = refusal(images, digits.target), refusal(inputs, targets, test, targets[:20])

    assert pixel == f"inputs {FINITE} column 3 (1 row). Fill or drop these rows."
    assert row == f"test inputs {FINITE} column 12 (1 row). Fill or drop these rows."


@pytest.mark.parametrize("large", [1e300, -1e300, 3.5e38])
def test_numbers_too_large_for_single_precision_are_refused_and_the_limit_is_named(large):
    """They are finite: a person who looks for NaN alone will find none."""
    inputs, targets = wine()
    inputs[8, 2] = large

    assert refusal(inputs, targets) == f"inputs {FINITE} column 2 (1 row). Fill or drop these rows."


def test_the_largest_numbers_that_single_precision_holds_are_read():
    inputs, targets = wine()
    inputs[8, 2] = 3e38

    agrees(from_arrays(inputs, targets).inputs[8, 2], np.float32(3e38))


def test_targets_that_are_not_finite_are_named_as_targets():
    bunch = load_diabetes()
    targets = bunch.target.copy()
    targets[[1, 2]] = np.nan

    assert refusal(bunch.data, targets) == f"targets {FINITE} column 0 (2 rows). Fill or drop these rows."


@pytest.mark.parametrize(("value", "shown"), [(4, "4"), ("cat", "cat"), (True, "True")])
def test_one_class_is_no_task(value, shown):
    inputs, _ = wine()

    assert refusal(inputs, np.full(178, value)) == f"The target must have at least two classes; got one, {shown}."


def test_a_number_that_never_varies_is_no_task():
    inputs, _ = wine()

    assert refusal(inputs, np.full(178, 2.5)) == "The target must vary; got the value 2.5 in all 178 rows."


@pytest.mark.parametrize("count", [1, 2])
def test_a_class_with_fewer_rows_than_parts_is_named(count):
    inputs, targets = wine()
    targets[targets == 2] = 1
    targets[:count] = 2

    assert refusal(inputs, targets) == (
        f"Every class must have at least 3 rows, one for each part; class 2 has {count}. Drop the class or merge it "
        "with another. (Are the targets numbers? Pass floats.)"
    )


def test_rows_of_a_test_part_do_not_make_a_class_learnable():
    inputs, targets = wine()
    learn, test = targets.copy(), np.full(178, 2)
    learn[learn == 2] = 1

    message = refusal(inputs, learn, inputs, test)

    assert message.startswith("Every class must have at least 2 rows, one for each part; class 2 has 0.")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros(30), f"{WANTED}; got shape (30,), type float64."),
        (3.0, "inputs must be an array of one kind of value; got 3.0."),
        (np.full((30, 2), "a"), f"{WANTED}; got shape (30, 2), type <U1."),
        (np.zeros((30, 2), "datetime64[D]"), f"{WANTED}; got shape (30, 2), type datetime64[D]."),
        (np.zeros((29, 2)), "inputs and targets must have as many rows; got 29 and 30."),
    ],
)
def test_inputs_of_another_shape_or_kind_are_refused(inputs, message):
    assert refusal(inputs, np.arange(30) % 2) == message


@pytest.mark.parametrize(
    ("targets", "start"),
    [
        ((np.arange(30) % 2)[:, None], "Class targets must have shape (rows,); got (30, 1)."),
        (np.arange(29) % 2, "inputs and targets must have as many rows; got 30 and 29."),
        (3, "targets must be an array of one kind of value; got 3."),
        (None, "targets must be an array of one kind of value; got None."),
        (np.array(["a", 1, None] * 10, dtype=object), "targets must be an array of one kind of value; got array("),
    ],
    ids=["column", "too short", "a number", "None", "mixed kinds"],
)
def test_targets_of_another_shape_or_kind_are_refused(targets, start):
    assert refusal(np.zeros((30, 2)), targets).startswith(start)


def test_too_few_rows_are_refused():
    inputs, targets = wine(slice(56, 61))

    assert refusal(inputs, targets) == (
        "data must have at least 6 rows, two for each of training, validation and test part; got 5."
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            lambda x, y: (x, y, x[:9, :5], y[:9]),
            "test inputs must be like inputs, float32 ('rows', 13); got float32 ('rows', 5).",
        ),
        (lambda x, y: (x, y, x[:9], y[:8]), "test inputs and targets must have as many rows; got 9 and 8."),
        (lambda x, y: (x, y, x[:9], None), "A test part must have inputs and targets; got one of the two."),
        (lambda x, y: (x, y, None, y[:9]), "A test part must have inputs and targets; got one of the two."),
        (lambda x, y: (x, y, x[:0], y[:0]), f"test {WANTED}; got shape (0, 13), type float64."),
        (lambda x, y: (x[:, :0], y), f"{WANTED}; got shape (178, 0), type float64."),
        (lambda x, y: ([[1.0], [1.0, 2.0]], y), "inputs must be an array; got rows of different lengths."),
        (lambda x, y: (x + 1j, y), f"{WANTED}; got shape (178, 13), type complex128."),
    ],
    ids=["columns", "rows", "no targets", "no inputs", "no rows", "no columns", "ragged", "complex"],
)
def test_parts_that_do_not_fit_together_are_refused_with_a_sentence(arrays, message):
    assert refusal(*arrays(*wine())) == message
