"""Parts that a column of a table names: who trains, who is watched, who judges."""

import re

import numpy as np
import polars as pl
import pytest
from commands import run

from dampen import DampenError
from dampen.data import open_data
from dampen.data.split import split

SOURCE = np.random.default_rng(0)
PARTS = np.array(["Train", " training", "DEV", "test"])[np.arange(80) % 4]
TEXTS = [
    f"a {'good' if row % 3 else 'bad'} film {'of old' if part != 'test' else 'unheard'}"
    for row, part in enumerate(PARTS)
]
X = SOURCE.normal(size=80)


def table(tmp_path, parts=PARTS):
    path = tmp_path / "films.csv"
    y = np.where(np.arange(80) % 3 > 0, "yes", "no")
    pl.DataFrame({"x": X, "y": y, "part": parts, "text": TEXTS, "who": np.arange(80) % 9}).write_csv(path)
    return path


def test_the_parts_are_those_of_the_column_under_every_seed(tmp_path):
    data = open_data(table(tmp_path), target="y", split="part", drop=("text", "who"))
    assert data.describe().endswith("2 classes, parts as in 'part'")
    for seed in range(3):
        found = split(data, seed)
        assert found.test.tolist() == [*range(3, 80, 4)]
        assert found.validation.tolist() == [*range(2, 80, 4)]
        assert found.train.tolist() == sorted([*range(0, 80, 4), *range(1, 80, 4)])


def test_without_rows_to_validate_on_they_are_drawn_from_those_to_train_on(tmp_path):
    data = open_data(
        table(tmp_path, np.where(PARTS == "DEV", "train", PARTS)), target="y", split="part", drop=("text",)
    )
    one, other = split(data, 0), split(data, 1)
    assert one.test.tolist() == other.test.tolist() == [*range(3, 80, 4)]
    assert one.validation.tolist() != other.validation.tolist()
    assert data.describe().endswith("parts as in 'part'")


def test_the_vocabulary_never_looks_at_the_test_part(tmp_path):
    data = open_data(table(tmp_path), target="y", split="part", text="text")
    assert "unheard" not in data.vocabulary.words
    assert "old" in data.vocabulary.words


BAD = {
    "another word": ("DEV", "later", "must say train, validation (or dev) or test of every row; got 'later'."),
    "nothing": ("DEV", None, "must be known of every row; got none in 20 rows."),
    "no test": ("test", "dev", "must name rows to train on and rows to test on; got none that test."),
    "no training": ("Train| training", "dev", "must name rows to train on and rows to test on; got none that train."),
}


@pytest.mark.parametrize("case", BAD)
def test_other_columns_are_refused(tmp_path, case):
    names, instead, told = BAD[case]
    parts = np.where(np.isin(PARTS, names.split("|")), instead, PARTS)
    with pytest.raises(DampenError, match=re.escape(f"The split 'part' {told}")):
        open_data(table(tmp_path, parts), target="y", split="part", drop=("text", "who"))


def test_one_way_to_split_is_enough(tmp_path):
    path = table(tmp_path)
    with pytest.raises(DampenError, match=r"must be split in one way; got --group and --split\. Leave one out"):
        open_data(path, target="y", split="part", group="who", drop=("text",))
    with pytest.raises(DampenError, match="must be split in one way; got --time and --split"):
        open_data(path, target="y", split="part", time="x", drop=("text",))
    with pytest.raises(DampenError, match=r"--split must not be given with the data set digits\."):
        open_data("digits", split="part")


def test_a_command_takes_the_column(tmp_path):
    table(tmp_path)
    how = ["--epochs", "1", "--seeds", "1", "--recipe", "Dropout", "--drop", "text"]
    done = run(tmp_path, "compare", "films.csv", "--target", "y", "--split", "part", *how)
    assert done.code == 0, done.err
    assert "parts as in 'part'" in done.out
