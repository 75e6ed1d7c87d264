"""`dampen diagnose`, run as a person runs it: exit codes, what is printed and written, and a log that grows."""

import json
import math
import signal
import subprocess
import sys
import time

import pytest
from commands import run

COMMAND = [sys.executable, "-c", "from dampen.cli import main; main()", "diagnose"]
EPOCHS = 40


def row(epoch, overfits=True):
    """Curves of a training whose validation loss turns at epoch 10, or never does."""
    train = 0.02 + 2.2 * math.exp(-epoch / (6 if overfits else 4)) + (0 if overfits else 0.25)
    val = 0.3 + 2.0 * math.exp(-epoch / 4) + (0.04 * max(0, epoch - 10) if overfits else 0)
    accuracy, judged = 1 - 0.3 * train, 0.92 - 0.25 * (val if overfits else val - 0.3) / 2
    return f"{epoch},{train:.5f},{accuracy:.5f},{val:.5f},{judged:.5f}\n"


def log(path, epochs=EPOCHS, overfits=True):
    header = "epoch,loss,accuracy,val_loss,val_accuracy\n"
    path.write_text(header + "".join(row(epoch, overfits) for epoch in range(epochs)))
    return path


def diagnose(folder, *arguments):
    return run(folder, "diagnose", *arguments)


def test_findings_end_with_one_and_are_printed(tmp_path):
    done = diagnose(tmp_path, log(tmp_path / "log.csv"))

    assert (done.code, done.err) == (1, "")
    assert "loss" in done.out


def test_a_healthy_log_ends_with_zero(tmp_path):
    done = diagnose(tmp_path, log(tmp_path / "log.csv", overfits=False))

    assert (done.code, done.err) == (0, ""), done.out


def test_json_to_standard_output_is_all_there_is(tmp_path):
    done = diagnose(tmp_path, log(tmp_path / "log.csv"), "--json", "-")

    record = json.loads(done.out)
    assert done.code == 1
    assert (record["kind"], record["healthy"], record["source"]) == ("dampen diagnosis", False, "log.csv")
    assert record["findings"][0]["kind"].startswith("overfitting")


def test_json_to_a_file_is_strict(tmp_path):
    text = log(tmp_path / "log.csv").read_text()
    (tmp_path / "log.csv").write_text(text + "40,nan,0.1,inf,0.1\n41,nan,0.1,nan,0.1\n")

    done = diagnose(tmp_path, "log.csv", "--json", "found.json")

    record = json.loads((tmp_path / "found.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert done.code == 1
    assert record["epochs"] == EPOCHS + 2
    assert "Everything in numbers: found.json" in done.out


BAD = {
    "missing": ("nowhere.csv", "Unknown file, folder or study 'nowhere.csv'."),
    "empty": ("empty.csv", "'empty.csv' must be a log; it is empty."),
    "header": ("header.csv", "'header.csv' must have rows with numbers; it has none."),
    "one epoch": ("one.csv", "'one.csv' must have at least 2 epochs; got 1."),
    "binary": ("binary.csv", "'binary.csv' must be a log; it is a binary file."),
    "no log": ("other.csv", "A log must have a column of the loss; 'other.csv' has a, b."),
    "truncated": ("half.json", "'half.json' must be whole JSON, or one per line; it is not: "),
    "a folder": (".", "must hold event files of TensorBoard; it has none."),
}
FILES = {
    "empty.csv": b"",
    "header.csv": b"epoch,loss\n",
    "one.csv": b"epoch,loss\n0,1\n",
    "binary.csv": bytes(range(256)),
    "other.csv": b"a,b\n1,2\n",
    "half.json": b'{"loss": [1, 2',
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read_is_a_sentence_and_two_and_leaves_nothing_behind(tmp_path, kind):
    name, said = BAD[kind]
    for file, content in FILES.items():
        (tmp_path / file).write_bytes(content)

    done = diagnose(tmp_path, name, "--json", "found.json")

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("dampen: ")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_a_json_that_cannot_be_written_is_said_before_reading(tmp_path):
    done = diagnose(tmp_path, log(tmp_path / "log.csv"), "--json", "nowhere/found.json")

    assert done.code == 2
    assert "--json must be a file that can be written" in done.err


def test_help_loads_no_torch(tmp_path):
    code = "import sys; from dampen.cli import app; app(['diagnose', '--help'], standalone_mode=False)"

    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('torch' in sys.modules)"], capture_output=True, text=True
    )

    assert done.stdout.endswith("False\n")


# ------------------------------------------------------------------ --watch


class Watched:
    """A running `dampen diagnose --watch`, and the lines that it has printed."""

    def __init__(self, folder, name, *arguments):
        self.out = folder / "out.txt"
        with self.out.open("w") as out:
            command = [*COMMAND, name, "--watch", *arguments]
            self.process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.PIPE, text=True)

    def wait_for(self, text, seconds=60):
        end = time.monotonic() + seconds
        while text not in self.out.read_text():
            assert time.monotonic() < end, self.out.read_text()
            assert self.process.poll() is None
            time.sleep(0.1)
        return self.out.read_text()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        _, error = self.process.communicate(timeout=30)
        return self.process.returncode, error


def test_a_running_log_is_followed_from_before_it_is_there(tmp_path):
    rows = log(tmp_path / "whole.csv").read_text().splitlines(keepends=True)
    watched = Watched(tmp_path, "log.csv", "--json", "found.json")
    watched.wait_for("Following log.csv")
    with (tmp_path / "log.csv").open("w") as growing:
        growing.writelines([*rows[:4], rows[4][:5]])  # half a line
        growing.flush()
        began = watched.wait_for("epoch    3")
        assert "epoch    4" not in began
        growing.writelines([rows[4][5:], *rows[5:]])
        growing.flush()
        told = watched.wait_for(f"epoch   {EPOCHS}")
        time.sleep(1)

    code, error = watched.end()

    assert (code, error) == (1, "")
    assert [line for line in told.splitlines() if line.startswith("epoch    1 ")] == [
        "epoch    1  train loss 2.22  val loss 2.3  train accuracy 0.334  val accuracy 0.6325"
    ]
    assert sum(line.startswith("epoch ") for line in told.splitlines()) == EPOCHS
    assert json.loads((tmp_path / "found.json").read_text())["epochs"] == EPOCHS


def test_findings_are_told_once_until_they_change(tmp_path):
    log(tmp_path / "log.csv")
    watched = Watched(tmp_path, "log.csv")
    watched.wait_for(f"epoch   {EPOCHS}")
    time.sleep(1)
    before = watched.out.read_text()
    with (tmp_path / "log.csv").open("a") as growing:
        growing.write(row(EPOCHS))
    watched.wait_for(f"epoch   {EPOCHS + 1}")
    time.sleep(1)

    code, _ = watched.end()

    after = watched.out.read_text().removeprefix(before)
    assert code == 1
    assert before.count("\n") > 1 + EPOCHS
    assert after.count("\n") == 1


@pytest.mark.parametrize("content", [None, "", "epoch,loss\n0,1\n"])
def test_a_log_that_never_becomes_one_ends_with_two(tmp_path, content):
    if content is not None:
        (tmp_path / "log.csv").write_text(content)
    watched = Watched(tmp_path, "log.csv")
    watched.wait_for("Following log.csv")
    time.sleep(2)

    code, error = watched.end()

    assert code == 2
    assert error.startswith("dampen: 'log.csv' must ")


def test_watching_does_not_print_json(tmp_path):
    done = diagnose(tmp_path, log(tmp_path / "log.csv"), "--watch", "--json", "-")

    assert done.code == 2
    assert "--json must be a file with --watch" in done.err


def test_a_folder_of_several_runs_is_told_by_name(tmp_path):
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    for name in ("first", "second"):
        with tensorboard.SummaryWriter(tmp_path / "runs" / name) as writer:
            for line in log(tmp_path / "log.csv", overfits=name == "second").read_text().splitlines()[1:]:
                epoch, *numbers = map(float, line.split(","))
                for tag, number in zip(("loss", "accuracy", "val_loss", "val_accuracy"), numbers, strict=True):
                    writer.add_scalar(tag, number, int(epoch))

    done = diagnose(tmp_path, "runs", "--json", "found.json")

    assert done.code == 1
    assert "second\n------\n" in done.out
    assert "Nothing is found in first." in done.out
    assert sorted(json.loads((tmp_path / "found.json").read_text())["diagnoses"]) == ["first", "second"]


def test_a_comparison_is_diagnosed_by_recipe(tmp_path):
    import dampen

    dampen.compare(dampen.MLP((8,)), "digits", ["L2"], seeds=2, epochs=3).save(tmp_path / "answer.json")

    done = diagnose(tmp_path, "answer.json", "--json", "found.json")

    assert done.code in (0, 1), done.err
    assert "baseline" in json.loads((tmp_path / "found.json").read_text())["diagnoses"]
