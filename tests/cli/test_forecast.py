"""Forecasts as a person types them: `--window` and `--horizon` with compare, train, predict and search."""

import csv
import datetime
import functools
import json
import math
import shlex

import commands
import numpy as np
import pytest

import dampen
from dampen import LSTM, DampenError, load_model
from dampen.cli.options import data_options
from dampen.cli.searching import data_as_typed, recalled
from dampen.data import open_data
from dampen.study.store import Store

START = datetime.date(2023, 1, 30)
NUM_DAYS, MISSING = 90, (40, 41)
SERIES = ("temp.csv", "--target", "temp", "--time", "date", "--window", "7")
SHORT = ("--epochs", "2", "--model", "lstm", "--precision", "float32")


def day(number):
    return str(START + datetime.timedelta(days=number))


def temperature(number):
    return round(10 + 5 * math.sin(number / 5), 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forecast")
    days = [number for number in range(NUM_DAYS) if number not in MISSING]
    lines = ["date,temp,sky", *(f"{day(number)},{temperature(number)},blue" for number in days)]
    (folder / "temp.csv").write_text("\n".join(lines) + "\n")
    (folder / "bare.csv").write_text("temp\n" + "\n".join(str(temperature(number)) for number in range(20)) + "\n")
    (folder / "hours.csv").write_text(
        "date,temp\n" + "".join(f"{day(0)} {hour:02}:00,{hour}\n" for hour in range(24)), encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return functools.partial(commands.run, folder)


@pytest.fixture(scope="module")
def trained(run):
    return run("train", *SERIES, *SHORT, "--recipe", "baseline", "--metric", "mae", "--out", "model")


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_training_says_what_is_forecast_what_is_left_out_and_how_far_it_is_off(trained, folder):
    code, out, err = trained

    data = open_data(folder / "temp.csv", target="temp", time="date", window=7)
    fitted = dampen.fit(LSTM(), data, epochs=2, metric="mae", precision="float32")
    off = np.abs(fitted.model()(data.inputs[data.test_rows]).detach().numpy() - data.targets[data.test_rows].numpy())
    assert (code, err) == (0, "")
    for words in (
        "temp: 74 rows, windows of 7 values, 1 step ahead, numbers as targets, split in time",
        "note: left out beside the series: sky",
        "note: 7 windows across a gap left out (gaps in 'date': 1; usual step: 1 day)",
        " mae ",
        f"{off.mean():.4g}",
        "On the test part, 15 rows that it never saw, numbers are off by ",
    ):
        assert words in out, words


def test_every_window_is_predicted_and_called_by_the_day_that_it_forecasts(trained, run, folder):
    code, out, err = run("predict", "model", "temp.csv", "--out", "days.csv")

    header, *body = rows_of(folder / "days.csv")
    last = np.array([[[temperature(number) for number in range(NUM_DAYS - 7, NUM_DAYS)]]], dtype=np.float32)
    assert (code, err) == (0, "")
    assert out.endswith("76 rows predicted, a number for each: days.csv\n")
    assert "note: 6 windows across a gap left out" in out
    assert header == ["date", "prediction"]
    assert [line[0] for line in (body[0], body[-2], body[-1])] == [day(7), day(NUM_DAYS - 1), day(NUM_DAYS)]
    np.testing.assert_allclose(float(body[-1][1]), load_model(folder / "model").predict(last)[0], rtol=1e-6)
    np.testing.assert_allclose(
        [float(line[1]) for line in body], load_model(folder / "model").predict(folder / "temp.csv"), rtol=1e-6
    )


def test_a_file_of_the_column_alone_is_predicted_in_its_order(trained, run, folder):
    code, out, _ = run("predict", "model", "bare.csv", "--out", "rows.csv")

    header, *body = rows_of(folder / "rows.csv")
    assert code == 0
    assert out.startswith("note: there is no column 'date': the file's order is taken for the order in time\n14 rows ")
    assert (header[0], [line[0] for line in body]) == ("row", [str(row) for row in range(8, 22)])


def test_a_horizon_is_kept_with_the_model(run, folder):
    run("train", *SERIES, "--horizon", "3", *SHORT, "--recipe", "default", "--out", "three")
    run("predict", "three", "temp.csv", "--out", "three.csv")

    assert load_model(folder / "three").signature.windows.horizon == 3
    assert [line[0] for line in rows_of(folder / "three.csv")[-3:]] == [day(NUM_DAYS + ahead) for ahead in range(3)]


def test_a_comparison_is_made_of_them_in_time(run, folder):
    code, out, err = run(
        *(
            "compare",
            "bare.csv",
            "--window",
            "4",
            "--recipe",
            "LockedDropout",
            "--seeds",
            "2",
            "--metric",
            "mae",
            *SHORT,
        ),
        *("--json", "answer.json", "--report", "page.md"),
    )

    protocol = json.loads((folder / "answer.json").read_text())["protocol"]
    assert (code, err) == (0, "")
    assert "bare: 16 rows, windows of 4 values, 1 step ahead" in out
    assert (protocol["metric"], protocol["overlap"], protocol["duplicates"]) == ("mae", {}, "")
    assert "how far the network is off, on average (the mean absolute error; less is better)" in (
        " ".join((folder / "page.md").read_text().split())
    )


def test_a_search_keeps_the_window_for_its_commands_and_goes_on_with_it(run, folder):
    code, out, err = run(
        *("search", *SERIES, "--horizon", "2", "--budget", "3", "--epochs", "2", "--seeds", "1"),
        *("--precision", "float32", "--hidden", "4"),
    )

    (line,) = [line for line in out.splitlines() if "Train with it: dampen " in line]
    assert (code, err) == (0, "")
    assert "--time date --window 7 --horizon 2 --recipe" in line
    assert "target='temp', time='date', window=7, horizon=2)" in out
    assert run(*shlex.split(line.partition("Train with it: dampen ")[2])).code == 0
    assert run("search", "--resume", "study-1", "--window", "8").err == (
        "dampen: The study 'study-1' must go on as it began, with --window 7; got 8. Leave it out, or begin a new "
        "study.\n"
    )


def test_what_a_study_kept_before_there_were_windows_is_read_all_the_same():
    said = {"data": "a.csv", "target": "y", "drop": [], "categories": "onehot", "scale": "standard"}

    assert data_as_typed(said) == "a.csv --target y"
    assert (data_options(said)["window"], data_options(said)["horizon"]) == (None, 1)


def test_a_study_from_before_there_were_windows_does_not_go_on_with_one(tmp_path):
    Store(tmp_path / "s.db").create("mine", higher_is_better=True, about={"command": {"data": "a.csv"}})

    with pytest.raises(DampenError, match=r"must go on as it began, with --window None; got 5\. Leave it out"):
        recalled("mine", str(tmp_path / "s.db"), {"window": 5})


BAD = {
    "no window": ((*SERIES[:-1], "0"), "window must be a whole number, at least 1; got 0."),
    "half a window": ((*SERIES[:-1], "2.5"), "Invalid value for '--window': "),
    "no horizon": ((*SERIES, "--horizon", "0"), "horizon must be a whole number, at least 1; got 0."),
    "a horizon alone": (
        ("temp.csv", "--target", "temp", "--horizon", "2"),
        "--horizon must be given with --window; got 2 alone. Give both or neither.",
    ),
    "classes": (
        (*SERIES, "--task", "classes"),
        "--window must be given with numbers to forecast; got --task classes. Leave it out.",
    ),
    "texts and groups": (
        (*SERIES, "--text", "sky", "--group", "date"),
        "--group, --text must not be given with --window. Leave them out.",
    ),
    "images": (("digits", "--window", "7"), "--window must not be given with the data set digits. Leave it out."),
    "no target": (
        ("temp.csv", "--window", "7"),
        "target must name the column to predict; 'temp.csv' has date, temp, sky",
    ),
    "a text": (
        ("temp.csv", "--target", "sky", "--window", "7"),
        "The target 'sky' must hold numbers; got text in 88 rows,",
    ),
    "too long": ((*SERIES[:-1], "83"), "The target 'temp' must have at least 89 values, for windows of 83 "),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_one_line_and_exit_code_2(run, name):
    arguments, message = BAD[name]

    for command in (("compare",), ("train", "--recipe", "baseline"), ("search",)):
        code, _, err = run(*command, *arguments)

        assert code == 2
        assert err.startswith(f"dampen: {message}")
        assert err.count("\n") == 1


def test_rows_of_other_steps_are_not_predicted(trained, run, folder):
    assert run("predict", "model", "hours.csv", "--out", "hours-ahead.csv") == (
        *(2, ""),
        "dampen: The time 'date' must go in steps of 1 day, as in training; got steps of 1 hour.\n",
    )
    assert not (folder / "hours-ahead.csv").exists()
