"""The walk-through of docs/ runs, fits on a screen, and shows what it says: a gap that regularization closes."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "walkthrough.py"
NUMBER = r"([+-]?\d+\.\d)"
LINE = re.compile(
    rf"(\w+(?: \w+)*)  +(\w+(?: [+\w]+)*)  +{NUMBER} +{NUMBER} +{NUMBER} ± {NUMBER} +{NUMBER}(?: +{NUMBER} ± {NUMBER})?"
)


@pytest.fixture(scope="module")
def walk():
    return runpy.run_path(str(SCRIPT))


@pytest.fixture
def picture(tmp_path):
    return tmp_path / "gap.svg"


@pytest.fixture
def printed(walk, capsys, picture):
    walk["main"](["--seeds", "2", "--epochs", "250", "--picture", str(picture)])
    return capsys.readouterr().out


def test_the_table_shows_that_each_technique_closes_a_part_of_the_gap(printed, picture):
    lines = printed.splitlines()
    rows = [LINE.fullmatch(line) for line in lines]
    plain, told = {}, []
    for above, below in zip(rows, lines[1:], strict=False):
        if above is None:
            continue
        network, technique, *numbers = above.groups()
        train, val, gap, _, test, gain, _ = [None if number is None else float(number) for number in numbers]
        told.append((network, technique))
        assert below.startswith("    "), "a sentence follows"
        assert abs(train - val - gap) < 0.11
        if technique == "nothing":
            plain[network] = test, gap
        else:
            assert gap < plain[network][1] - 2
            assert abs(test - plain[network][0] - gain) < 0.11
            assert gain > 0

    assert len(told) == 12
    assert {network for network, _ in told} == {"two layers", "three layers", "attention"}
    assert all(len(line) <= 80 for line in lines if str(picture) not in line)
    drawn = picture.read_text()
    assert all(f"<!-- {network}, {technique} -->" in drawn for network, technique in told)


def test_rows_of_one_network_start_from_the_same_weights_and_images(walk):
    first, second = (walk["world_of"](seed=3, wrong_labels=0.15, num_epochs=1) for _ in range(2))

    assert (first.train.images == second.train.images).all()
    assert (first.train.targets == second.train.targets).all()
    assert first.rng.random() == second.rng.random()


def test_labels_are_wrong_in_training_and_right_in_the_test_part(walk):
    right, wrong = (walk["world_of"](seed=3, wrong_labels=share, num_epochs=1) for share in (0.0, 0.15))

    differ = (right.train.targets != wrong.train.targets).any(axis=1).mean()
    assert 0.08 < differ < 0.22
    assert (right.test.targets == wrong.test.targets).all()
    assert (right.train.images == wrong.train.images).all()


def test_one_seed_has_no_standard_error(walk, capsys):
    with pytest.raises(SystemExit):
        walk["main"](["--seeds", "1"])

    assert "at least two seeds" in capsys.readouterr().err
