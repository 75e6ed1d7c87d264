"""Which rows a log has: sparse ones, repeated ones, very many; events of TensorBoard among them."""

import json
import math
import struct

import numpy as np
import polars as pl
import pytest
from log_files import TRAIN, VAL, column, lone, write

from dampen.diagnosis.logs import read_log
from dampen.diagnosis.logs.looks import history_of

# ------------------------------------------------------------------ rows


def test_numbers_that_blew_up_are_kept(tmp_path):
    columns = {"loss": [1, "nan", "inf", "-Infinity"], "val_loss": [1, "NaN", 2, "INF"]}

    history = lone(write(tmp_path / "log.csv", columns))

    np.testing.assert_allclose(column(history, "train_loss"), [1, math.nan, math.inf, -math.inf])
    np.testing.assert_allclose(column(history, "val_loss"), [1, math.nan, 2, math.inf])


def test_rows_without_a_number_are_skipped(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss,val_loss\n0,2,3\n\nepoch,loss,val_loss\n1,NA,\n2,1,2\n")

    assert lone(tmp_path / "log.csv").epochs == [{"train_loss": 2, "val_loss": 3}, {"train_loss": 1, "val_loss": 2}]


@pytest.mark.parametrize(
    ("epochs", "left"),
    [
        ([0, 1, 2, 1, 2, 3], [0, 3, 4, 5]),
        ([0, 1, 2, 2, 3], [0, 1, 3, 4]),
        ([0, 1, 2, 0, 1], [3, 4]),
        ([0, 1, 1, 2, 0, 1, 1, 2, 3], [4, 6, 7, 8]),
    ],
)
def test_of_epochs_repeated_after_a_resume_the_later_ones_count(tmp_path, epochs, left):
    values = [float(place) for place in range(len(epochs))]

    history = lone(write(tmp_path / "log.csv", {"epoch": epochs, "loss": values, "val_loss": values}))

    np.testing.assert_allclose(column(history, "train_loss"), left)
    np.testing.assert_allclose(column(history, "val_loss"), left)
    assert history.notes == ["Epochs are repeated, as after a resume; the later ones count."]


def test_steps_that_go_back_are_a_resume_where_there_are_no_epochs(tmp_path):
    values = [5.0, 4.0, 3.0, 2.0, 1.0]

    history = lone(write(tmp_path / "log.csv", {"step": [10, 20, 30, 20, 30], "loss": values, "val_loss": values}))

    np.testing.assert_allclose(column(history, "val_loss"), [5, 2, 1])


def test_validation_written_after_all_of_training_is_no_resume(tmp_path):
    columns = {"epoch": [0, 1, 2, 0, 1, 2], "loss": [*TRAIN, "", "", ""], "val_loss": ["", "", "", *VAL]}

    history = lone(write(tmp_path / "log.csv", columns))

    np.testing.assert_allclose(column(history, "train_loss"), TRAIN)
    np.testing.assert_allclose(column(history, "val_loss"), VAL)
    assert history.notes == []


SPARSE = """epoch,step,train_loss_step,train_loss_epoch,val_loss,lr-Adam
,0,,,,0.1
0,0,6,,,
0,1,4,,,
0,1,,,3,
0,1,,4.5,,
,2,,,,0.2
1,2,2,,,
1,3,1,,,
1,3,,,2,
1,3,,1.25,,
"""


def test_sparse_rows_of_an_epoch_are_put_together(tmp_path):
    (tmp_path / "metrics.csv").write_text(SPARSE)

    history = lone(tmp_path / "metrics.csv")

    assert [{name: round(v, 9) for name, v in epoch.items()} for epoch in history.epochs] == [
        {"train_loss": 4.5, "val_loss": 3.0, "lr": 0.1},
        {"train_loss": 1.25, "val_loss": 2.0, "lr": 0.2},
    ]


def test_training_is_averaged_between_looks_at_validation(tmp_path):
    columns = {"step": range(1, 7), "loss": [6.0, 4, 3, 1, 1, 1], "val_loss": ["", 7.0, "", "", 8.0, ""]}

    history = lone(write(tmp_path / "log.csv", columns))

    np.testing.assert_allclose(column(history, "train_loss"), [5, 5 / 3])
    np.testing.assert_allclose(column(history, "val_loss"), [7, 8])


def test_several_looks_in_an_epoch_are_kept_apart_with_a_note(tmp_path):
    columns = {"epoch": [0, 0, 1, 1], "step": [1, 2, 3, 4], "loss": [4.0, 3, 2, 1], "val_loss": [5.0, 4, 3, 2]}

    history = lone(write(tmp_path / "log.csv", columns))

    np.testing.assert_allclose(column(history, "val_loss"), [5, 4, 3, 2])
    assert history.notes == ["Validation was measured 4 times in 2 epochs; each counts as an epoch here."]


def test_epochs_between_two_looks_are_averaged_with_a_note(tmp_path):
    columns = {"epoch": [1, 2, 3, 4], "loss": [4.0, 3, 2, 1], "val_loss": ["", 4.0, "", 2.0]}

    history = lone(write(tmp_path / "log.csv", columns))

    np.testing.assert_allclose(column(history, "train_loss"), [3.5, 1.5])
    assert history.notes == ["Validation was measured 2 times in 4 epochs; each counts as an epoch here."]


def test_rows_of_batches_are_averaged_by_epoch(tmp_path):
    history = lone(
        write(tmp_path / "log.csv", {"epoch": [0, 0, 1, 1], "loss": [4.0, 2, 2, 1], "val_loss": [5.0, 3, 3, 1]})
    )

    np.testing.assert_allclose(column(history, "train_loss"), [3, 1.5])
    np.testing.assert_allclose(column(history, "val_loss"), [4, 2])


def test_fractional_epochs_without_validation_become_whole_ones(tmp_path):
    rows = [{"epoch": e, "step": s, "loss": v} for e, s, v in [(0.5, 1, 4), (1.0, 2, 2), (1.5, 3, 2), (2.0, 4, 1)]]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": rows}))

    np.testing.assert_allclose(column(lone(tmp_path / "trainer_state.json"), "train_loss"), [3, 1.5])


def test_a_long_log_of_steps_is_added_up(tmp_path):
    steps = np.arange(300_000)
    measured = steps % 30_000 == 29_999
    text = (f"{s // 30_000},{s},{s / 1e5},{1 if m else ''}" for s, m in zip(steps, measured, strict=True))
    (tmp_path / "log.csv").write_text("epoch,step,loss,val_loss\n" + "\n".join(text))

    history = lone(tmp_path / "log.csv")

    np.testing.assert_allclose(column(history, "train_loss"), (steps / 1e5).reshape(10, -1).mean(1))
    np.testing.assert_allclose(column(history, "val_loss"), np.ones(10))


def test_too_many_looks_are_added_up_by_epoch_with_a_note(tmp_path):
    values = np.linspace(3, 1, 120_000)
    text = (f"{place // 12_000},{place},{value},{value}" for place, value in enumerate(values))
    (tmp_path / "log.csv").write_text("epoch,step,loss,val_loss\n" + "\n".join(text))

    history = lone(tmp_path / "log.csv")

    np.testing.assert_allclose(column(history, "val_loss"), values.reshape(10, -1).mean(1))
    assert history.notes == ["It has very many looks; those of one epoch are added up."]


def test_a_line_that_is_still_being_written_is_left_out_of_a_growing_log(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss,val_loss\n0,2,3\n1,1.25,2.2")

    assert len(lone(tmp_path / "log.csv").epochs) == 2
    assert len(lone(tmp_path / "log.csv", growing=True).epochs) == 1


def test_a_json_line_that_is_still_being_written_is_left_out(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"loss": 2}\n{"loss": 1}\n{"loss": 0.')

    assert len(lone(tmp_path / "log.jsonl", growing=True).epochs) == 2


# ------------------------------------------------------------------ less usual rows


def test_the_last_learning_rate_of_an_epoch_is_taken(tmp_path):
    columns = {"epoch": [0, 0, 1, 1], "loss": [4.0, 2, 2, 1], "lr": [0.4, 0.3, 0.2, 0.1]}

    np.testing.assert_allclose(column(lone(write(tmp_path / "log.csv", columns)), "lr"), [0.3, 0.1])


def test_looks_written_after_all_steps_of_training_find_their_place(tmp_path):
    columns = {"step": [1, 3, 5, 7, 4, 8], "loss": [4.0, 3, 2, 1, "", ""], "val_loss": ["", "", "", "", 5.0, 4.0]}

    history = lone(write(tmp_path / "log.csv", columns))

    np.testing.assert_allclose(column(history, "train_loss"), [3.5, 1.5])
    np.testing.assert_allclose(column(history, "val_loss"), [5, 4])


def test_of_several_counters_the_one_of_all_steps_counts(tmp_path):
    columns = {"batch": [1, 2, 1, 2], "step": [1, 2, 3, 4], "loss": [4.0, 3, 2, 1], "val_loss": [5.0, 4, 3, 2]}

    np.testing.assert_allclose(column(lone(write(tmp_path / "log.csv", columns)), "val_loss"), [5, 4, 3, 2])


def test_validation_batch_by_batch_is_no_look_where_its_mean_is_there(tmp_path):
    batches = 5
    columns = {
        "epoch": [*[0] * (batches + 2), *[1] * (batches + 2)],
        "step": [9, *range(batches), 9, 19, *range(batches, 2 * batches), 19],
        "train_loss": [4.0, *[""] * (batches + 1), 3.0, *[""] * (batches + 1)],
        "val_loss_step": ["", *[7.0] * batches, "", "", *[7.0] * batches, ""],
        "val_loss_epoch": [*[""] * (batches + 1), 5.0, *[""] * (batches + 1), 4.0],
    }

    history = lone(write(tmp_path / "log.csv", columns))

    np.testing.assert_allclose(column(history, "val_loss"), [5, 4])
    assert history.notes == []


def test_a_row_without_an_epoch_belongs_to_the_one_after_it(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss,val_loss,lr\n,,,0.2\n0,2,3,\n,,,0.1\n1,1,2,\n")

    np.testing.assert_allclose(column(lone(tmp_path / "log.csv"), "lr"), [0.2, 0.1])


def test_a_column_that_is_hardly_ever_filled_makes_no_looks(tmp_path):
    columns = {"epoch": [0, 1, 2], "loss": TRAIN, "test_loss": VAL, "val_loss": ["", "", 1.0]}

    np.testing.assert_allclose(column(lone(write(tmp_path / "log.csv", columns)), "val_loss"), VAL)


def test_a_look_after_the_training_is_none(tmp_path):
    columns = {"epoch": [0, 1, 2, 3], "loss": [*TRAIN, ""], "val_loss": [*VAL, 1.9]}

    np.testing.assert_allclose(column(lone(write(tmp_path / "log.csv", columns)), "val_loss"), VAL)


def test_the_mean_over_the_whole_training_is_not_a_loss_of_an_epoch(tmp_path):
    rows = [{"epoch": 1.0, "step": 2, "loss": 3.0}, {"epoch": 1.0, "step": 2, "train_runtime": 5, "train_loss": 9.0}]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": rows}))

    assert lone(tmp_path / "trainer_state.json").epochs == [{"train_loss": 3.0}]


@pytest.mark.parametrize("resumed", [False, True])
def test_a_long_log_of_steps_without_epochs_is_added_up_between_looks(tmp_path, resumed):
    steps = [*range(65_000), *range(60_000, 120_000)] if resumed else [*range(120_000)]
    text = (f"{s},{s},{s if s % 10_000 == 9_999 else ''}" for s in steps)
    (tmp_path / "log.csv").write_text("step,loss,val_loss\n" + "\n".join(text))

    history = lone(tmp_path / "log.csv")

    np.testing.assert_allclose(column(history, "val_loss"), np.arange(9_999, 120_000, 10_000))
    np.testing.assert_allclose(column(history, "train_loss"), np.arange(120_000).reshape(12, -1).mean(1))


def test_too_many_looks_of_an_epoch_in_two_pieces_are_one(monkeypatch):
    monkeypatch.setattr("dampen.diagnosis.logs.rows.MOST", 3)
    pieces = [{"epoch": [0.0, 0, 1], "step": [0.0, 1, 2]}, {"epoch": [1.0, 1, 1], "step": [3.0, 4, 5]}]
    frames = [pl.DataFrame(piece | {"loss": piece["step"], "val_loss": piece["step"]}) for piece in pieces]

    history = history_of(lambda: frames, ["epoch", "step", "loss", "val_loss"], "log")

    np.testing.assert_allclose(column(history, "val_loss"), [0.5, 3.5])


# ------------------------------------------------------------------ events


def events(folder, numbers):
    """An event file in a folder; numbers: (time, step, tag, value)."""
    event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"events.out.tfevents.{len(list(folder.iterdir()))}").open("wb") as file:
        for when, step, tag, value in numbers:
            event = event_pb2.Event(wall_time=when, step=step)
            event.summary.value.add(tag=tag, simple_value=value)
            data = event.SerializeToString()
            file.write(struct.pack("<Q", len(data)) + bytes(4) + data + bytes(4))


def test_event_files_of_a_resumed_training_are_read_in_the_order_of_time(tmp_path):
    for part, late in (("train", 0.0), ("validation", 0.5)):
        events(tmp_path / part, [(10 + late + step, step, "epoch_loss", 1.0 + step) for step in (0, 1, 2)])
        events(tmp_path / part, [(20 + late + step, step, "epoch_loss", 5.0 + step) for step in (1, 2, 3)])
    events(tmp_path / "train", [(15.0, step, "batch_loss", 9.0) for step in range(99)])
    events(tmp_path / "validation", [(15.0, step, "evaluation_loss_vs_iterations", 9.0) for step in range(99)])

    history = lone(tmp_path)

    np.testing.assert_allclose(column(history, "train_loss"), [1, 6, 7, 8])
    np.testing.assert_allclose(column(history, "val_loss"), [1, 6, 7, 8])


def test_an_event_that_is_still_being_written_is_left_out(tmp_path):
    events(tmp_path, [(1.0, 0, "loss", 3.0), (2.0, 1, "loss", 2.0)])
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-6])

    np.testing.assert_allclose(column(lone(tmp_path), "train_loss"), [3])


def test_a_space_after_the_comma_is_no_part_of_a_name(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("epoch, train_loss, val_loss\n1, 2.0, 2.1\n2, 1.0, 1.2\n")

    (history,) = read_log(path)[""]

    np.testing.assert_allclose(history.column("val_loss"), [2.1, 1.2])


def test_steps_without_epochs_and_validation_are_put_together_to_a_hundred_looks(tmp_path):
    path = tmp_path / "steps.csv"
    path.write_text("step,loss\n" + "".join(f"{i},{1 + i % 2}\n" for i in range(2000)))

    (history,) = read_log(path)[""]

    np.testing.assert_allclose(history.column("train_loss"), [1.5] * 100)
    assert any("put together to 100 looks" in note for note in history.notes)


def test_validation_by_epoch_beside_training_by_step_loses_no_row(tmp_path):
    path = tmp_path / "scalars.csv"
    rows = [f"{step},{3 - step / 200},\n" for step in range(300)] + [
        f"{epoch},,{2 - epoch / 10}\n" for epoch in range(6)
    ]
    path.write_text("step,train_loss,val_loss\n" + "".join(rows))

    (history,) = read_log(path)[""]

    assert len(history.epochs) == 6
    np.testing.assert_allclose(history.column("val_loss"), [2 - epoch / 10 for epoch in range(6)])
    np.testing.assert_allclose(history.column("train_loss")[0], np.mean([3 - s / 200 for s in range(50)]), atol=0.01)
    assert any("side by side" in note for note in history.notes)


def test_a_batch_that_begins_anew_in_every_epoch_is_no_resume(tmp_path):
    path = tmp_path / "run.csv"
    rows = [f"{e + b / 10:.1f},{b},{2 - (10 * e + b) / 40},\n" for e in range(4) for b in range(10)]
    path.write_text("epoch,batch,loss,val_loss\n" + "".join(rows))

    (history,) = read_log(path)[""]

    assert not any("resume" in note for note in history.notes)
    np.testing.assert_allclose(np.mean(history.column("train_loss")[0]), 2 - 4.5 / 40, atol=0.15)


def test_losses_are_paired_by_name(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("epoch,train_ce_loss,train_kl_loss,val_kl_loss,val_ce_loss\n1,5,1,1.1,5.5\n2,4,0.5,0.6,4.5\n")

    (history,) = read_log(path)[""]

    told = [history.column("train_loss"), history.column("val_loss")]
    assert told in ([[5, 4], [5.5, 4.5]], [[1, 0.5], [1.1, 0.6]])
