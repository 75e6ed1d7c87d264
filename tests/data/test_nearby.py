import gzip
import os

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_wine
from test_idx import NAMES, PARTS, idx

from dampen.data.archives import load_npz
from dampen.data.idx import load_idx
from dampen.data.images import load_images
from dampen.data.nearby import nearby

DIGITS, WINE = load_digits(), load_wine()
HEADER = ",".join([*WINE.feature_names, "class"])


def images(folder, rows):
    folder.mkdir(parents=True)
    for row in rows:
        Image.fromarray(DIGITS.images[row].astype(np.uint8)).save(folder / f"{row}.png")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(here):
    (here / "mnist").mkdir()
    for name, part in zip(NAMES, PARTS, strict=True):
        (here / "mnist" / f"{name}.gz").write_bytes(gzip.compress(idx(part)))
    for label in "ab":
        images(here / "by class" / label, range(8))
        images(here / "parts" / "train" / label, range(8))
    images(here / "labelled" / "train", range(8))
    lines = [f"{row}.png,{DIGITS.target[row]}" for row in range(8)]
    (here / "labelled" / "train.csv").write_text("\n".join(["filename,label", *lines]))
    np.savez(here / "wine.npz", X=WINE.data, y=WINE.target)
    np.savez(here / "parts.npz", x_train=PARTS[0], y_train=PARTS[1], x_test=PARTS[2], y_test=PARTS[3])
    (here / "tables").mkdir()
    (here / "tables" / "wine.csv").write_text(HEADER + "\n1\n")
    (here / "tables" / "wine.tsv.gz").write_bytes(gzip.compress(b"alcohol\tthe kind\n1\t2\n"))


def test_everything_that_could_be_read_is_found_with_what_its_header_tells(here):
    write(here)

    assert [tuple(found) for found in nearby()] == [
        ("by class", "images", "2 classes", "dampen compare 'by class'"),
        ("labelled", "labelled images", "labels in train.csv", "dampen compare labelled"),
        ("mnist", "IDX", "1,797 images of 8 x 8", "dampen compare mnist"),
        ("parts", "images", "2 classes", "dampen compare parts"),
        ("parts.npz", "archive", "1,797 rows of 8 x 8", "dampen compare parts.npz"),
        ("tables/wine.csv", "table", "14 columns", "dampen compare tables/wine.csv --target class"),
        ("tables/wine.tsv.gz", "table", "2 columns", "dampen compare tables/wine.tsv.gz --target COLUMN"),
        ("wine.npz", "archive", "178 rows of 13", "dampen compare wine.npz"),
    ]


def test_what_is_found_can_be_read(here):
    write(here)

    assert len(load_idx(here / "mnist").inputs) == 1797
    assert len(load_npz(here / "parts.npz").inputs) == 1797
    assert len(load_images(here / "by class").inputs) == 16


def test_a_parquet_file_tells_its_rows(here):
    import polars as pl

    pl.DataFrame({"x": [1.0, 2.0, 3.0], "Target": ["a", "b", "c"]}).write_parquet(here / "t.parquet")

    assert [tuple(found) for found in nearby()] == [
        ("t.parquet", "table", "3 rows, 2 columns", "dampen compare t.parquet --target Target")
    ]


def test_environments_hidden_folders_and_what_lies_too_deep_are_left_out(here):
    for place in (".git", ".venv/lib", "node_modules/x", "__MACOSX", "a/b/c"):
        (here / place).mkdir(parents=True)
        (here / place / "wine.csv").write_text(HEADER)
    (here / "a" / "b" / "near.csv").write_text(HEADER)

    assert [found.path for found in nearby()] == ["a/b/near.csv"]


def test_files_that_are_none_of_it_or_broken_are_left_out_silently(here):
    (here / "notes.txt").write_text("x")
    (here / "one.csv").write_text("a single column\n1\n")
    (here / "broken.npz").write_bytes(b"PK")
    (here / "broken.parquet").write_bytes(b"PAR1")
    (here / "broken.csv.gz").write_bytes(b"\x1f\x8b")
    (here / "binary.csv").write_bytes(bytes(range(256)) * 8)
    np.savez(here / "weights.npz", layer=WINE.data)
    (here / "idx").mkdir()
    (here / "idx" / NAMES[0]).write_bytes(b"\0")
    images(here / "one class" / "a", range(3))

    assert nearby() == []


def test_links_are_followed_but_not_in_circles(here):
    (here / "far" / "away" / "from" / "here").mkdir(parents=True)
    (here / "far" / "away" / "from" / "here" / "t.csv").write_text(HEADER)
    (here / "t.csv").write_text(HEADER)
    os.symlink(here, here / "circle")
    os.symlink(here / "far" / "away" / "from" / "here", here / "near")

    assert [found.path for found in nearby()] == ["near/t.csv", "t.csv"]


def test_a_folder_of_many_folders_ends(here):
    for number in range(700):
        (here / str(number)).mkdir()
        (here / str(number) / "t.csv").write_text("a,b\n")

    assert 400 < len(nearby()) < 500
