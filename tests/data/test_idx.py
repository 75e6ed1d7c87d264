import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from helpers import agrees
from sklearn.datasets import load_digits

from dampen import DampenError
from dampen.data.idx import load_idx

SHARED = Path(__file__).parents[3] / "shared" / "data"
DIGITS = load_digits()
PIXELS = DIGITS.images.astype(np.uint8)
"""1,797 real images of 8 x 8 pixels."""
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
PARTS = (PIXELS[:1500], DIGITS.target[:1500], PIXELS[1500:], DIGITS.target[1500:])


def idx(array, magic=None):
    """As the format is defined: magic number, sides, values, big-endian."""
    magic = magic if magic is not None else 0x800 + array.ndim
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.astype(np.uint8).tobytes()


def write(folder, names=NAMES, parts=PARTS, packed=False):
    for name, part in zip(names, parts, strict=False):
        data = idx(part)
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(data, 1) if packed else data)
    return folder


def refusal(folder):
    with pytest.raises(DampenError) as raised:
        load_idx(folder)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


# ------------------------------------------------------------------ what is read


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
def test_pixels_labels_and_the_test_part_come_back_as_they_were_written(tmp_path, packed):
    data = load_idx(write(tmp_path, packed=packed))

    agrees(data.inputs.double(), PIXELS[:, None].astype(float))
    agrees(data.targets.argmax(1), DIGITS.target.astype(np.int64))
    agrees(data.test_rows, np.arange(1500, 1797))
    assert data.classes == tuple("0123456789")
    assert data.name == tmp_path.name


@pytest.mark.parametrize("swap", [("-idx", ".idx"), ("t10k", "test"), ("train-", "emnist-letters-train-")])
def test_names_may_have_dots_and_the_test_part_may_be_called_test(tmp_path, swap):
    data = load_idx(write(tmp_path, [name.replace(*swap) for name in NAMES]))

    assert (len(data.inputs), len(data.test_rows)) == (1797, 297)


def test_a_lone_pair_of_any_name_has_no_test_part(tmp_path):
    write(tmp_path, ("pictures.bin", "answers.bin"))
    (tmp_path / "README.txt").write_text("of the people who made it")
    (tmp_path / ".hidden-idx3-ubyte").write_bytes(b"junk")

    data = load_idx(tmp_path)

    assert (len(data.inputs), data.test_rows) == (1500, None)


def test_a_lone_pair_called_test_is_no_test_part(tmp_path):
    assert load_idx(write(tmp_path, NAMES[2:])).test_rows is None


def test_what_lies_there_packed_and_unpacked_counts_once(tmp_path):
    data = load_idx(write(write(tmp_path), packed=True))

    assert len(data.inputs) == 1797


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_shared_sets_have_the_rows_of_the_index(name):
    if not SHARED.is_dir():
        pytest.skip("the shared data sets are not here")
    index = json.loads((SHARED / "index.json").read_text())["files"]
    rows = {Path(e["file"]).name: e["rows"] for e in index if e["name"] == name}

    data = load_idx(SHARED / name)

    assert len(data.inputs) == rows[NAMES[0] + ".gz"] + rows[NAMES[2] + ".gz"]
    assert len(data.test_rows) == rows[NAMES[3] + ".gz"]
    assert (data.input_shape, len(data.classes)) == ((1, 28, 28), 10)


# ------------------------------------------------------------------ what is refused


def test_a_folder_without_idx_files_is_refused(tmp_path):
    assert refusal(tmp_path) == (
        f"{str(tmp_path)!r} must hold IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte, gzipped or not); "
        "got none."
    )


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
def test_a_wrong_magic_number_is_named(tmp_path, packed):
    write(tmp_path, packed=packed)
    wrong = idx(PARTS[0], magic=0x0D03)
    (tmp_path / (NAMES[0] + ".gz" * packed)).write_bytes(gzip.compress(wrong) if packed else wrong)

    assert refusal(tmp_path) == (
        f"{NAMES[0]}{'.gz' * packed} must begin with the magic number 2051 (images); got 3331. Download it again."
    )


def test_labels_under_the_name_of_images_are_a_wrong_magic_number(tmp_path):
    write(tmp_path, parts=(PARTS[1], PARTS[1]))

    assert "must begin with the magic number 2051 (images); got 2049." in refusal(tmp_path)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("which", [0, 1], ids=["images", "labels"])
def test_a_file_cut_short_says_what_it_holds_and_what_it_should(tmp_path, packed, which):
    write(tmp_path, packed=packed)
    cut = idx(PARTS[which])[:-1000]
    (tmp_path / (NAMES[which] + ".gz" * packed)).write_bytes(gzip.compress(cut) if packed else cut)
    shape, wanted, got = [("1500 x 8 x 8", "96,000", "95,000"), ("1500", "1,500", "500")][which]

    assert refusal(tmp_path) == (
        f"{NAMES[which]}{'.gz' * packed} is cut short: its header says {shape} values ({wanted} bytes); it ends after "
        f"{got}. Download it again."
    )


@pytest.mark.parametrize("keep", [0, 3, 10, 15, 30, 1000, -9, -1])
def test_a_gzip_file_cut_anywhere_is_cut_short(tmp_path, keep):
    path = write(tmp_path, packed=True) / f"{NAMES[0]}.gz"
    path.write_bytes(path.read_bytes()[:keep])

    assert refusal(tmp_path).startswith(f"{NAMES[0]}.gz is cut short")


@pytest.mark.parametrize("where", [0.1, 0.5, 1.0], ids=["early", "middle", "checksum"])
def test_a_gzip_file_with_a_flipped_byte_is_refused(tmp_path, where):
    path = write(tmp_path, packed=True) / f"{NAMES[0]}.gz"
    data = bytearray(path.read_bytes())
    data[int(where * (len(data) - 5))] ^= 0xFF
    path.write_bytes(data)

    assert refusal(tmp_path).startswith(f"{NAMES[0]}.gz ")


def test_more_than_the_header_says_is_refused(tmp_path):
    path = write(tmp_path) / NAMES[0]
    path.write_bytes(path.read_bytes() + b"\0")

    assert refusal(tmp_path).startswith(f"{NAMES[0]} must end after 1500 x 8 x 8 values, as its header says")


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    write(tmp_path, packed=True)
    header = struct.pack(">4I", 2051, 60_000, 28, 28)
    (tmp_path / f"{NAMES[0]}.gz").write_bytes(gzip.compress(header + bytes(60_000 * 784), 9))

    assert refusal(tmp_path).startswith(f"{NAMES[0]}.gz must not unpack to more than 400 times its size; ")


def test_a_header_of_four_billion_images_costs_no_memory(tmp_path):
    write(tmp_path)
    (tmp_path / NAMES[0]).write_bytes(struct.pack(">4I", 2051, 2**32 - 1, 2**20, 2**20))

    assert "is cut short: its header says 4294967295 x 1048576 x 1048576 values" in refusal(tmp_path)


def test_images_without_labels_and_labels_without_images_are_refused(tmp_path):
    write(tmp_path)
    (tmp_path / NAMES[3]).unlink()
    assert refusal(tmp_path) == (f"{NAMES[2]} must have a file of labels beside it; there is none for the test part.")
    write(tmp_path)
    (tmp_path / NAMES[0]).unlink()
    assert refusal(tmp_path) == f"{NAMES[1]} must have a file of images beside it; there is none for the training part."


def test_two_pairs_for_one_part_are_refused(tmp_path):
    write(tmp_path)
    write(tmp_path, ["letters-" + name for name in NAMES])

    assert refusal(tmp_path).startswith("A folder must hold one pair of IDX files per part; ")


def test_as_many_labels_as_images_are_wanted(tmp_path):
    write(tmp_path, parts=(PARTS[0], PARTS[1][:-1], *PARTS[2:]))

    assert refusal(tmp_path) == (f"{NAMES[0]} and {NAMES[1]} must hold as many images as labels; got 1500 and 1499.")


def test_parts_of_different_sizes_are_refused(tmp_path):
    write(tmp_path, parts=(*PARTS[:2], PARTS[2][:, :7], PARTS[3]))

    assert "the images of both parts must have one size; got 8 x 8 for training and 7 x 8 for the test part." in (
        refusal(tmp_path)
    )


def test_a_class_only_in_the_test_part_is_named(tmp_path):
    rows = PARTS[1] != 7
    write(tmp_path, parts=(PARTS[0][rows], PARTS[1][rows], *PARTS[2:]))

    assert refusal(tmp_path).startswith(
        "Every class of the test part must stand in the training part too; missing there: 7 (30 test rows). "
    )


def test_one_class_is_refused(tmp_path):
    rows = PARTS[1] == 7
    write(tmp_path, parts=(PARTS[0][rows], PARTS[1][rows]))

    assert refusal(tmp_path) == "The target must have at least two classes; got one, 7."
