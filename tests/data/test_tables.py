import gzip

import numpy as np
import polars as pl
import pytest
import torch
from helpers import agrees
from sklearn.datasets import load_wine
from tabular_sets import diabetes, index, needs_shared, shared, wine

from dampen import MLP, DampenError
from dampen.data import as_dataset, load_table, open_data, split
from dampen.training.fit import fit

BUNCH = load_wine()


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "wine.csv"
    wine().write_csv(file)
    return file


def written(tmp_path, text, name="table.csv"):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def some_rows(cell=lambda row: "1", target=lambda row: "ab"[row % 2], count=30):
    """Text of a small table: a varying number, a cell of each row's, a target."""
    return "n,x,y\n" + "".join(f"{(row * 7) % 11},{cell(row)},{target(row)}\n" for row in range(count))


def refusal(*arguments, **options):
    with pytest.raises(DampenError) as raised:
        load_table(*arguments, **options)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


# ------------------------------------------------------------------ what comes in


def test_a_csv_file_becomes_numbers_indicators_and_categories(path):
    data = load_table(path, target="kind")

    names = data.schema.features
    numbers = BUNCH.data.astype(np.float32)
    numbers[BUNCH.data[:, 2] >= 2.6, 2] = np.nan
    agrees(data.inputs[:, :13].nan_to_num(nan=-1.0), np.nan_to_num(numbers, nan=-1.0))
    agrees(data.inputs[:, names.index("ash is missing")], np.isnan(numbers[:, 2]).astype(np.float32))
    agrees(data.inputs[:, names.index("body = strong")], (BUNCH.data[:, 0] > 13.5).astype(np.float32))
    between = (BUNCH.data[:, 0] <= 13.5) & (BUNCH.data[:, 0] >= 12)
    agrees(data.inputs[:, names.index("body = missing")], between.astype(np.float32))
    assert names[13:] == ("ash is missing", "body = light", "body = strong", "body = missing")
    assert data.classes == ("barbera", "barolo", "grignolino")
    agrees(data.targets.argmax(1), np.array([1, 2, 0])[BUNCH.target])
    assert data.describe() == "wine: 178 rows, 14 columns (13 numeric, 1 categorical), 3 classes"


@pytest.mark.parametrize("form", ["csv.gz", "tsv", "parquet", "semicolons", "blanks", "byte order mark"])
def test_other_forms_of_the_same_table_are_the_same_data(path, tmp_path, form):
    other = tmp_path / f"other.{form if '.' in form or form in ('tsv', 'parquet') else 'csv'}"
    if form == "csv.gz":
        other.write_bytes(gzip.compress(path.read_bytes()))
    elif form == "parquet":
        wine().write_parquet(other)
    elif form == "byte order mark":
        other.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    else:
        separator = {"tsv": "\t", "semicolons": ";", "blanks": ", "}[form]
        other.write_text(path.read_text().replace(",", separator))

    data, same = load_table(path, target="kind"), load_table(other, target="kind")

    assert same.fingerprint == data.fingerprint
    assert (same.schema, same.classes) == (data.schema, data.classes)


def test_quoted_text_keeps_commas_quotes_and_line_breaks(tmp_path):
    words = ['"a, b"', '"say ""no"""', '"two\nlines"']

    data = load_table(written(tmp_path, some_rows(cell=lambda row: words[row % 3])), target="y")

    assert data.schema.categorical[0].categories == ("a, b", 'say "no"', "two\nlines")
    assert len(data.inputs) == 30


def test_empty_cells_and_na_are_missing_and_lines_without_any_cell_are_left_out(tmp_path):
    cells = ["", "NA", " ", '""', "5"]
    text = some_rows(cell=lambda row: cells[row % 5]) + "\n,,\n"

    data = load_table(written(tmp_path, text), target="y")

    assert len(data.inputs) == 30
    agrees(data.inputs[:, 1].isnan(), torch.arange(30) % 5 < 4)
    assert data.notes == ("2 rows without any cell left out",)


def test_a_column_of_whole_numbers_is_numbers_unless_its_name_is_given(tmp_path):
    file = written(tmp_path, some_rows(cell=lambda row: str([10, 9, 2][row % 3])))

    numbers = load_table(file, target="y").schema.columns[1]
    categories = load_table(file, target="y", categorical=["x"]).schema.columns[1]

    assert (numbers.kind, categories.kind) == ("number", "category")
    assert categories.categories == ("2", "9", "10"), "sorted as people sort"


def test_a_column_that_is_mostly_text_is_categories_and_one_without_a_cell_too(tmp_path):
    mixed = load_table(written(tmp_path, some_rows(cell=lambda row: ["2", "4", "5more"][row % 3])), target="y")
    empty = load_table(written(tmp_path, some_rows(cell=lambda row: "")), target="y")

    assert mixed.schema.columns[1].categories == ("2", "4", "5more")
    assert empty.schema.columns[1].categories == (None,)


def test_times_in_seconds_keep_their_differences(tmp_path):
    """Single precision holds 1.7e9 in steps of 128."""
    file = written(tmp_path, some_rows(cell=lambda row: str(1_700_000_000 + row)))

    data = load_table(file, target="y")

    agrees(data.inputs[:, 1].diff(), torch.ones(29))
    assert data.schema.columns[1].offset == 1_700_000_000


def test_a_column_that_counts_the_rows_is_noted(tmp_path):
    data = load_table(written(tmp_path, some_rows(cell=str)), target="y")

    assert data.notes == ("the column 'x' numbers the rows; leave it out with --drop if that is all it is",)


def test_dropped_columns_are_gone(path):
    data = load_table(path, target="kind", drop=["ash", "body"])

    assert len(data.schema.features) == 12
    assert "ash" not in data.schema.groups


def test_a_second_file_is_the_test_part(tmp_path, path):
    wine()[150:].write_csv(tmp_path / "test.csv")
    wine()[:150].write_csv(tmp_path / "train.csv")

    data = open_data(tmp_path, target="kind")

    assert data.fingerprint != load_table(path, target="kind").fingerprint
    agrees(data.inputs.nan_to_num(), load_table(path, target="kind").inputs.nan_to_num())
    agrees(split(data, 3).test, torch.arange(150, 178))


def test_a_path_is_data_for_the_python_functions_too(path):
    with pytest.raises(DampenError, match=r"^target must name the column to predict; 'wine\.csv' has alcohol, "):
        as_dataset(str(path))


# ------------------------------------------------------------------ classes or numbers


@pytest.mark.parametrize(
    ("spelled", "task", "classes"),
    [
        (lambda row: "ab"[row % 2], "classes", ("a", "b")),
        (lambda row: ["true", "false"][row % 2], "classes", ("false", "true")),
        (lambda row: str([10, 9, -1][row % 3]), "classes", ("-1", "9", "10")),
        (lambda row: ["01", "02", "10"][row % 3], "classes", ("01", "02", "10")),
        (lambda row: ["1", "2", "U"][row % 3], "classes", ("1", "2", "U")),
        (lambda row: ["class 10", "class 9"][row % 2], "classes", ("class 9", "class 10")),
        (lambda row: f"{row / 7:.3f}", "numbers", ()),
        (lambda row: str([0.5, 1.5][row % 2]), "numbers", ()),
        (lambda row: f"{1000 * row}.0", "numbers", ()),
    ],
)
def test_a_target_tells_its_task_and_classes_keep_their_spelling(tmp_path, spelled, task, classes):
    data = load_table(written(tmp_path, some_rows(target=spelled)), target="y")

    assert (data.task, data.classes) == (task, classes)
    if task == "classes":
        expected = [classes.index(spelled(row)) for row in range(30)]
        agrees(data.targets, np.eye(len(classes), dtype=np.float32)[expected])
    else:
        agrees(data.targets[:, 0], np.array([spelled(row) for row in range(30)], dtype=np.float32))


@pytest.mark.parametrize(("spelled", "got"), [(lambda row: str(row // 3), "whole numbers of 10 values"),
                                              (lambda row: f"{row % 2}.0", "2 values such as 0.0")])  # fmt: skip
def test_where_a_target_does_not_tell_its_task_one_is_asked_for(tmp_path, spelled, got):
    file = written(tmp_path, some_rows(target=spelled))

    message = refusal(file, target="y")

    assert message == (
        f"The target 'y' must be plainly classes or numbers; got {got}. Pass --task classes or --task numbers."
    )
    assert load_table(file, target="y", task="classes").task == "classes"
    assert load_table(file, target="y", task="numbers").task == "numbers"


def test_diabetes_has_numbers_as_targets_once_said(tmp_path):
    diabetes().write_csv(tmp_path / "diabetes.csv")

    data = load_table(tmp_path / "diabetes.csv", target="progress")

    agrees(data.targets[:, 0], diabetes()["progress"].cast(pl.Float32).to_numpy())


# ------------------------------------------------------------------ what is refused

LATE = ["a"] * 25 + ["late"] * 5
BAD = {
    "text among numbers": (
        dict(cell=lambda row: {3: "abc", 9: "?"}.get(row, "1.5"), count=40),
        {},
        "The column 'x' must hold numbers; got text in 2 rows, first 'abc'. Mend these cells, leave the column out "
        "with --drop, or take it as texts with --categorical.",
    ),
    "nan and infinity": (
        dict(cell=lambda row: {3: "NaN", 9: "inf", 11: "1e300"}.get(row, "1.5")),
        {},
        "The column 'x' must be finite and below 3e38; got NaN, infinity or more in 3 rows. Mend these cells, or drop "
        "their rows; where a number is missing, leave the cell empty.",
    ),
    "decimal commas": (
        dict(cell=lambda row: f'"{row},5"'),
        {},
        "The column 'x' must have decimal points; got decimal commas in 30 rows, first '0,5'. Turn them into points.",
    ),
    "decimal commas in the target": (
        dict(target=lambda row: f'"{row},5"'),
        {},
        "The target 'y' must have decimal points; got decimal commas in 30 rows, first '0,5'. Turn them into points.",
    ),
    "names": (
        dict(cell=lambda row: f"id {row}", count=1200),
        {},
        "The column 'x' must have at most 1000 categories; got 1200, such as 'id 0'. It looks like a name or a text: "
        "leave it out with --drop.",
    ),
    "one class": (
        dict(target=lambda row: "yes"),
        {},
        "The target 'y' must have at least two classes; got one, yes.",
    ),
    "a rare class": (
        dict(target=lambda row: "b" if row in (3, 8) else "a"),
        {},
        "Every class must have at least 3 rows, one for each part; class b of 'y' has 2. ",
    ),
    "a missing target": (
        dict(target=lambda row: "" if row in (3, 8) else "ab"[row % 2]),
        {},
        "The target 'y' must have a value in every row; got none in 2 rows. Drop these rows.",
    ),
    "text among target numbers": (
        dict(target=lambda row: "?" if row == 8 else str(row / 7)),
        {},
        "The target 'y' must hold numbers or classes; got numbers with text in 1 row, first '?'. ",
    ),
    "an infinite target": (
        dict(target=lambda row: "inf" if row == 8 else str(row / 7)),
        {},
        "The target 'y' must be finite and below 3e38; got NaN, infinity or more in 1 row. ",
    ),
    "a target of one value": (
        dict(target=lambda row: "2.5"),
        {"task": "numbers"},
        "The target must vary; got the value 2.5 in all 30 rows.",
    ),
    "a target of texts as numbers": (
        {},
        {"task": "numbers"},
        "The target 'y' must hold numbers; got text in 30 rows, first 'a'. ",
    ),
    "too many classes": (
        dict(target=lambda row: str(row), count=1200),
        {"task": "classes"},
        "The target 'y' must have at most 1000 classes; got 1200, such as '0'. Is it a number? Pass --task numbers.",
    ),
    "no such task": ({}, {"task": "nombers"}, "task must be classes, labels or numbers; got 'nombers'."),
    "no such column": ({}, {"drop": ["X"]}, "Unknown column 'X'. Did you mean 'x'? 'table.csv' has n, x, y."),
    "two uses": (
        {},
        {"group": "y"},
        "A column must have one use; y has two.",
    ),
    "groups in time": ({}, {"group": "n", "time": "x"}, "A table must be split in one way; got --group and --time. "),
    "nothing left": (
        {},
        {"drop": ["n", "x"]},
        "'table.csv' must have a column besides the target; none is left.",
    ),
    "no such coding": ({}, {"categories": "one-hot"}, "categories must be onehot or embed; got 'one-hot'."),
    "no such scale": ({}, {"scale": "log"}, "scale must be standard, quantile, robust or bins; got 'log'."),
    "too few rows": (dict(count=5), {}, "'table.csv' must have at least 6 rows; got 5."),
    "a class in one group": (
        dict(cell=lambda row: str(row % 5), target=lambda row: "b" if row % 5 == 2 else "a"),
        {"group": "x"},
        "Every class must have at least 3 groups, one for each part; class b of 'y' has 1. ",
    ),
    "a huge group": (
        dict(cell=lambda row: str(max(row - 20, 0))),
        {"group": "x"},
        "Groups must be small enough to divide 30 rows into three parts; the largest of 10 has 21 rows. ",
    ),
    "an unknown group": (
        dict(cell=lambda row: "" if row == 4 else str(row // 2)),
        {"group": "x"},
        "The group 'x' must be known of every row; got none in 1 row.",
    ),
    "a class of the last rows": (
        dict(cell=str, target=lambda row: LATE[row]),
        {"time": "x"},
        "Every class must have at least 1 row to train on; class late of 'y' has 0. ",
    ),
    "a time that stands still": (
        {},
        {"time": "x"},
        "The time 'x' must take at least three values, for training, validation and test part; got 1.",
    ),
    "no time": (
        dict(cell=lambda row: "soon" if row == 4 else f"2024-05-{row + 1:02d}"),
        {"time": "x"},
        "The time 'x' must hold numbers or dates such as 2024-05-31 or 2024-05-31 18:30; got text in 1 row, first ",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_cells_and_columns_that_do_not_fit_are_refused_with_a_sentence(tmp_path, name):
    rows, options, message = BAD[name]

    assert refusal(written(tmp_path, some_rows(**rows)), target="y", **options).startswith(message)


RAGGED = "Every row of 'table.csv' must have 3 cells, as its header has; got others in 1 row, first line 3 with "
BAD_FILES = {
    "a long row": ("n,x,y\n1,2,a\n1,2,3,b\n", f"{RAGGED}4, starting with '1'. Quote cells that contain ','."),
    "a short row": ("n,x,y\n1,2,a\n1,2\n", f"{RAGGED}2, starting with '1'. Quote cells that contain ','."),
    "a header": ("n,x,y\n", "'table.csv' must have rows; it has a header only."),
    "nothing": ("", "'table.csv' must have a header and rows; its first line is empty."),
    "a name twice": ("n,x,n,y\n1,2,3,4\n", "Every column must have a name of its own; 'table.csv' has n twice."),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_files_that_are_no_tables_are_refused_with_a_sentence(tmp_path, name):
    text, message = BAD_FILES[name]

    assert refusal(written(tmp_path, text), target="y").startswith(message)


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "table.parquet"])
def test_bytes_that_are_no_table_are_refused_by_the_file_s_name(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(range(256)) * 9)

    assert refusal(tmp_path / name, target="y").startswith(f"'{name}' must be a ")


def test_a_file_cut_short_is_refused(tmp_path, path):
    whole = gzip.compress(path.read_bytes())
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])

    assert refusal(tmp_path / "cut.csv.gz", target="kind").startswith("'cut.csv.gz' must be a CSV file, UTF-8 text; ")


@pytest.mark.parametrize("name", ["bomb.csv.gz", "bomb.tsv.gz"])
def test_a_table_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path, name):
    text = "n,x,y\n" + "0,0,a\n" * 2**22
    (tmp_path / name).write_bytes(gzip.compress(text.encode()))

    assert refusal(tmp_path / name, target="y").startswith(f"{name} must not unpack to more than 400 times its size; ")


def test_dates_as_texts_are_categories_and_it_is_said(tmp_path):
    text = some_rows(cell=lambda row: f"2024-05-{row % 5 + 1:02}")

    data = load_table(written(tmp_path, text), target="y")

    assert data.notes == (
        "the column 'x' holds dates, read as 5 categories; leave it out with --drop, or split in time with --time",
    )


def test_dates_are_no_numbers(tmp_path):
    frame = wine().with_columns(pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 6, 26)).alias("bottled"))
    frame.write_parquet(tmp_path / "wine.parquet")

    assert refusal(tmp_path / "wine.parquet", target="kind") == (
        "The column 'bottled' must hold numbers or texts; got Date. Leave it out with --drop, or turn it into numbers."
    )


def test_a_test_file_of_other_columns_is_refused(tmp_path, path):
    wine().drop("hue").write_csv(tmp_path / "test.csv")

    assert refusal(path, target="kind", test=tmp_path / "test.csv") == (
        "'test.csv' must have the columns of 'wine.csv'; hue are in one of them only."
    )


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("win.csv", {}, "DATA must be a built-in name, a file or a folder; got 'win.csv', which does not exist. Did "),
        ("digits", {"target": "y"}, "--target must not be given with the data set digits. Leave it out."),
        ("digits", {"drop": ["y"], "scale": "quantile"}, "--drop, --scale must not be given with the data set digits."),
        ("wine.csv", {"skip_broken": True}, "--skip-broken must not be given with a table. Leave it out."),
        ("wine.xlsx", {}, "DATA must be a table (.csv, .tsv, .gz, .parquet), an .npz file or a folder; got wine.xlsx."),
    ],
)
def test_the_door_refuses_what_it_does_not_know(path, monkeypatch, source, options, message):
    monkeypatch.chdir(path.parent)
    (path.parent / "wine.xlsx").write_bytes(b"x")

    with pytest.raises(DampenError) as raised:
        open_data(source, **options)

    assert str(raised.value).startswith(message)


# ------------------------------------------------------------------ every shared set


@needs_shared
@pytest.mark.parametrize("record", index(), ids=lambda record: record["name"])
def test_every_shared_table_has_the_rows_columns_and_classes_of_the_index(record):
    data = open_data(shared(record["name"]), target=record["target"], categorical=record["categorical"])

    counts = dict(zip(data.classes, data.targets.sum(0).int().tolist(), strict=True))
    assert counts == record["class_counts"]
    assert (len(data.inputs), len(data.schema.columns)) == (record["rows"], record["features"])
    assert {column.name for column in data.schema.categorical} == set(record["categorical"])
    features = dict(zip(data.schema.features, data.inputs.T, strict=True))
    missing = [name for name in features if name.endswith((" = missing", " is missing"))]
    assert sum(int(features[name].sum()) for name in missing) == record["missing_cells"]


@needs_shared
@pytest.mark.parametrize("record", index(), ids=lambda record: record["name"])
def test_every_shared_table_trains_an_epoch(record):
    data = open_data(shared(record["name"]), target=record["target"], categorical=record["categorical"])

    fitted = fit(MLP((16,)), data, epochs=1, batch_size=256)

    assert fitted.history.outcome == "finished"
    assert np.isfinite(fitted.test["loss"])
