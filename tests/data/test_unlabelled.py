"""Rows to predict: from every kind of file, with targets and without, called by their number or file."""

import dataclasses
import gzip
import struct

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from dampen import DampenError
from dampen.data import open_data
from dampen.data.dataset import from_arrays
from dampen.data.signature import Signature, encoded
from dampen.data.unlabelled import open_rows

TABLE = "length,colour,label\n" + "".join(f"{row % 5},{['red', 'blue'][row % 2]},{row % 3}\n" for row in range(60))


def images(folder, count=9, side=6):
    folder.mkdir(parents=True, exist_ok=True)
    source = np.random.default_rng(len(folder.name))
    for number in range(count):
        pixels = source.integers(0, 255, (side, side), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


@pytest.fixture
def table(tmp_path):
    (tmp_path / "table.csv").write_text(TABLE)
    return open_data(tmp_path / "table.csv", target="label")


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_a_table_without_its_target_gives_the_same_rows(table, suffix, tmp_path):
    frame, path = pl.read_csv(tmp_path / "table.csv").drop("label"), tmp_path / f"new.{suffix}"
    if suffix == "parquet":
        frame.write_parquet(path)
    else:
        path.write_bytes(
            gzip.compress(frame.write_csv().encode()) if suffix == "csv.gz" else frame.write_csv().encode()
        )

    rows = open_rows(path, Signature.of(table))

    torch.testing.assert_close(rows.inputs, table.inputs, rtol=0, atol=0)
    assert (rows.heading, list(rows.names), rows.notes) == ("row", list(range(1, 61)), ())
    torch.testing.assert_close(open_rows(tmp_path / "table.csv", Signature.of(table)).inputs, table.inputs)


def test_rows_keep_their_numbers_where_lines_are_empty(table, tmp_path):
    (tmp_path / "new.csv").write_text("colour,length\nred,1\n,\nblue,2\n")

    rows = open_rows(tmp_path / "new.csv", Signature.of(table))

    assert rows.names == [1, 3]
    assert rows.notes == ("1 row without any cell left out",)
    torch.testing.assert_close(rows.inputs[:, 0], torch.tensor([1.0, 2.0]))


def test_unknown_categories_say_nothing_and_missing_columns_are_named(table, tmp_path):
    (tmp_path / "new.csv").write_text("colour,length\nviolet,1\n")
    (tmp_path / "few.csv").write_text("colour,width\nred,1\n")

    torch.testing.assert_close(open_rows(tmp_path / "new.csv", Signature.of(table)).inputs, torch.tensor([[1.0, 0, 0]]))
    with pytest.raises(DampenError, match="length are not there"):
        open_rows(tmp_path / "few.csv", Signature.of(table))


def test_text_among_numbers_is_refused_without_options_that_there_are_not(table, tmp_path):
    (tmp_path / "new.csv").write_text("colour,length\nred,long\n")

    with pytest.raises(DampenError, match="got text in 1 row, first 'long'") as raised:
        open_rows(tmp_path / "new.csv", Signature.of(table))

    assert "--" not in str(raised.value)


def test_archives_with_and_without_labels(tmp_path):
    x = np.random.default_rng(0).integers(0, 255, (30, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "with.npz", X=x, y=np.arange(30) % 3)
    np.savez(tmp_path / "without.npz", x=x)
    np.savez(tmp_path / "parts.npz", x_train=x[:20], y_train=np.arange(20) % 3, x_test=x[20:], y_test=np.arange(10) % 3)
    data = open_data(tmp_path / "with.npz")

    for name in ("with", "without", "parts"):
        rows = open_rows(tmp_path / f"{name}.npz", Signature.of(data))
        assert (rows.inputs.dtype, rows.names) == (torch.uint8, range(1, 31))
        torch.testing.assert_close(rows.inputs, data.inputs, rtol=0, atol=0)


def test_images_are_found_at_any_depth_and_called_by_their_files(tmp_path):
    for name in ("train/cats", "train/dogs", "loose"):
        images(tmp_path / name)
    signature = Signature.of(open_data(tmp_path / "train"))

    labelled, loose = open_rows(tmp_path / "train", signature), open_rows(tmp_path / "loose", signature)
    one = open_rows(tmp_path / "loose" / "3.png", signature)

    assert labelled.names[:2] == ["cats/0.png", "cats/1.png"]
    assert (len(labelled.names), loose.heading, loose.names[-1]) == (18, "file", "8.png")
    assert one.names == ["3.png"]
    torch.testing.assert_close(one.inputs, loose.inputs[3:4], rtol=0, atol=0)


def test_broken_images_are_refused_or_left_out(tmp_path):
    for name in ("train/cats", "train/dogs"):
        images(tmp_path / name)
    signature = Signature.of(open_data(tmp_path / "train"))
    (tmp_path / "train" / "cats" / "0.png").write_bytes(b"no image")

    with pytest.raises(DampenError, match=r"0\.png is broken"):
        open_rows(tmp_path / "train", signature)
    rows = open_rows(tmp_path / "train", signature, skip_broken=True)
    assert (rows.names[0], rows.notes) == ("cats/1.png", ("Broken files left out: 1.",))


def test_idx_files_need_no_labels(tmp_path):
    x = np.random.default_rng(0).integers(0, 255, (12, 6, 6), dtype=np.uint8)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, *x.shape) + x.tobytes())
    signature = Signature("classes", (1, 6, 6), 3, ("a", "b", "c"))

    rows = open_rows(tmp_path, signature)

    torch.testing.assert_close(rows.inputs, torch.from_numpy(x)[:, None], rtol=0, atol=0)


def test_built_in_data_are_rows_too():
    digits = open_data("digits")

    torch.testing.assert_close(open_rows("digits", Signature.of(digits)).inputs, digits.inputs, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.csv", "does not exist"),
        ("notes.txt", "DATA must be a table"),
        ("empty", "must hold images; got none"),
        ("header.csv", "has a header only"),
        ("blank.csv", "all of them are empty"),
        ("other.npz", r"must have shape \(rows, 3\), as in training"),
        ("digits", "must be encoded as the network's was"),
    ],
)
def test_rows_of_something_else_are_refused(table, name, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("a note")
    (tmp_path / "empty").mkdir()
    (tmp_path / "header.csv").write_text("colour,length\n")
    (tmp_path / "blank.csv").write_text("colour,length\n,\n")
    np.savez(tmp_path / "other.npz", X=np.zeros((4, 2)))

    with pytest.raises(DampenError, match=said):
        open_rows(name, Signature.of(table))


# ------------------------------------------------------------------ the signature


def test_a_signature_comes_back_from_its_record(table):
    for data in (table, open_data("digits"), from_arrays(np.random.default_rng(0).normal(size=(9, 2)), np.arange(9.0))):
        signature = Signature.of(data)

        assert Signature.from_record(signature.to_record()) == signature


def test_classes_without_labels_are_called_by_their_numbers(table):
    assert Signature.of(dataclasses.replace(table, classes=())).classes == ("0", "1", "2")


def test_missing_numbers_pass_only_where_they_were_missing_in_training(table, tmp_path):
    signature = Signature.of(table)
    rows = table.inputs[:2].clone()
    rows[0, 0] = torch.nan
    with pytest.raises(DampenError, match="inputs must be finite"):
        encoded(signature, rows)

    (tmp_path / "holes.csv").write_text(TABLE.replace("\n3,", "\n,", 1))
    holes = open_data(tmp_path / "holes.csv", target="label")

    torch.testing.assert_close(encoded(Signature.of(holes), holes.inputs), holes.inputs, equal_nan=True)
