"""`dampen data`, in this process: what it prints, what it refuses."""

import functools

import commands
import numpy as np
import pytest
from sklearn.datasets import load_wine


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return functools.partial(commands.run, tmp_path, "data")


def test_it_lists_what_is_built_in_what_is_fetched_and_what_lies_nearby(run, tmp_path):
    np.savez(tmp_path / "wine.npz", X=load_wine().data, y=load_wine().target)
    (tmp_path / "a long name with spaces, as people have them").mkdir()
    (tmp_path / "a long name with spaces, as people have them" / "table.csv").write_text("a,b,class\n1,2,3\n")

    code, out, err = run()

    assert (code, err) == (0, "")
    assert out.startswith("Built in:\n  digits ")
    for words in (
        "dampen compare digits",
        "dampen compare fashion-mnist",
        "dampen compare openml:credit-g",
        "wine.npz              archive, 178 rows of 13",
        "dampen compare wine.npz",
        "dampen compare 'a long name with spaces, as people have them/table.csv' --target class",
    ):
        assert words in out, words
    long = [line for line in out.splitlines() if len(line) > 80]
    assert [line for line in long if "dampen compare '" not in line and str(tmp_path) not in line] == []


def test_another_folder_may_be_named_and_may_hold_nothing(run, tmp_path):
    (tmp_path / "empty").mkdir()

    code, out, _ = run("empty")

    assert code == 0
    assert f"Nothing nearby, in {tmp_path / 'empty'}." in " ".join(out.split())


def test_what_is_no_folder_is_refused_in_one_line(run):
    assert run("none") == (2, "", "dampen: FOLDER must be a folder; got 'none'.\n")
