"""What is no log is refused in one sentence."""

import json
import re
import subprocess
import sys

import pytest

from dampen.diagnosis.logs import read_log
from dampen.errors import DampenError

BAD = {
    "empty": (b"", "'log' must be a log; it is empty."),
    "blank": (b"\n \n", "'log' must be a log; it is empty."),
    "header only": (b"epoch,loss,val_loss\n", "'log' must have rows with numbers; it has none."),
    "no numbers": (b"epoch,loss,val_loss\n0,NA,NA\n", "'log' must have rows with numbers; it has none."),
    "binary": (bytes(range(256)), "'log' must be a log; it is a binary file."),
    "a database": (b"SQLite format 3\0", "'log' holds studies; name one: dampen diagnose STUDY --storage "),
    "another table": (
        b"sepal,petal,species\n1,2,a\n",
        "A log must have a column of the loss; 'log' has sepal, petal, species. Names such as these are understood: "
        "loss, train_loss, val_loss, ",
    ),
    "accuracy alone": (b"epoch,accuracy\n1,0.5\n", "A log must have a column of the loss; 'log' has epoch, accuracy."),
    "prose": (b"# A title\nSome words, and more.\n", "A log must have a column of the loss; 'log' has # A title."),
    "many columns": (
        ",".join(f"x{i}" for i in range(99)).encode() + b"\n",
        "A log must have a column of the loss; 'log' has x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11 and 87 more.",
    ),
    "signs for a terminal": (b"\x1b[2J,\x07\n1,2\n", "A log must have a column of the loss; 'log' has ?[2J, ?."),
    "truncated": (b'{"loss": [1.0, 0.5], "val_lo', "'log' must be whole JSON, or one per line; it is not: "),
    "deep": (b"[" * 100_000, "'log' must be whole JSON, or one per line; it is not: "),
    "another JSON": (b"[1, 2, 3]", "'log' must be a log; its JSON is none."),
    "an empty list": (b"[]", "'log' must be a log; its JSON is none."),
    "another object": (b'{"name": "x", "size": 3}', "A log must have a column of the loss; 'log' has name, size."),
    "a comparison without histories": (
        b'{"kind": "dampen comparison"}',
        "A comparison must have 'evidence'; the record has not.",
    ),
    "no trainer's history": (b'{"log_history": []}', "A log must have a column of the loss; 'log' has no columns."),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_log_is_refused_in_a_sentence(tmp_path, kind):
    content, said = BAD[kind]
    (tmp_path / "log").write_bytes(content)

    with pytest.raises(DampenError, match=re.escape(said)) as caught:
        read_log(tmp_path / "log")

    assert "\n" not in str(caught.value)


def test_damaged_events_are_refused(tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(b"\xff" * 100)

    with pytest.raises(DampenError, match="must be an event file of TensorBoard; one of its records is damaged"):
        read_log(path)


def test_a_folder_without_events_is_refused(tmp_path):
    with pytest.raises(DampenError, match="must hold event files of TensorBoard; it has none"):
        read_log(tmp_path)


def test_an_event_file_without_numbers_is_refused(tmp_path):
    (tmp_path / "events.out.tfevents.1").touch()

    with pytest.raises(DampenError, match="must hold numbers; its events have none"):
        read_log(tmp_path)


def test_an_unknown_name_is_neither_file_nor_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(DampenError, match=r"^Unknown file, folder or study 'nowhere.csv'\. .* lists what there is"):
        read_log("nowhere.csv")

    assert list(tmp_path.iterdir()) == []


def test_more_looks_than_anybody_sees_are_refused_where_there_is_no_epoch(tmp_path):
    (tmp_path / "log.csv").write_text("loss,val_loss\n" + "1,1\n" * 100_001)

    with pytest.raises(DampenError, match="must have at most 100,000 looks or epochs; it has more"):
        read_log(tmp_path / "log.csv")


@pytest.mark.parametrize("log", ["log.csv", "log.json"])
def test_reading_a_file_loads_no_torch(tmp_path, log):
    (tmp_path / "log.csv").write_text("loss,val_loss\n1,1\n")
    (tmp_path / "log.json").write_text(json.dumps({"loss": [1, 2]}))
    code = f"import sys; from dampen.diagnosis.logs import read_log; read_log({str(tmp_path / log)!r})"

    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('torch' in sys.modules)"], capture_output=True, text=True
    )

    assert done.stdout == "False\n"
