"""A series as windows and targets: by hand, by loops, in three parts in time; gaps, other forms; what is refused."""

import datetime
import random

import numpy as np
import polars as pl
import pytest
import torch
from helpers import agrees

from dampen import MLP, DampenError, fit
from dampen.data import open_data, split
from dampen.data.duplicates import duplicates
from dampen.data.in_time import step_in_words
from dampen.data.signature import Signature, encoded
from dampen.data.unlabelled import of_dataset, open_rows
from dampen.study.overlap import overlap

START = datetime.date(2024, 2, 20)
SQUARES = [number * number for number in range(1, 13)]


def day(number):
    return str(START + datetime.timedelta(days=number))


def written(folder, lines, name="series.csv"):
    (folder / name).write_text("\n".join(map(str, lines)) + "\n")
    return folder / name


def of_squares(folder):
    return written(folder, ["value", *SQUARES])


def dated(folder, days, cell=lambda number: number * number, name="series.csv"):
    return written(folder, ["date,value", *(f"{day(number)},{cell(number)}" for number in days)], name)


def holds(tensor, numbers, **tolerances):
    agrees(tensor.double(), np.array(numbers, dtype=np.float64), **tolerances)


def refusal(function, *arguments, **options):
    with pytest.raises(DampenError) as raised:
        function(*arguments, **options)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


# ------------------------------------------------------------------ what comes out


def test_windows_and_targets_and_parts_are_those_counted_by_hand(tmp_path):
    data = open_data(of_squares(tmp_path), window=3, horizon=2)

    holds(data.inputs[0], [[1.0, 4.0, 9.0]])
    holds(data.inputs[7], [[64.0, 81.0, 100.0]])
    holds(data.targets, [[25.0], [36.0], [49.0], [64.0], [81.0], [100.0], [121.0], [144.0]])
    assert data.inputs.shape == (8, 1, 3)
    parts = split(data, 7)
    assert [part.tolist() for part in parts] == [[0, 1, 2, 3, 4], [5], [6, 7]]
    assert (data.task, data.classes, data.notes, data.protocol) == ("numbers", (), (), "fixed test")
    assert data.describe() == ("series: 8 rows, windows of 3 values, 2 steps ahead, numbers as targets, split in time")
    assert "series" in data.words


def by_loop(values, window, horizon):
    """value None: missing; position absent: a gap. values: {position in time: value}."""
    inputs, targets = [], []
    for place in sorted(values):
        steps = range(place - horizon - window + 1, place + 1)
        if all(step in values for step in steps):
            cells = [values[step] for step in steps]
            past, target = cells[:window], cells[-1]
            if None not in past and target is not None:
                inputs.append([past])
                targets.append([target])
    return np.array(inputs, dtype=np.float32), np.array(targets, dtype=np.float32)


@pytest.mark.parametrize(("window", "horizon"), [(1, 1), (3, 1), (4, 3), (1, 5)])
def test_with_gaps_and_missing_values_the_windows_are_those_of_a_plain_loop(tmp_path, window, horizon):
    draw = random.Random(window)
    days = sorted(draw.sample(range(150), 140))
    values = {number: None if draw.random() < 0.04 else draw.gauss(50, 9) for number in days}
    path = dated(tmp_path, draw.sample(days, len(days)), lambda number: values[number] or ["", "NA", "NaN"][number % 3])

    data = open_data(path, target="value", time="date", window=window, horizon=horizon)

    inputs, targets = by_loop(values, window, horizon)
    agrees(data.inputs, inputs)
    agrees(data.targets, targets)
    assert 6 < len(inputs) < 140 - window - horizon
    count = len(targets)
    assert [len(part) for part in split(data, 0)] == [round(0.6 * count), round(0.8 * count) - round(0.6 * count),
                                                      count - round(0.8 * count)]  # fmt: skip


def test_notes_say_how_many_windows_a_gap_and_a_missing_value_cost(tmp_path):
    """Of 36 windows of 4 days and a target: 4 reach across the two days that are not there; 5 hold day 11, missing, as
    a value or as the target, and of the 5 with day 22 two reach across the gap, too."""
    days = [number for number in range(42) if number not in (25, 26)]
    path = dated(tmp_path, days, lambda number: "" if number in (11, 22) else number * number)

    data = open_data(path, target="value", time="date", window=4)

    assert data.notes == (
        "4 windows across a gap left out (gaps in 'date': 1; usual step: 1 day)",
        "8 windows with a missing value left out (missing values: 2)",
    )
    assert len(data.inputs) == 24


def test_other_columns_are_left_out_and_named(tmp_path):
    path = written(tmp_path, ["a,date,value,b", *(f"x,{day(n)},{n * n},{n}" for n in range(20))])

    data = open_data(path, target="value", time="date", window=5)

    assert data.notes == ("left out beside the series: a, b",)
    assert data.schema is None


def test_a_column_that_is_alone_needs_no_name(tmp_path):
    (tmp_path / "a").mkdir()

    alone = open_data(of_squares(tmp_path), window=3)
    beside_time = open_data(dated(tmp_path / "a", range(1, 13)), time="date", window=3)

    agrees(alone.inputs, beside_time.inputs)
    agrees(alone.targets, beside_time.targets)
    assert (alone.windows.column, alone.windows.time) == ("value", "")
    assert (beside_time.windows.column, beside_time.windows.time) == ("value", "date")


FORMS = {
    "slashes": lambda days: [str(d).replace("-", "/") for d in days],
    "midnights": lambda days: [f"{d} 00:00" for d in days],
    "numbers": lambda days: [str(0.5 * n - 3) for n, _ in enumerate(days)],
    "dates": lambda days: pl.Series(days),
    "milliseconds": lambda days: pl.Series(days).cast(pl.Datetime("ms")),
    "nanoseconds in utc": lambda days: pl.Series(days).cast(pl.Datetime("ns", "UTC")),
}


@pytest.mark.parametrize("form", FORMS)
def test_times_in_other_forms_and_any_order_make_the_same_windows(tmp_path, form):
    days = [START + datetime.timedelta(days=number) for number in range(30)]
    usual = open_data(dated(tmp_path, range(30)), target="value", time="date", window=4)
    frame = pl.DataFrame({"value": [number * number for number in range(30)]})
    frame = frame.with_columns(pl.Series("date", FORMS[form](days)))
    frame.sample(fraction=1.0, shuffle=True, seed=1).write_parquet(tmp_path / "other.parquet")

    data = open_data(tmp_path / "other.parquet", target="value", time="date", window=4)

    assert data.fingerprint == usual.fingerprint
    assert data.windows.step == (0.5 if form == "numbers" else 86_400e6)
    assert data.notes == ()


def test_steps_may_be_a_little_off(tmp_path):
    """A clock that is up to two seconds early or late every ten minutes, and begins anew once, at another second."""
    draw = random.Random(3)
    seconds = [600 * number + draw.randint(-2, 2) + 217 * (number >= 40) for number in range(90)]
    path = written(tmp_path, ["s,value", *(f"{second},{number % 7}" for number, second in enumerate(seconds))])

    data = open_data(path, target="value", time="s", window=5)

    assert len(data.inputs) == 90 - 5 - 5
    assert data.notes[0].startswith("5 windows across a gap left out (gaps in 's': 1; usual step: 6")


def test_empty_lines_at_the_ends_are_no_gap_and_in_the_middle_are_one(tmp_path):
    text = ["value", "", *SQUARES, "", ""]
    more = ["value,other", *(f"{square},x" for square in SQUARES[:6]), ",", *(f"{s},x" for s in SQUARES[6:]), ","]

    ends = open_data(written(tmp_path, text), window=2)
    middle = open_data(written(tmp_path, more, "more.csv"), target="value", window=2)

    assert (len(ends.inputs), ends.notes) == (10, ())
    assert len(middle.inputs) == 8
    assert middle.notes[1] == "3 windows with a missing value left out (missing values: 1)"


def test_where_a_time_orders_the_rows_a_line_without_any_cell_is_nothing(tmp_path):
    lines = [f"{day(number)},{number * number}" for number in range(30)]
    path = written(tmp_path, ["date,value", *lines[:9], ",", *lines[9:]])

    data = open_data(path, time="date", window=4)

    assert (len(data.inputs), data.notes) == (26, ())
    assert len(open_rows(path, Signature.of(data)).inputs) == 27


def test_a_window_reaches_back_into_the_part_before_a_target_never_does(tmp_path):
    data = open_data(dated(tmp_path, range(100), lambda n: n), target="value", time="date", window=10, horizon=3)

    train, validation, test = split(data, 0)
    inputs, targets = data.inputs[:, 0], data.targets[:, 0]

    assert targets[train].max() < targets[validation].min()
    assert targets[validation].max() < targets[test].min()
    assert inputs[test].min() < targets[validation].max(), "its inputs are known by then"
    assert bool((inputs.amax(1) <= targets - 3).all()), "nothing that comes later is among the inputs"


def test_what_is_fitted_is_fitted_on_the_windows_of_the_training_part_alone(tmp_path):
    data = open_data(of_squares(tmp_path), window=3, horizon=2)

    model = fit(MLP((4,)), data, epochs=1).model()

    windows = np.array([SQUARES[start : start + 3] for start in range(5)], dtype=np.float64)
    buffers = dict(model.named_buffers())
    holds(buffers["inputs_mean"], [[windows.mean()]], rtol=1e-6)
    holds(buffers["inputs_std"], [[windows.std()]], rtol=1e-6)
    holds(buffers["targets_mean"], [np.mean([25, 36, 49, 64, 81])], rtol=1e-6)


def test_a_series_that_repeats_itself_is_not_told_as_rows_in_two_parts(tmp_path):
    """It rains on one day in forty: most windows are the same zeros in every part."""
    data = open_data(written(tmp_path, ["rain", *(float(n % 40 == 7) for n in range(400))]), window=5)
    parts = split(data, 0)

    assert duplicates(data, parts).test.exact > 0, "taken for rows that were drawn by chance they would be"
    assert overlap(data, parts) == {"duplicates": "", "overlap": {}}


# ------------------------------------------------------------------ what is refused

DAYS = range(40)
BAD = {
    "no window": ({"window": 0}, "window must be a whole number, at least 1; got 0."),
    "half a window": ({"window": 2.5}, "window must be a whole number, at least 1; got 2.5."),
    "a window as text": ({"window": "3"}, "window must be a whole number, at least 1; got '3'."),
    "a yes": ({"window": True}, "window must be a whole number, at least 1; got True."),
    "no horizon": ({"horizon": 0}, "horizon must be a whole number, at least 1; got 0."),
    "a horizon backwards": ({"horizon": -1}, "horizon must be a whole number, at least 1; got -1."),
    "classes": (
        {"task": "classes"},
        "--window must be given with numbers to forecast; got --task classes. Leave it out.",
    ),
    "groups": ({"group": "other"}, "--group must not be given with --window. Leave it out."),
    "texts": ({"text": "other", "drop": ["other"]}, "--text, --drop must not be given with --window. Leave them out."),
    "quantiles": ({"scale": "quantile"}, "--scale must not be given with --window. Leave it out."),
    "no target": (
        {"target": None},
        "target must name the column to predict; 'series.csv' has date, value, other. Name it with --target.",
    ),
    "two targets": ({"target": ["value", "other"]}, "A series to forecast must be one column; got value, other. "),
    "no such target": ({"target": "valu"}, "Unknown column 'valu'. Did you mean 'value'? "),
    "no such time": ({"time": "dat"}, "Unknown column 'dat'. Did you mean 'date'? "),
    "the time itself": (
        {"target": "date"},
        "A column must have one use; ",
    ),
    "too short": (
        {"window": 30, "horizon": 6},
        "The target 'value' must have at least 41 values, for windows of 30 and targets 6 ahead in three parts; got 40."
        " Take a shorter window.",
    ),
    "longer than the series": (
        {"window": 300},
        "The target 'value' must have at least 306 values, for windows of 300 ",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_options_that_do_not_fit_are_refused_with_a_sentence(tmp_path, name):
    options, message = BAD[name]
    path = written(tmp_path, ["date,value,other", *(f"{day(number)},{number * number},x" for number in DAYS)])

    said = refusal(open_data, path, **{"target": "value", "time": "date", "window": 5, **options})

    assert said.startswith(message)


SERIES = {
    "text": (
        {"cell": lambda number: {7: "warm", 9: "cold"}.get(number, number)},
        "The target 'value' must hold numbers; got text in 2 rows, first 'warm'. Mend these cells; leave those empty ",
    ),
    "decimal commas": (
        {"cell": lambda number: f'"{number},5"'},
        "The target 'value' must have decimal points; got decimal commas in 40 rows, first '0,5'. ",
    ),
    "infinity": (
        {"cell": lambda number: "inf" if number == 4 else number},
        "The target 'value' must be finite and below 3e38; got NaN, infinity or more in 1 row. ",
    ),
    "nothing at all": (
        {"days": [], "cell": str},
        "'series.csv' must have rows; it has a header only.",
    ),
    "nothing": ({"cell": lambda number: ""}, "The target 'value' must have values; all of its cells are empty."),
    "one value": ({"cell": lambda number: 2.5}, "The target must vary; got the value 2.5 in all 35 rows."),
    "a time twice": (
        {"days": [*DAYS, 3, 3, 9]},
        "The time 'date' must be another in every row of a series; got 3 rows with the time of another, first "
        "2024-02-23. Keep one row of each time, and one series in a file.",
    ),
    "months": (
        {"days": np.cumsum([0, *([31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] * 3)]).tolist()},
        "The time 'date' must go in even steps, but for gaps; its usual step is 31 days, and 15 of 36 are no multiple "
        "of it. Where the rows stand in order and count as evenly spaced, leave the time out.",
    ),
    "any day": (
        {"days": [number * number + number % 3 for number in DAYS]},
        "The time 'date' must go in even steps, but for gaps; its usual step is ",
    ),
    "working days": (
        {"days": [number for number in range(200) if number % 7 < 5]},
        "The target 'value' must have at least 6 windows of 5 values without a gap; got 0: 139 windows across a gap "
        "left out (gaps in 'date': 28; usual step: 1 day). Take a shorter window, fill in what is missing, or, where "
        "the rows count as evenly spaced, leave the time out.",
    ),
    "holes": (
        {"cell": lambda number: number if number % 4 else ""},
        "The target 'value' must have at least 6 windows of 5 values without a gap; got 0: 34 windows with a missing "
        "value left out (missing values: 9). Take a shorter window, fill in what is missing.",
    ),
}


@pytest.mark.parametrize("name", SERIES)
def test_series_that_cannot_be_forecast_are_refused_with_a_sentence(tmp_path, name):
    rows, message = SERIES[name]
    path = dated(tmp_path, **{"days": DAYS, **rows})

    assert refusal(open_data, path, target="value", time="date", window=5).startswith(message)


def test_lines_without_any_cell_are_no_series(tmp_path):
    path = written(tmp_path, ["date,value", ",", ",", ","])

    assert refusal(open_data, path, target="value", time="date", window=5) == (
        "The target 'value' must have values; all of its cells are empty."
    )


def test_a_date_as_target_a_time_that_is_none_and_a_test_file_are_refused(tmp_path):
    frame = pl.DataFrame({"date": [START] * 40, "value": range(40)})
    frame.write_parquet(tmp_path / "dates.parquet")
    written(tmp_path, ["time,value", *(f"{'inf' if n == 9 else n},{n}" for n in DAYS)], "endless.csv")
    dated(tmp_path, DAYS, name="train.csv")
    dated(tmp_path, DAYS, name="test.csv")

    assert refusal(open_data, tmp_path / "dates.parquet", target="date", window=5) == (
        "The target 'date' must hold numbers; got Date. Name another column with --target."
    )
    assert refusal(open_data, tmp_path / "endless.csv", target="value", time="time", window=5) == (
        "The time 'time' must be known of every row; got none in 1 row. Drop these rows."
    )
    assert refusal(open_data, tmp_path, target="value", time="date", window=5) == (
        "A series must stand in one table; got train.csv and test.csv. Put one below the other."
    )


@pytest.mark.parametrize("options", [{"window": 5}, {"horizon": 2}])
def test_only_tables_have_windows_and_only_windows_a_horizon(tmp_path, options):
    np.savez(tmp_path / "rows.npz", X=np.zeros((9, 2)), y=np.arange(9))
    flag = next(iter(options))

    for source in ("digits", tmp_path / "rows.npz"):
        assert refusal(open_data, source, **options).startswith(f"--{flag} must not be given with ")
    if flag == "horizon":
        assert refusal(open_data, of_squares(tmp_path), target="value", **options) == (
            "--horizon must be given with --window; got 2 alone. Give both or neither."
        )


def test_what_would_not_fit_in_memory_is_refused_before_it_is_made(tmp_path):
    path = written(tmp_path, ["value", *(number % 7 for number in range(70_000))])

    assert refusal(open_data, path, window=35_000) == (
        "A series must have at most 1073741824 numbers in its windows; got 1225000000. Take a shorter window."
    )


# ------------------------------------------------------------------ new rows


@pytest.fixture
def of_days(tmp_path):
    """What a network of 30 days of squares, 4 days and 2 ahead, is told of what it takes."""
    return Signature.of(open_data(dated(tmp_path, range(30)), target="value", time="date", window=4, horizon=2))


def test_every_window_of_new_rows_has_an_answer_up_to_the_one_after_the_last_row(tmp_path, of_days):
    path = dated(tmp_path, [5, 4, 6, 3, 2, 8, 9, 10, 11], lambda number: "" if number == 11 else number, "new.csv")

    rows = open_rows(path, of_days)

    holds(rows.inputs, [[[2.0, 3.0, 4.0, 5.0]], [[3.0, 4.0, 5.0, 6.0]]])
    assert (rows.heading, list(rows.names)) == ("date", [day(7), day(8)])
    assert rows.notes == ("3 windows across a gap left out (gaps in 'date': 1; usual step: 1 day)",)


def test_rows_without_a_time_are_called_by_their_numbers_which_count_on(tmp_path):
    signature = Signature.of(open_data(of_squares(tmp_path), window=3, horizon=2))
    path = written(tmp_path, ["x,value", *(f"a,{number}" for number in (7, 8, 9, 10)), ","], "new.csv")

    rows = open_rows(path, signature)

    holds(rows.inputs, [[[7.0, 8.0, 9.0]], [[8.0, 9.0, 10.0]]])
    assert (rows.heading, list(rows.names), rows.notes) == ("row", [5, 6], ())


def test_an_empty_line_among_rows_without_a_time_is_a_missing_value_and_has_a_number(tmp_path):
    signature = Signature.of(open_data(of_squares(tmp_path), window=2))
    path = written(tmp_path, ["x,value", "a,7", "a,8", ",", "a,9", "a,10", "a,11"], "new.csv")

    rows = open_rows(path, signature)

    holds(rows.inputs, [[[7.0, 8.0]], [[9.0, 10.0]], [[10.0, 11.0]]])
    assert list(rows.names) == [3, 6, 7]
    assert rows.notes == ("2 windows with a missing value left out (missing values: 1)",)


def test_without_the_column_of_times_the_file_s_order_is_taken_and_it_is_said(tmp_path, of_days):
    rows = open_rows(written(tmp_path, ["value", 3, 1, 2, 5], "new.csv"), of_days)

    holds(rows.inputs, [[[3.0, 1.0, 2.0, 5.0]]])
    assert (rows.heading, list(rows.names)) == ("row", [6])
    assert rows.notes == ("there is no column 'date': the file's order is taken for the order in time",)


def test_hours_are_called_by_day_and_time(tmp_path):
    hours = [f"{day(n // 24)}T{n % 24:02}:00,{n * n % 31}" for n in range(40)]
    path = written(tmp_path, ["date,value", *hours])

    rows = open_rows(path, Signature.of(open_data(path, target="value", time="date", window=4)))

    assert rows.names[-1] == f"{day(1)} 16:00:00"
    assert len(rows.names) == 37


def test_times_that_are_numbers_count_on(tmp_path):
    path = written(tmp_path, ["s,value", *(f"{100.5 + number / 4},{number * number % 31}" for number in range(40))])

    rows = open_rows(path, Signature.of(open_data(path, target="value", time="s", window=5, horizon=2)))

    assert rows.names[-2:] == ["110.5", "110.75"]


@pytest.mark.parametrize(
    ("step", "dated", "told"),
    [
        (86_400e6, True, "1 day"),
        (7 * 86_400e6, True, "7 days"),
        (3_600e6, True, "1 hour"),
        (5_400e6, True, "1.5 hours"),
        (600e6, True, "10 minutes"),
        (1e6, True, "1 second"),
        (0.5e6, True, "0.5 seconds"),
        (0.25, False, "0.25"),
    ],
)
def test_a_step_is_told_as_people_say_it(step, dated, told):
    assert step_in_words(step, dated) == told


def test_frames_data_sets_and_arrays_are_rows_too(tmp_path, of_days):
    path = tmp_path / "series.csv"
    data = open_data(path, target="value", time="date", window=4, horizon=2)
    known = np.array([[[1.0, 2.0, 3.0, 4.0]]])

    of_frame = encoded(of_days, pl.read_csv(path))

    agrees(of_frame[:-2], data.inputs)
    assert len(of_frame) == len(data.inputs) + 2
    agrees(of_dataset(of_days, data), data.inputs)
    holds(encoded(of_days, known), known)


NEW = {
    "another column": (
        ["date,temp", f"{day(0)},1"],
        "The rows must have the column 'value' that the network forecasts",
    ),
    "too few": (
        ["value", 1, 2, "", 3, 4],
        "The rows must hold 4 values of 'value' in a row, without a gap; got 5 values; 2 windows with a missing value ",
    ),
    "hours": (
        ["date,value", *(f"{day(0)} {n:02}:00,{n}" for n in range(12))],
        "The time 'date' must go in steps of 1 day, as in training; got steps of 1 hour.",
    ),
    "text": (["value", 1, 2, "x", 3], "The target 'value' must hold numbers; got text in 1 row, first 'x'. Mend "),
}


@pytest.mark.parametrize("name", NEW)
def test_rows_that_are_no_such_series_are_refused(tmp_path, of_days, name):
    lines, message = NEW[name]

    said = refusal(open_rows, written(tmp_path, lines, "new.csv"), of_days)

    assert said.startswith(message)
    assert "--" not in said


def test_the_data_of_another_window_are_refused(tmp_path, of_days):
    other = open_data(tmp_path / "series.csv", target="value", time="date", window=4)

    assert "must be encoded as the network's was" in refusal(of_dataset, of_days, other)


def test_a_signature_comes_back_and_one_that_does_not_fit_together_is_refused(of_days):
    record = of_days.to_record()

    assert Signature.from_record(record) == of_days
    for change in ({"window": 5}, {"horizon": 0}, {"column": 3}, {"step": 0.0}, {"step": float("nan")}, {"time": None}):
        with pytest.raises(DampenError, match="must be described as dampen does"):
            Signature.from_record({**record, "windows": {**record["windows"], **change}})
    with pytest.raises(DampenError, match="must be described as dampen does"):
        Signature.from_record({**record, "windows": {"column": "value"}})


def test_a_lone_value_is_a_window_of_one(tmp_path):
    signature = Signature.of(open_data(dated(tmp_path, range(30)), target="value", time="date", window=1))

    rows = open_rows(dated(tmp_path, [3], name="new.csv"), signature)

    torch.testing.assert_close(rows.inputs, torch.tensor([[[9.0]]]))
    assert list(rows.names) == [day(4)]
