"""What columns are called, where they stand, which rows there are: the same numbers are read."""

import itertools
import json
import math

import numpy as np
import pytest

from dampen.diagnosis.logs import read_log
from dampen.diagnosis.logs.names import meaning

TRAIN, VAL = [2.0, 1.5, 1.0], [2.1, 1.8, 1.9]
LOSSES = [
    ("loss", "val_loss"),
    ("train_loss", "val_loss"),
    ("training loss", "validation loss"),
    ("Training Loss", "Validation Loss"),
    ("tr_loss", "dev_loss"),
    ("TRAIN-LOSS", "VAL-LOSS"),
    ("train.loss", "valid.loss"),
    ("train/loss", "test/loss"),
    ("Loss/train", "Loss/val"),
    ("loss_train", "loss_valid"),
    ("trainLoss", "valLoss"),
    ("trainloss", "valloss"),
    ("loss", "eval_loss"),
    ("loss", "test_loss"),
    ("train_loss_epoch", "val_loss_epoch"),
    ("epoch_loss", "validation/epoch_loss"),
    ("train nll", "val nll"),
    ("train_total_loss", "val_total_loss"),
    ("train_mse", "val_mse"),
]
METRICS = {
    "acc": ("accuracy", True),
    "accuracy": ("accuracy", True),
    "Accuracy": ("accuracy", True),
    "sparse_categorical_accuracy": ("sparse_categorical_accuracy", True),
    "MulticlassAccuracy": ("multiclass_accuracy", True),
    "f1": ("f1", True),
    "f1_score": ("f1_score", True),
    "auc": ("auc", True),
    "AUROC": ("auroc", True),
    "r2": ("r2", True),
    "precision": ("precision", True),
    "recall": ("recall", True),
    "dice": ("dice", True),
    "mean_iou": ("mean_iou", True),
    "mae": ("mae", False),
    "mean_absolute_error": ("mean_absolute_error", False),
    "mse": ("mse", False),
    "RMSE": ("rmse", False),
    "error": ("error", False),
    "err": ("error", False),
    "perplexity": ("perplexity", False),
    "ppl": ("perplexity", False),
}


def write(path, columns, separator=","):
    lines = [separator.join(columns), *(separator.join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def column(history, field):
    return np.array(history.column(field))


def lone(path, **options):
    (history,) = read_log(path, **options)[""]
    return history


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(("train", "val"), LOSSES)
def test_losses_are_known_by_many_names(tmp_path, train, val):
    for order in itertools.permutations({"epoch": [0, 1, 2], train: TRAIN, val: VAL}.items()):
        history = lone(write(tmp_path / "log.csv", dict(order)))

        np.testing.assert_allclose(column(history, "train_loss"), TRAIN)
        np.testing.assert_allclose(column(history, "val_loss"), VAL)


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_known_by_name_and_direction(tmp_path, name):
    columns = {
        "epoch": [0, 1, 2],
        "loss": TRAIN,
        "val_loss": VAL,
        name: [0.1, 0.2, 0.3],
        f"val_{name}": [0.2, 0.2, 0.1],
    }

    history = lone(write(tmp_path / "log.csv", columns))

    assert (history.metric, history.higher_is_better) == METRICS[name]
    np.testing.assert_allclose(column(history, "train_metric"), columns[name])
    np.testing.assert_allclose(column(history, "val_metric"), columns[f"val_{name}"])


@pytest.mark.parametrize(
    "name", ["lr", "LR", "learning_rate", "Learning Rate", "lr-Adam", "lr/pg1", "train/learning_rate"]
)
def test_learning_rates_are_known(name):
    assert meaning(name).role == "lr"


@pytest.mark.parametrize(
    "name", ["grad_norm", "gradient_norm", "Grad Norm", "gnorm", "train/grad_norm", "grad_2.0_norm_total"]
)
def test_gradient_norms_are_known(name):
    assert meaning(name).role == "gradient_norm"


@pytest.mark.parametrize(
    "name", ["time", "eval_runtime", "eval_samples_per_second", "loss_scale", "seed", "", "epoch_time"]
)
def test_other_columns_mean_nothing(name):
    assert meaning(name) is None


def test_a_metric_without_a_part_beside_two_named_losses_is_of_validation(tmp_path):
    columns = {"epoch": [0, 1, 2], "train_loss": TRAIN, "valid_loss": VAL, "accuracy": [0.5, 0.6, 0.7]}

    history = lone(write(tmp_path / "log.csv", columns))

    np.testing.assert_allclose(column(history, "val_metric"), [0.5, 0.6, 0.7])
    assert np.isnan(column(history, "train_metric")).all()


def test_of_several_metrics_the_one_of_both_parts_is_taken_accuracy_first(tmp_path):
    columns = {"loss": TRAIN, "val_loss": VAL, "mae": TRAIN, "val_mae": VAL, "f1": TRAIN, "val_f1": VAL, "val_acc": VAL}
    assert lone(write(tmp_path / "f1.csv", columns)).metric == "f1"

    history = lone(write(tmp_path / "acc.csv", {**columns, "acc": TRAIN}))

    assert history.metric == "accuracy"
    assert history.notes == ["Other metrics in the log: f1, mae."]


def test_validation_is_preferred_to_a_test_part(tmp_path):
    columns = {"loss": TRAIN, "test_loss": [9.0, 9.0, 9.0], "val_loss": VAL}

    history = lone(write(tmp_path / "log.csv", columns))

    np.testing.assert_allclose(column(history, "val_loss"), VAL)
    assert history.notes == []


def test_a_test_part_stands_for_validation_with_a_note(tmp_path):
    history = lone(write(tmp_path / "log.csv", {"loss": TRAIN, "test_loss": VAL}))

    assert history.notes == ["There is no validation part; the test part stands for it."]


def test_a_training_loss_alone_will_do(tmp_path):
    history = lone(write(tmp_path / "log.csv", {"loss": TRAIN}))

    assert history.epochs == [{"train_loss": loss} for loss in TRAIN]


# ------------------------------------------------------------------ files


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_every_usual_separator_is_found_out(tmp_path, separator):
    history = lone(write(tmp_path / "log.txt", {"epoch": [1, 2, 3], "loss": TRAIN, "val_loss": VAL}, separator))

    np.testing.assert_allclose(column(history, "val_loss"), VAL)


def test_a_decimal_comma_and_a_byte_order_mark_are_read(tmp_path):
    (tmp_path / "log.csv").write_text("\ufeffloss;val_loss\r\n2,5;3,5\r\n1,5;2,5\r\n", encoding="utf-8")

    history = lone(tmp_path / "log.csv")

    np.testing.assert_allclose(column(history, "train_loss"), [2.5, 1.5])
    np.testing.assert_allclose(column(history, "val_loss"), [3.5, 2.5])


JSONS = {
    "columns": {"loss": TRAIN, "val_loss": VAL},
    "a whole callback": {"history": {"loss": TRAIN, "val_loss": VAL}, "epoch": [0, 1, 2], "params": {"steps": 3}},
    "parts": {"train": {"loss": TRAIN}, "val": {"loss": VAL}},
    "rows": [{"epoch": e, "loss": t, "val_loss": v} for e, (t, v) in enumerate(zip(TRAIN, VAL, strict=True))],
    "rows of parts": [{"train": {"loss": t}, "val": {"loss": v}} for t, v in zip(TRAIN, VAL, strict=True)],
}


@pytest.mark.parametrize("kind", JSONS)
def test_json_of_columns_or_rows_is_read(tmp_path, kind):
    (tmp_path / "log").write_text(json.dumps(JSONS[kind]))

    history = lone(tmp_path / "log")

    np.testing.assert_allclose(column(history, "train_loss"), TRAIN)
    np.testing.assert_allclose(column(history, "val_loss"), VAL)


def test_json_lines_are_read(tmp_path):
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, JSONS["rows"])))

    np.testing.assert_allclose(column(lone(tmp_path / "log.jsonl"), "val_loss"), VAL)


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
