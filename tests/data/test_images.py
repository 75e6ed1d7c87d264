import csv
import struct
import zlib

import numpy as np
import pytest
from helpers import agrees
from PIL import Image
from sklearn.datasets import load_digits

from dampen import DampenError
from dampen.data.images import load_images

DIGITS = load_digits()
PIXELS = (DIGITS.images * 15).astype(np.uint8)
ROWS = range(60)
"""60 real images, six of each digit or more than four."""


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def class_folders(folder, rows=ROWS, suffix="png"):
    for row in rows:
        save(folder / str(DIGITS.target[row]) / f"{row}.{suffix}", PIXELS[row])
    return folder


def table(path, lines, header=("filename", "label")):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *lines])


def listed(folder, place="train", rows=ROWS, name="train.csv", suffix=".png"):
    """Images in `place` and a table of their labels."""
    for row in rows:
        save(folder / place / f"{row}.png", PIXELS[row])
    table(folder / name, [(f"{row}{suffix}", DIGITS.target[row]) for row in rows])
    return folder


def by_class(rows):
    """Rows in the order in which class folders are read: classes, then file names, both as a person counts."""
    return sorted(rows, key=lambda row: (DIGITS.target[row], row))


def refusal(*arguments, **options):
    with pytest.raises(DampenError) as raised:
        load_images(*arguments, **options)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


# ------------------------------------------------------------------ a folder per class


def test_class_folders_become_pixels_and_labels(tmp_path):
    data = load_images(class_folders(tmp_path / "digits"))

    agrees(data.inputs.double(), PIXELS[by_class(ROWS)][:, None].astype(float))
    agrees(data.targets.argmax(1), DIGITS.target[by_class(ROWS)].astype(np.int64))
    assert (data.name, data.classes, data.protocol, data.notes) == ("digits", tuple("0123456789"), "resampled", ())


def test_train_and_test_folders_are_the_two_parts(tmp_path):
    class_folders(tmp_path / "train", range(50))
    class_folders(tmp_path / "test", range(50, 60))

    data = load_images(tmp_path)

    agrees(data.test_rows, np.arange(50, 60))
    agrees(data.inputs[50:].double(), PIXELS[by_class(range(50, 60))][:, None].astype(float))


def test_a_val_folder_joins_the_training_part_and_it_is_said(tmp_path):
    class_folders(tmp_path / "Train", range(40))
    class_folders(tmp_path / "val", range(40, 50))
    class_folders(tmp_path / "test", range(50, 60))

    data = load_images(tmp_path)

    agrees(data.inputs[:50].double(), PIXELS[by_class(range(40)) + by_class(range(40, 50))][:, None].astype(float))
    agrees(data.test_rows, np.arange(50, 60))
    assert data.notes == ("val/ joins the training part: every seed draws a validation part of its own.",)


def test_a_test_folder_without_labels_is_left_out_and_it_is_said(tmp_path):
    class_folders(tmp_path / "train")
    for row in range(7):
        save(tmp_path / "test" / f"{row}.png", PIXELS[row])

    data = load_images(tmp_path)

    assert data.test_rows is None
    assert data.notes == ("test/ left out: 7 images without labels.",)


def test_classes_sort_as_a_person_counts(tmp_path):
    for row in ROWS:
        save(tmp_path / f"size {9 + row % 3}" / f"{row}.png", PIXELS[row])

    data = load_images(tmp_path)

    assert data.classes == ("size 9", "size 10", "size 11")
    agrees(data.targets.argmax(1), np.repeat([0, 1, 2], 20))
    agrees(data.inputs[20:40, 0].double(), PIXELS[1:60:3].astype(float))


def test_hidden_files_other_files_and_macos_leftovers_are_ignored(tmp_path):
    class_folders(tmp_path)
    for name in ("__MACOSX/0/._1.png", ".cache/1/1.png", "0/._1.png", "0/notes.txt", "README.md", "0/Thumbs.db"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"junk")
    (tmp_path / "scripts").mkdir()

    data = load_images(tmp_path)

    assert len(data.inputs) == 60
    assert data.notes == ("Folders without images left out: scripts.",)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "PGM", "gif", "webp"])
def test_forms_that_lose_nothing_give_the_pixels_back(tmp_path, suffix):
    lossless = {"lossless": True} if suffix == "webp" else {}
    for row in ROWS:
        save(tmp_path / str(row % 2) / f"{row}.{suffix}", PIXELS[row], **lossless)

    data = load_images(tmp_path)

    order = [*range(0, 60, 2), *range(1, 60, 2)]
    agrees(data.inputs[:, 0].double(), PIXELS[order].astype(float))


def test_colour_comes_with_its_channels_first(tmp_path):
    colour = np.stack([PIXELS, PIXELS // 2, 255 - PIXELS], -1)
    for row in ROWS:
        save(tmp_path / str(row % 2) / f"{row}.png", colour[row])

    data = load_images(tmp_path)

    agrees(data.inputs.double(), colour[[*range(0, 60, 2), *range(1, 60, 2)]].transpose(0, 3, 1, 2).astype(float))


def test_a_palette_is_colour_and_black_and_white_is_grey(tmp_path):
    for row in ROWS:
        place = tmp_path / "colour" / str(row % 2)
        place.mkdir(parents=True, exist_ok=True)
        kind = Image.fromarray(np.stack([PIXELS[row]] * 3, -1)).convert("P") if row % 3 else None
        (kind or Image.fromarray(np.stack([PIXELS[row]] * 3, -1))).save(place / f"{row}.png")
        place = tmp_path / "grey" / str(row % 2)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[row] > 100).save(place / f"{row}.png")

    assert load_images(tmp_path / "colour").input_shape == (3, 8, 8)
    agrees(load_images(tmp_path / "grey").inputs[0, 0].double(), 255.0 * (PIXELS[0] > 100))


def test_photographs_are_decoded_by_several_threads_in_the_order_of_their_rows(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 120, 160, 3), dtype=np.uint8)
    for row, pixels in enumerate(noise):
        save(tmp_path / str(row % 2) / f"{row}.png", pixels)

    data = load_images(tmp_path)

    agrees(data.inputs.double(), noise[[*range(0, 40, 2), *range(1, 40, 2)]].transpose(0, 3, 1, 2).astype(float))


# ------------------------------------------------------------------ a table of labels


@pytest.mark.parametrize("place", ["train", "images", ""])
def test_a_table_of_file_names_and_labels(tmp_path, place):
    data = load_images(listed(tmp_path, place))

    agrees(data.inputs[:, 0].double(), PIXELS[list(ROWS)].astype(float))
    agrees(data.targets.argmax(1), DIGITS.target[list(ROWS)].astype(np.int64))
    assert (data.classes, data.protocol) == (tuple("0123456789"), "resampled")


@pytest.mark.parametrize("header", [("file", "class"), ("label", "Image"), ("id", "breed"), ("thing", "kind")])
def test_columns_are_found_by_their_usual_names_or_are_the_only_two(tmp_path, header):
    listed(tmp_path)
    turn = -1 if header[0] == "label" else 1
    table(tmp_path / "train.csv", [(f"{r}.png", DIGITS.target[r])[::turn] for r in ROWS], header)

    agrees(load_images(tmp_path).targets.argmax(1), DIGITS.target[list(ROWS)].astype(np.int64))


def test_names_may_lack_their_suffix_or_bring_their_folder(tmp_path):
    without = load_images(listed(tmp_path / "without", suffix=""))
    listed(tmp_path / "with")
    table(tmp_path / "with" / "train.csv", [(f"train/{row}.png", DIGITS.target[row]) for row in ROWS])
    brought = load_images(tmp_path / "with")

    agrees(without.inputs, brought.inputs)
    agrees(without.inputs[:, 0].double(), PIXELS[list(ROWS)].astype(float))


@pytest.mark.parametrize("place", ["test", "train", "images"])
def test_a_test_table_is_the_test_part(tmp_path, place):
    listed(tmp_path, "images" if place == "images" else "train", range(50))
    listed(tmp_path, place, range(50, 60), "test.csv")

    data = load_images(tmp_path)

    agrees(data.test_rows, np.arange(50, 60))
    agrees(data.inputs[:, 0].double(), PIXELS[list(ROWS)].astype(float))


def test_a_test_part_without_labels_is_left_out_and_it_is_said(tmp_path):
    listed(tmp_path, "train", range(50))
    listed(tmp_path, "test", range(50, 60), "test.csv")
    table(tmp_path / "test.csv", [(f"{row}.png",) for row in range(50, 60)], ("filename",))

    data = load_images(tmp_path)

    assert data.test_rows is None
    assert data.notes == ("test.csv left out: it has no labels.", "test/ left out: 10 images without labels.")


def test_a_table_elsewhere_may_be_named_and_may_use_semicolons(tmp_path):
    listed(tmp_path / "pictures")
    (tmp_path / "pictures" / "train.csv").unlink()
    lines = "".join(f"{row}.png;8;{DIGITS.target[row]}\n" for row in ROWS)
    (tmp_path / "mine.csv").write_text("filename;width;label\n" + lines, encoding="utf-8-sig")

    data = load_images(tmp_path / "pictures", labels=tmp_path / "mine.csv")

    agrees(data.inputs[:, 0].double(), PIXELS[list(ROWS)].astype(float))


# ------------------------------------------------------------------ broken files


def break_some(folder, rows=(17, 41)):
    for row in rows:
        path = folder / str(DIGITS.target[row]) / f"{row}.png"
        path.write_bytes(path.read_bytes()[:50])


def test_a_broken_file_among_sound_ones_is_named(tmp_path):
    break_some(class_folders(tmp_path), rows=(17,))

    told = refusal(tmp_path)

    assert told.startswith(f"{DIGITS.target[17]}/17.png is broken: ")
    assert told.endswith("(1 of 60 files). Mend or delete it, or leave broken files out with --skip-broken.")


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"], ids=["empty", "text", "only a start"])
def test_what_is_no_image_is_broken(tmp_path, content):
    class_folders(tmp_path)
    (tmp_path / "7" / "x.png").write_bytes(content)

    assert refusal(tmp_path).startswith("7/x.png is broken: ")


def test_broken_files_are_left_out_where_that_is_asked_and_counted(tmp_path):
    break_some(class_folders(tmp_path / "train", range(50)), rows=(17, 41))
    class_folders(tmp_path / "test", range(50, 60))

    data = load_images(tmp_path, skip_broken=True)

    rest = [row for row in range(50) if row not in (17, 41)]
    agrees(data.inputs[:, 0].double(), PIXELS[by_class(rest) + by_class(range(50, 60))].astype(float))
    agrees(data.targets.argmax(1), DIGITS.target[by_class(rest) + by_class(range(50, 60))].astype(np.int64))
    agrees(data.test_rows, np.arange(48, 58))
    assert data.notes == ("Broken files left out: 2.",)


def test_nothing_but_broken_files_is_refused_even_so(tmp_path):
    break_some(class_folders(tmp_path, range(10)), rows=range(10))

    assert "(10 of 10 files)" in refusal(tmp_path, skip_broken=True)


def test_a_decompression_bomb_is_refused(tmp_path):
    class_folders(tmp_path)
    side = 20_000

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    (tmp_path / "7" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))

    assert "7/x.png is broken: Image size (400000000 pixels) exceeds limit of " in refusal(tmp_path)


# ------------------------------------------------------------------ what does not fit together


def test_the_first_two_of_different_sizes_are_named(tmp_path):
    class_folders(tmp_path)
    save(tmp_path / "7" / "999.png", PIXELS[0][:, :5])

    assert refusal(tmp_path) == (
        "All images must have one size and mode; 0/0.png is 8 x 8 grey and 7/999.png 5 x 8 grey. "
        "Bring them to one size and mode."
    )


def test_the_first_two_of_different_modes_are_named(tmp_path):
    class_folders(tmp_path)
    save(tmp_path / "7" / "999.png", np.stack([PIXELS[0]] * 3, -1))

    assert "0/0.png is 8 x 8 grey and 7/999.png 8 x 8 colour. " in refusal(tmp_path)


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((8, 8, 4), np.uint8), "colour with transparency"),
        (np.zeros((8, 8, 2), np.uint8), "grey with transparency"),
        (np.zeros((8, 8), np.uint16), "mode I;16"),
    ],
)
def test_what_would_lose_something_is_refused(tmp_path, pixels, said):
    save(class_folders(tmp_path) / "0" / "0.png", pixels)

    assert refusal(tmp_path).startswith(
        f"0/0.png must be grey or colour of 8 bits, without transparency; got {said}. Convert it"
    )


def test_a_palette_with_a_transparent_colour_is_refused(tmp_path):
    class_folders(tmp_path)
    Image.fromarray(PIXELS[0]).convert("P").save(tmp_path / "0" / "0.png", transparency=0)

    assert "got transparency." in refusal(tmp_path)


def test_an_animation_is_refused(tmp_path):
    class_folders(tmp_path)
    frames = [Image.fromarray(PIXELS[row]) for row in range(3)]
    frames[0].save(tmp_path / "0" / "00.gif", save_all=True, append_images=frames[1:])

    assert refusal(tmp_path).startswith("0/00.gif holds several pictures; it must hold one.")


def test_labels_without_files_are_counted_and_named(tmp_path):
    listed(tmp_path)
    for row in (3, 4, 5, 6):
        (tmp_path / "train" / f"{row}.png").unlink()

    assert refusal(tmp_path) == (
        "Every label in train.csv must have its file; 4 labels of 60 without a file: 3.png, 4.png, 5.png and 1 more. "
        "Add the files or delete the lines."
    )


def test_files_without_labels_are_counted_and_named(tmp_path):
    listed(tmp_path)
    save(tmp_path / "train" / "more.png", PIXELS[0])

    assert refusal(tmp_path) == (
        "Every image beside the labelled ones must have a line in train.csv; 1 file without a label: train/more.png. "
        "Add their lines or move them away."
    )


def test_loose_images_beside_class_folders_are_files_without_labels(tmp_path):
    folder = class_folders(tmp_path / "set")
    for number in (10, 2, 1):
        save(folder / f"{number}.png", PIXELS[0])

    assert refusal(folder).startswith(
        "Every image must lie in the folder of its class; 3 files without a label in set/: 1.png, 2.png, 10.png. "
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "train.csv must have a header and at least one line below it; got 0 lines."),
        ("filename,label\n", "train.csv must have a header and at least one line below it; got 1 line."),
        ("0.png,0\n1.png,1\n", "train.csv must begin with a header such as filename,label; got 0.png,0."),
        ("filename,width,height\n0.png,1,2\n", "train.csv must have a column of file names (such as filename) and one"),
        ("filename,label\n0.png,0\n1.png\n", "train.csv must have 2 cells in every line; line 3 has 1."),
        ("filename,label\n0.png,0\n1.png,\n", "Every line of train.csv must have a file name and a label; 1 line with"),
        ("filename,label\n0.png,0\n0.png,1\n", "train.csv must name every file once; 1 file more often: 0.png. "),
        (b"\xff\xfe\x00", "train.csv must be a table as UTF-8 text; it is none."),
    ],
)
def test_a_table_of_labels_that_is_none_is_refused(tmp_path, text, message):
    listed(tmp_path)
    (tmp_path / "train.csv").write_bytes(text if isinstance(text, bytes) else text.encode())

    assert refusal(tmp_path).startswith(message)


def test_missing_and_empty_folders_and_missing_tables_are_refused(tmp_path):
    assert refusal(tmp_path / "none") == f"There is no folder {str(tmp_path / 'none')!r}."
    assert refusal(tmp_path) == (
        f"{str(tmp_path)!r} must hold a folder of images per class, or train.csv and images; got no images."
    )
    class_folders(tmp_path)
    assert refusal(tmp_path, labels=tmp_path / "no.csv") == f"There is no file {str(tmp_path / 'no.csv')!r}."


def test_one_class_is_refused(tmp_path):
    class_folders(tmp_path / "pictures" / "set")

    assert refusal(tmp_path / "pictures") == (
        f"{str(tmp_path / 'pictures')!r} must hold at least two classes; got set. "
        "Name the folder that holds the class folders."
    )


def test_a_class_only_in_the_test_part_is_named(tmp_path):
    class_folders(tmp_path / "train", [row for row in range(50) if DIGITS.target[row] != 7])
    class_folders(tmp_path / "test")

    assert "must stand in the training part too; missing there: 7 (" in refusal(tmp_path)


def test_a_test_part_without_a_training_part_is_refused(tmp_path):
    class_folders(tmp_path / "set" / "test")

    assert refusal(tmp_path / "set") == "set/test must have a folder train beside it; there is none."
