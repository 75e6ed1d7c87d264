"""Full disks, Ctrl-C, damaged weights, another's study: a sentence, nothing half written, and then it goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess

import pytest
from search_workers import STUDY, begun, command, ended, left, same, settings, undisturbed, waited, work
from sklearn.datasets import load_digits

from dampen import MLP, DampenError
from dampen.study.search import search
from dampen.study.store import Store


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return undisturbed(tmp_path_factory.mktemp("undisturbed"), settings())


@pytest.fixture
def study(reference, tmp_path):
    """The path of a database with a study that has just begun."""
    shutil.copyfile(reference.copy, tmp_path / "studies.db")
    return str(tmp_path / "studies.db")


def resumed(folder, storage, **more):
    """What a process says that goes on with the study to its end."""
    said = folder / "said.json"
    assert ended(begun(work, folder, storage, str(said), resume=True, **settings(), **more)) == 0
    return json.loads(said.read_text())


def state(storage):
    """All that a store knows of the study, whoever is at work."""
    store = Store(storage)
    units = {name: unit._replace(owner="", seconds_left=0.0) for name, unit in store.units(STUDY).items()}
    found = store.about(STUDY), units, len(store.trials(STUDY))
    store.close()
    return found


# ------------------------------------------------------------------ disks


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a disk of so many KiB somewhere, and makes it larger."""
    mounted = []

    def mount(folder, size):
        folder.mkdir(exist_ok=True)
        how = ["mount", "-t", "tmpfs", "-o", f"size={size}k,remount" if folder in mounted else f"size={size}k"]
        done = subprocess.run([*how, "none", folder], capture_output=True)
        if done.returncode:
            pytest.skip("needs the right to mount a small disk")
        mounted.append(folder)

    yield mount
    for folder in set(mounted):
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_full_of_weights_is_told_and_the_study_goes_on_when_there_is_room(
    study, reference, small_disk, tmp_path
):
    small_disk(tmp_path / STUDY, 64)
    said = resumed(tmp_path, study)
    assert said["error"].startswith("DampenError: The weights in")
    assert "No space left on device" in said["error"]
    assert said["error"].endswith("Make room there.")
    _, units, trials = state(study)
    assert (units["batch 0"].record["rung"], trials) == (0, 0)
    assert list((tmp_path / STUDY).iterdir()) == []

    small_disk(tmp_path / STUDY, 20_000)
    assert "answer" in resumed(tmp_path, study)
    same(study, tmp_path, reference)


def test_a_disk_that_is_full_of_the_database_is_told_and_nothing_is_half_written(
    study, reference, small_disk, tmp_path
):
    disk = tmp_path / "disk"
    small_disk(disk, 4_000)
    (tmp_path / "weights").mkdir()
    (disk / STUDY).symlink_to(tmp_path / "weights")
    storage = shutil.copyfile(study, disk / "studies.db")
    room = shutil.disk_usage(disk).free - 150_000
    (disk / "filler").write_bytes(bytes(room))
    said = resumed(tmp_path, str(storage))
    assert "must have room to grow; its disk is full" in said["error"] or "is there room?" in said["error"]

    (disk / "filler").unlink()
    _, units, trials = state(str(storage))
    assert trials + len(units["batch 0"].record.get("seen") or range(9 + 2)) == 9 + 2  # who is no trial still races
    assert "answer" in resumed(tmp_path, str(storage))
    same(str(storage), disk, reference)


# ------------------------------------------------------------------ weights


@pytest.mark.parametrize("doing", [("searching 2", 3), ("confirming", 11), ("taking", 3)], ids=str)
def test_weights_that_are_gone_are_trained_again_and_the_study_ends_alike(study, reference, tmp_path, doing):
    said = str(tmp_path / "said.json")
    process = begun(work, tmp_path, study, said, resume=True, strike=(*doing, signal.SIGKILL), **settings())
    assert ended(process) == -signal.SIGKILL
    trials = state(study)[2]
    assert list((tmp_path / STUDY).rglob("pack.safetensors"))
    shutil.rmtree(tmp_path / STUDY)

    assert "answer" in resumed(tmp_path, study)
    assert trials > 0
    same(study, tmp_path, reference)


def test_weights_that_are_cut_short_are_refused_and_trained_again_where_they_are_deleted(study, reference, tmp_path):
    said = str(tmp_path / "said.json")
    ended(begun(work, tmp_path, study, said, resume=True, strike=("searching 2", 1, signal.SIGKILL), **settings()))
    packs = sorted((tmp_path / STUDY).rglob("pack.safetensors"))
    packs[0].write_bytes(packs[0].read_bytes()[:-100])
    before = state(study)

    error = resumed(tmp_path, study)["error"]
    assert f"The checkpoint {str(packs[0])[-40:]}" in error or "cannot be read" in error
    assert error.endswith("Delete it to start anew.")
    assert state(study) == before
    packs[0].unlink()
    assert "answer" in resumed(tmp_path, study)
    same(study, tmp_path, reference)


# ------------------------------------------------------------------ Ctrl-C


def test_ctrl_c_says_how_to_go_on_and_lets_go_of_the_work(tmp_path):
    def units():
        store = Store(tmp_path / ".dampen" / "studies.db")
        found = store.units("study-1") if "study-1" in store.names() else {}
        store.close()
        return found

    def interrupted(arguments, when):
        process = begun(command, tmp_path, arguments, str(tmp_path / "printed"))
        waited(lambda: (tmp_path / ".dampen" / "studies.db").exists() and when in units(), process)
        os.kill(process.pid, signal.SIGINT)
        assert ended(process) == 130
        assert units()[when].seconds_left <= 0
        assert not units()[when].done
        return (tmp_path / "printed").read_text()

    told = "dampen: interrupted; what was trained is kept. Go on: dampen search --resume study-1\n"
    options = ["--budget", "9", "--epochs", "6", "--seeds", "2", "--hidden", "16"]
    assert interrupted(["search", "digits", *options], "batch 0").endswith(told)
    assert interrupted(["search", "--resume", "study-1"], "confirmation").endswith(told)
    process = begun(command, tmp_path, ["search", "--resume", "study-1"], str(tmp_path / "printed"))
    assert ended(process) == 0
    assert (tmp_path / "printed").read_text().endswith("Again: dampen show study-1\n")


# ------------------------------------------------------------------ another's study


FEWER = tuple(part[:1000] for part in load_digits(return_X_y=True))
OTHERS = {
    "other data": (
        {"data": tuple(part[:1000] for part in load_digits(return_X_y=True))},
        "must go on with its own data",
    ),
    "other space": ({"preset": "quick", "without": ()}, "its space is another"),
    "other epochs": ({"epochs": 7}, "its epochs is another"),
    "other seeds": ({"seeds": 3}, "its seeds is another"),
    "other budget": ({"budget": 10}, "its budget is another"),
    "other network": ({"model": MLP((8,))}, "its model is another"),
    "other seed": ({"seed": 1}, "its seed is another"),
    "no ablation": ({"ablation": False}, "its ablation is another"),
}


@pytest.mark.parametrize(("changed", "told"), OTHERS.values(), ids=OTHERS)
def test_a_study_of_something_else_is_refused_in_a_sentence_and_stays_as_it_was(study, tmp_path, changed, told):
    before = state(study)
    arguments = {"model": MLP((16,)), "data": "digits", **settings(), **changed}
    with pytest.raises(DampenError, match=told):
        search(**arguments, storage=study, study=STUDY, resume=True)
    assert state(study) == before


def test_a_study_of_another_torch_is_refused(study):
    store = Store(study)
    known = store.about(STUDY)["identity"]
    store.describe(STUDY, {"identity": {**known, "torch": "2.10.0"}})
    store.close()
    with pytest.raises(DampenError, match=r"its torch is another \(2.10.0, not "):
        search(MLP((16,)), "digits", **settings(), storage=study, study=STUDY, resume=True)


def test_a_name_that_is_not_there_is_told(study):
    with pytest.raises(DampenError, match=r"Unknown study 'stud'\. Did you mean 'study'\?"):
        search(MLP((16,)), "digits", **settings(), storage=study, study="stud", resume=True)


@pytest.mark.parametrize("name", ["../elsewhere", ".", "a/b"])
def test_a_name_that_is_no_folder_is_refused(study, name):
    with pytest.raises(DampenError, match="must be fit for a folder"):
        search(MLP((16,)), "digits", **settings(), storage=study, study=name)


def test_a_study_that_is_done_gives_its_answer_again_without_training(reference):
    trained = []
    before = state(reference.storage)
    result = search(
        MLP((16,)), "digits", **settings(), storage=reference.storage, study=STUDY, resume=True, watch=trained.append
    )
    assert result.to_record() == before[0]["answer"]
    assert trained == []
    assert state(reference.storage) == before
    with pytest.raises(DampenError, match="load_model"):
        result.model
    assert left(reference.storage, reference.folder / STUDY)[0] == reference.told
