"""What columns are called and where they stand, in which kind of file: the same numbers are read."""

import itertools
import json

import numpy as np
import pytest
from log_files import TRAIN, VAL, column, lone, write

from dampen.diagnosis.logs.names import meaning

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
