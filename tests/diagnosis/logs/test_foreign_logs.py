"""Logs that other libraries really wrote are read into the numbers which the trainings kept themselves, and the same is
found in them."""

import fcntl
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dampen.diagnosis import diagnose
from dampen.diagnosis.logs import read_log
from dampen.history import History

FIELDS = ("train_loss", "val_loss", "train_metric", "val_metric", "lr")
LOGS = {
    "keras comma": ("keras", "comma.csv", "first"),
    "keras semicolon": ("keras", "semicolon.log", "first"),
    "keras appended": ("keras", "appended.csv", "all"),
    "keras history": ("keras", "first.json", "first"),
    "keras events": ("keras", "events", "first"),
    "lightning metrics": ("lightning", "csv/version_0/metrics.csv", "all"),
    "lightning events": ("lightning", "events", "all"),
    "trainer state": ("transformers", "out/trainer_state.json", "all"),
    "summary writer": ("torch", "slashes", "all"),
    "summary writer, parts together": ("torch", "together", "all"),
}
NEEDS = {"keras": "keras", "lightning": "lightning", "transformers": "accelerate", "torch": "tensorboard"}


@pytest.fixture(scope="module", params=LOGS)
def logged(request, trained):
    """(log, what the training kept)."""
    library, log, kept = LOGS[request.param]
    folder = trained(library)
    if not (folder / log).exists():
        pytest.skip("Keras writes TensorBoard's events with TensorFlow, which is not installed")
    return folder / log, json.loads((folder / "native.json").read_text())[kept]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder in which a library has trained; once, also where several processes test."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def train(library):
        if importlib.util.find_spec(NEEDS[library]) is None:
            pytest.skip(f"{NEEDS[library]} is not installed")
        folder, script = shared / f"by {library}", Path(__file__).with_name("foreign_trainings.py")
        folder.mkdir(exist_ok=True)
        with (shared / f"lock of {library}").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "native.json").exists():
                ran = subprocess.run([sys.executable, script, library, folder], capture_output=True, text=True)
                assert ran.returncode == 0, ran.stderr
        return folder

    return train


def test_the_numbers_are_those_of_the_training(logged):
    log, native = logged

    (history,) = read_log(log)[""]

    assert len(history.epochs) == len(native)
    compared = [field for field in FIELDS if field in native[0] and field in history.epochs[0]]
    assert {"train_loss", "val_loss"} <= set(compared)
    assert "val_metric" in compared or log.name == "together"
    for field in compared:
        np.testing.assert_allclose(history.column(field), [epoch[field] for epoch in native], rtol=1e-5)
    assert history.clean is False
    assert history.metric == ("" if log.name == "together" else "accuracy")
    assert history.notes == []


def test_the_same_is_found_as_in_the_native_history(logged):
    log, native = logged
    (history,) = read_log(log)[""]
    known = [
        {field: epoch[field] for field in FIELDS if field in history.epochs[0] and field in epoch} for epoch in native
    ]
    kept = History(known, "unknown", metric=history.metric, clean=False)

    found, expected = diagnose(history), diagnose(kept)

    assert [(f.kind, f.severity) for f in found.findings] == [(f.kind, f.severity) for f in expected.findings]
    assert found.findings


def test_lightning_adds_learning_rates_and_parts_of_epochs_to_their_epoch(trained):
    (history,) = read_log(trained("lightning") / "csv/version_0/metrics.csv")[""]

    np.testing.assert_allclose(history.column("lr"), [0.01] * 90)


def test_transformers_gradient_norms_and_learning_rates_are_read(trained):
    (history,) = read_log(trained("transformers") / "out/trainer_state.json")[""]

    assert np.isfinite(history.column("gradient_norm")).all()
    np.testing.assert_allclose(history.column("lr"), [0.01] * len(history.epochs))


def test_runs_of_a_folder_are_read_by_name(trained):
    histories = read_log(trained("torch"))

    assert sorted(histories) == ["slashes", "together"]


def test_reading_events_loads_neither_tensorflow_nor_torch(trained):
    code = f"import sys; from dampen.diagnosis.logs import read_log; read_log({str(trained('torch') / 'slashes')!r})"
    code += "; print({'torch', 'tensorflow'} & sys.modules.keys())"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"
