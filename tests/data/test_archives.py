import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers import agrees
from PIL import Image
from sklearn.datasets import load_digits, load_sample_image, load_wine

from dampen import DampenError
from dampen.data.archives import load_npz

SHARED = Path(__file__).parents[3] / "shared" / "data"
WINE, DIGITS = load_wine(), load_digits()
PIXELS = DIGITS.images.astype(np.uint8)
ROWS = np.random.default_rng(0).permutation(178)
FIRST, LAST = ROWS[:120], ROWS[120:]


def saved(folder, **arrays):
    np.savez(folder / "set.npz", **arrays)
    return folder / "set.npz"


def parts(array, target, names=("x_train", "y_train", "x_test", "y_test"), cut=120):
    rows = np.random.default_rng(0).permutation(len(array))
    both = (array[rows[:cut]], target[rows[:cut]], array[rows[cut:]], target[rows[cut:]])
    return dict(zip(names, both, strict=True))


def refusal(path):
    with pytest.raises(DampenError) as raised:
        load_npz(path)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


# ------------------------------------------------------------------ what is read


@pytest.mark.parametrize("names", [("X", "y"), ("x", "y"), ("X", "Y")])
def test_one_table_and_its_target(tmp_path, names):
    data = load_npz(saved(tmp_path, **dict(zip(names, (WINE.data, WINE.target), strict=True))))

    agrees(data.inputs, WINE.data.astype(np.float32))
    agrees(data.targets, np.eye(3, dtype=np.float32)[WINE.target])
    assert (data.name, data.protocol, data.notes) == ("set", "resampled", ())


def test_floats_as_target_stay_numbers(tmp_path):
    data = load_npz(saved(tmp_path, X=WINE.data[:, 1:], y=WINE.data[:, 0]))

    assert data.task == "numbers"


def test_floats_that_look_like_classes_are_numbers_and_it_is_said(tmp_path):
    data = load_npz(saved(tmp_path, X=WINE.data, y=WINE.target.astype(float)))

    assert data.task == "numbers"
    assert data.notes == (
        "The targets, floats of 3 whole values, are read as numbers; if they name classes, save them as y.astype(int).",
    )


def test_a_training_part_and_a_test_part(tmp_path):
    arrays = parts(WINE.data, WINE.target)

    data = load_npz(saved(tmp_path, **arrays))
    alone = load_npz(saved(tmp_path, x_train=arrays["x_train"], y_train=arrays["y_train"][:, None]))

    agrees(data.inputs[data.test_rows], arrays["x_test"].astype(np.float32))
    agrees(data.targets[data.test_rows].argmax(1), arrays["y_test"])
    agrees(alone.inputs, arrays["x_train"].astype(np.float32))
    assert (data.protocol, alone.protocol) == ("fixed test", "resampled")


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (PIXELS, PIXELS[:, None]),
        (PIXELS[:, :, :, None], PIXELS[:, None]),
        (np.stack([PIXELS, PIXELS + 1, PIXELS + 2], -1), np.stack([PIXELS, PIXELS + 1, PIXELS + 2], 1)),
        (PIXELS[:, None], PIXELS[:, None]),
        (np.stack([PIXELS, PIXELS / 2], 1), np.stack([PIXELS, PIXELS / 2], 1)),
    ],
    ids=["grey", "grey, channel last", "colour, channel last", "channel first", "two channels of floats"],
)
def test_images_come_out_with_their_channels_first(tmp_path, array, expected):
    data = load_npz(saved(tmp_path, X=array, y=DIGITS.target))

    agrees(data.inputs.double(), expected.astype(float))
    assert "images" in data.words


def test_series_keep_their_axes(tmp_path):
    series = WINE.data[:, :12].reshape(178, 2, 6)

    data = load_npz(saved(tmp_path, **parts(series, WINE.target)))

    agrees(data.inputs, series[np.random.default_rng(0).permutation(178)].astype(np.float32))
    assert "series" in data.words
    assert data.notes == ()


def test_classes_name_the_numbers_and_other_arrays_are_said_to_be_left_out(tmp_path):
    data = load_npz(saved(tmp_path, X=WINE.data, y=WINE.target, classes=["red", "rose", "white"], origin=[1, 2]))

    assert data.classes == ("red", "rose", "white")
    assert data.notes == ("Arrays left out: origin.",)


def coded(count=40, side=16):
    """Pieces of a photograph as JPEG, the way the shared README describes: one header for all, then what differs."""
    photo = load_sample_image("china.jpg")
    pieces = [photo[8 * i : 8 * i + side, 8 * i : 8 * i + side] for i in range(count)]
    files = []
    for piece in pieces:
        buffer = io.BytesIO()
        Image.fromarray(piece).save(buffer, "JPEG", quality=75)
        files.append(buffer.getvalue())
    length = next(i for i in range(len(files[0])) if len({file[i] for file in files}) > 1)
    bodies = [file[length:] for file in files]
    return {
        "header": np.frombuffer(files[0][:length], np.uint8),
        "data": np.frombuffer(b"".join(bodies), np.uint8),
        "offsets": np.cumsum([0, *map(len, bodies)]),
        "labels": np.arange(count) % 2,
        "n_train": np.int64(count // 2),
    }, files


def test_jpeg_coded_images_are_what_their_files_show(tmp_path):
    arrays, files = coded()

    data = load_npz(saved(tmp_path, **arrays, classes=["even", "odd"]))

    expected = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files]).transpose(0, 3, 1, 2)
    agrees(data.inputs.double(), expected.astype(float))
    agrees(data.test_rows, np.arange(20, 40))
    assert data.classes == ("even", "odd")


def test_jpeg_coded_images_of_two_sizes_and_a_class_only_in_their_test_part_are_refused(tmp_path):
    arrays, _ = coded()
    small = coded(count=2, side=8)[0]
    both = np.concatenate([arrays["header"], arrays["data"], small["header"], small["data"]])
    first, second = len(arrays["header"]) + arrays["offsets"][1], len(arrays["header"]) + len(arrays["data"])
    data = np.concatenate([both[:first], both[second:]])
    pieces = {"header": both[:0], "data": data, "offsets": [0, first, len(data)], "labels": [0, 1], "n_train": 2}

    assert "all images must have one size; image 0 has 16 x 16 and image 1 8 x 8 pixels." in refusal(
        saved(tmp_path, **pieces)
    )
    assert "missing there: 1 (20 test rows)" in refusal(saved(tmp_path, **(arrays | {"labels": np.arange(40) // 20})))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cifar10-jpeg", "ItalyPowerDemand", "OSULeaf", "thyroid", "cardio"])
def test_the_shared_sets_have_rows_columns_and_classes_of_the_index(name):
    if not SHARED.is_dir():
        pytest.skip("the shared data sets are not here")
    entry = next(e for e in json.loads((SHARED / "index.json").read_text())["files"] if e["name"] == name)
    shapes = {
        "cifar10-jpeg": (3, 32, 32),
        "ItalyPowerDemand": (1, 24),
        "OSULeaf": (1, 427),
        "thyroid": (6,),
        "cardio": (21,),
    }

    data = load_npz(SHARED / entry["file"])

    assert (len(data.inputs), data.input_shape) == (entry["rows"], shapes[name])
    assert (data.task, len(data.classes)) == ("classes", entry["classes"])
    test = {"cifar10-jpeg": 10_000}.get(name, entry.get("splits", {}).get("test"))
    assert (None if data.test_rows is None else len(data.test_rows)) == test
    if "class_counts" in entry:
        assert dict(zip(data.classes, data.targets.sum(0).int().tolist(), strict=True)) == entry["class_counts"]


# ------------------------------------------------------------------ what is refused


def test_a_missing_file_and_a_file_of_another_kind_are_refused(tmp_path):
    assert refusal(tmp_path / "none.npz") == f"There is no file {str(tmp_path / 'none.npz')!r}."
    (tmp_path / "text.npz").write_text("a,b\n1,2\n")
    assert refusal(tmp_path / "text.npz") == (
        "text.npz must be a .npz file, as np.savez writes it; File is not a zip file. Save it again."
    )


def test_an_archive_cut_short_is_refused(tmp_path):
    path = saved(tmp_path, X=WINE.data, y=WINE.target)
    whole = path.read_bytes()
    for keep in (0, 10, 2000, len(whole) - 1):
        path.write_bytes(whole[:keep])
        assert refusal(path).startswith("set.npz must be a .npz file")


def test_a_flipped_byte_is_refused(tmp_path):
    path = saved(tmp_path, X=WINE.data, y=WINE.target)
    data = bytearray(path.read_bytes())
    data[5000] ^= 0xFF
    path.write_bytes(data)

    assert refusal(path) == "set.npz must be a sound .npz file; Bad CRC-32 for file 'X.npy'. Save it again."


def test_arrays_of_other_names_are_listed_beside_those_that_are_understood(tmp_path):
    assert refusal(saved(tmp_path, images=WINE.data, answers=WINE.target)) == (
        "set.npz must have arrays that dampen understands; got images, answers. Understood are X and y; x_train and "
        "y_train, with x_test and y_test where there is a test part; or header, data, offsets, labels and n_train "
        "(JPEG-coded images)."
    )


def test_half_a_test_part_is_refused(tmp_path):
    path = saved(tmp_path, x_train=WINE.data, y_train=WINE.target, x_test=WINE.data)

    assert refusal(path) == "set.npz must have both x_test and y_test or neither; got x_test, x_train, y_train."


def test_python_objects_are_refused_unread(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    path = saved(tmp_path, X=WINE.data, y=np.array([Trap()] * 178, dtype=object))

    assert refusal(path).startswith("set.npz: y.npy must hold numbers or text; it holds pickled Python objects")
    assert not (tmp_path / "sprung").exists()


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", X=np.zeros((10_000, 250)), y=np.arange(10_000) % 2)

    assert refusal(tmp_path / "bomb.npz").startswith(
        "bomb.npz (X.npy) must not unpack to more than 400 times its size; "
    )


def test_a_header_that_states_more_than_the_archive_holds_costs_no_memory(tmp_path):
    stated = io.BytesIO()
    np.lib.format.write_array_header_1_0(stated, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 10)})
    with zipfile.ZipFile(tmp_path / "lie.npz", "w") as archive:
        archive.writestr("X.npy", stated.getvalue() + bytes(800))

    assert refusal(tmp_path / "lie.npz").startswith(
        "lie.npz: X.npy is cut short: its header says (1000000000000, 10) of float64; it holds "
    )


def test_not_a_number_is_named_by_its_column(tmp_path):
    inputs = WINE.data.copy()
    inputs[3, 5] = np.nan

    assert "column 5 (1 row)" in refusal(saved(tmp_path, X=inputs, y=WINE.target))


def test_one_class_and_a_class_only_in_the_test_part_are_refused(tmp_path):
    order = np.argsort(WINE.target, kind="stable")
    arrays = {"x_train": WINE.data[order[:120]], "y_train": WINE.target[order[:120]]}
    arrays |= {"x_test": WINE.data[order[120:]], "y_test": WINE.target[order[120:]]}

    assert "missing there: 2 (48 test rows)" in refusal(saved(tmp_path, **arrays))
    assert refusal(saved(tmp_path, X=WINE.data, y=WINE.target * 0)) == (
        "The target must have at least two classes; got one, 0."
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros(39, int)}, "set must have one label for each of its 40 images; got shape (39,)."),
        ({"n_train": np.int64(41)}, "set: offsets must be whole numbers, one more than images, and n_train one "),
        ({"n_train": np.float64(20)}, "set: offsets must be whole numbers, one more than images, and n_train one "),
        ({"offsets": np.arange(41) * 10**6}, "set: offsets must rise from 0 to the "),
        ({"offsets": np.arange(41)[::-1]}, "set: offsets must rise from 0 to the "),
        ({"offsets": np.arange(41)}, "set: image 0 is no sound JPEG image; "),
        ({"classes": ["even"]}, "set: `classes` must name every class; got 1 names and the class number 1."),
    ],
    ids=["labels", "n_train", "float", "beyond", "falling", "broken", "classes"],
)
def test_jpeg_coded_images_that_do_not_fit_together_are_refused(tmp_path, change, message):
    arrays, _ = coded()

    assert refusal(saved(tmp_path, **(arrays | change))).startswith(message)
