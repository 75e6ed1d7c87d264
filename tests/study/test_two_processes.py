"""Two processes work on one study: nothing is lost or trained twice, one answer, whatever becomes of one of them."""

from __future__ import annotations

import collections
import json
import os
import signal

import pytest
from search_workers import STUDY, begun, ended, settings, waited, work

from dampen import MLP, Recipe
from dampen.data.dataset import as_dataset
from dampen.study.sampling import ask
from dampen.study.space import Narrowing, space_of
from dampen.study.store import Store
from dampen.training.problem import Problem, check_fits

BATCH, CONFIGURATIONS = 9, 27
LEASE = 1.5


@pytest.fixture
def two(postgres_url, tmp_path):
    """Begins one of two processes; each has a folder of its own name, and so its own weights, unless told `at`."""
    chosen = {**settings(CONFIGURATIONS), "lease": LEASE, "batch": BATCH}

    def begin(name, at=None, **more):
        folder = tmp_path / (at or name)
        folder.mkdir(exist_ok=True)
        return begun(work, folder, postgres_url, str(tmp_path / f"{name}.json"), **chosen, **more)

    store = Store(postgres_url)
    begin.units = lambda: store.units(STUDY) if STUDY in store.names() else {}
    begin.trials = lambda: store.trials(STUDY)
    begin.said = lambda name: json.loads((tmp_path / f"{name}.json").read_text())
    begin.folder = tmp_path
    yield begin
    store.close()


def every_place_once(trials):
    """Each configuration of each batch is one trial; baseline and default are two of the first."""
    kinds = collections.Counter(trial.user_attrs["kind"] for trial in trials)
    assert kinds == {"configuration": CONFIGURATIONS, "baseline": 1, "default": 1}
    places = sorted((trial.user_attrs["batch"], trial.user_attrs["place"]) for trial in trials)
    sizes = [BATCH + 2, *[BATCH] * (CONFIGURATIONS // BATCH - 1)]
    assert places == [(batch, place) for batch, size in enumerate(sizes) for place in range(size)]
    assert [trial.number for trial in trials] == list(range(len(trials)))


@pytest.mark.parametrize("second_folder", ["shared", "second"])
def test_one_is_killed_half_way_and_the_other_takes_its_batch_up(two, second_folder):
    first = two("first", at="shared", strike=("searching 2", 2, signal.SIGKILL))
    waited(two.units)
    second = two("second", at=second_folder, resume=True)

    assert ended(first) == -signal.SIGKILL
    assert ended(second) == 0

    assert "answer" in two.said("second"), two.said("second")
    every_place_once(two.trials())
    units = two.units()
    assert sorted(units) == ["batch 0", "batch 1", "batch 2", "confirmation"]
    assert all(unit.done for unit in units.values())


@pytest.mark.parametrize("doing", ["searching 2", "confirming"])
def test_one_that_sleeps_beyond_its_lease_answers_too_late_and_goes_on(two, doing):
    first = two("first", at="shared", strike=(doing, 2, signal.SIGSTOP))
    waited(lambda: stopped(first), first)
    second = two("second", at="shared", resume=True)
    assert ended(second) == 0
    os.kill(first.pid, signal.SIGCONT)
    assert ended(first) == 0

    every_place_once(two.trials())
    assert two.said("second")["made here"]
    assert not two.said("first")["made here"]
    assert two.said("first")["answer"] == two.said("second")["answer"]
    left = {path.name for path in (two.folder / "shared" / ".dampen" / STUDY).iterdir()}
    assert left == {"model.safetensors", "recipe.toml"}


def test_two_batches_of_a_grid_that_are_asked_at_once_share_no_point():
    problem = Problem(as_dataset("digits"), MLP((16,)), 6, 64)
    narrowing = Narrowing("quick", (), ("MixUp", "Cutout", "RandomAffine", "OneCycle", "EarlyStopping"), {})
    space = space_of(problem, check_fits(problem, Recipe()), narrowing)
    batches = [ask(space, "grid", [], 27, 27 * number, seed=0, batch=number, higher=True) for number in (0, 1)]
    points = {repr(sorted(asked.values.items())) for batch in batches for asked in batch}
    assert len(points) == 2 * 27


def stopped(process):
    with open(f"/proc/{process.pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


def test_two_who_live_share_the_work_and_have_one_answer(two):
    first = two("first", at="shared")
    waited(two.units)
    second = two("second", at="shared", resume=True)
    assert (ended(first), ended(second)) == (0, 0)

    every_place_once(two.trials())
    assert two.said("first")["answer"] == two.said("second")["answer"]
    assert sorted([two.said("first")["made here"], two.said("second")["made here"]]) == [False, True]
    assert min(two.said("first")["epochs"], two.said("second")["epochs"]) > 0
