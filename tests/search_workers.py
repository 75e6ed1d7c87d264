"""Searches in processes of their own, to be killed, stopped and run side by side.

They come from the fork server of `store_workers`: a process of one's own would import torch first.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from store_workers import PROCESSES

from dampen.study.store import Store

PROCESSES.set_forkserver_preload(["dampen.study.search", "torch._dynamo", "sklearn.datasets", "sqlalchemy.orm"])
STUDY = "study"
PARTS = ("finalists", "ablation", "more")
PATIENCE = 120.0
"""Seconds for a small study."""
WANTED = ("Dropout", "BatchNorm", "WeightDecay", "EMA", "EarlyStopping", "OneCycle", "LabelSmoothing", "MixUp")
FILE_EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}
LATE = ("Lookahead", "SWA", "SnapshotEnsemble")


def settings(budget=9):
    """A study of seconds, with everything that a checkpoint must hold: averages, snapshots, kept weights, moments."""
    from dampen.presets import PRESETS

    without = tuple(sorted(set(PRESETS["all"]) - {*WANTED, *LATE}))
    return {"budget": budget, "seeds": 2, "epochs": 6, "preset": "all", "without": without}


def begun(function, *arguments, **options):
    process = PROCESSES.Process(target=function, args=arguments, kwargs=options, daemon=True)
    process.start()
    return process


def ended(process):
    """Its exit code: minus the signal where one ended it."""
    process.join(PATIENCE)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    return code


# ------------------------------------------------------------------ inside the process


def work(folder, storage, said, *, copies=(), lease=None, batch=None, strike=None, kill=None, **more):
    """Search, or go on with the study that is there, in a folder that weights go to where the storage has none.

    said: the file for what was said of the end: the answer's record, or the error. copies: databases that get a copy of
    the study as it was when it began. lease: seconds. batch: how many configurations are asked together.
    strike: (doing, count, signal) to send oneself the signal after so many epochs of packs while doing that; searching
    has the epoch of the newest rung behind it. kill: when to kill oneself, as `kill_at` takes it.
    """
    from dampen import MLP
    from dampen.study import leases, packing
    from dampen.study.search import search

    torch.set_num_threads(1)
    os.chdir(folder)
    leases.LEASE_SECONDS = lease or leases.LEASE_SECONDS
    packing.BATCH = packing.FEW = batch or packing.BATCH
    count, matching, most, began = 0, 0, 0, time.perf_counter()
    if kill is not None:
        kill_at(*kill)

    def watch(news):
        nonlocal count, matching, most
        count += 1
        most = max(most, len(news.leaders))  # fewer than that once some were cut
        rung = min((standing.epoch for standing in news.leaders), default=0) if len(news.leaders) < most else 0
        if strike is not None and (f"searching {rung}" if "searching" in news.doing else news.doing).startswith(
            strike[0]
        ):
            matching += 1
            if matching == strike[1]:
                os.kill(os.getpid(), strike[2])

    def begin(_beginning):
        for copy in copies:
            with (
                contextlib.closing(sqlite3.connect(storage)) as source,
                contextlib.closing(sqlite3.connect(copy)) as to,
            ):
                source.backup(to)

    try:
        result = search(
            MLP((16,)), **{"data": "digits", "storage": storage, "study": STUDY, **more}, on_begin=begin, watch=watch
        )
        told = {"answer": result.to_record(), "made here": result.trained is not None}
    except Exception as error:
        told = {"error": f"{type(error).__name__}: {error}"}
    Path(said).write_text(json.dumps({**told, "epochs": count, "seconds": time.perf_counter() - began}))


def command(folder, arguments, printed):
    """The command line, in a folder."""
    from dampen.cli import main

    torch.set_num_threads(1)
    os.chdir(folder)
    with open(printed, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["dampen", *arguments]
    main()


def kill_at(how, when):
    """Kill this process, as kill -9 does: after so many seconds, or at the so-manieth of the study's files that is
    opened, renamed or removed: between saving weights and saying so in the record nobody hits by chance."""
    if how == "seconds":
        timer = threading.Timer(when, os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
        return
    left, folder = when, os.getcwd()

    def watch(event, arguments):
        nonlocal left
        if event in FILE_EVENTS and os.path.abspath(os.fsdecode(arguments[0])).startswith(folder):
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def moment(draw: random.Random, number: int, seconds: float):
    """When to kill for that time: in turn at any second and at any file."""
    return ("seconds", draw.uniform(0.0, seconds)) if number % 2 else ("files", draw.randint(1, 50))


# ------------------------------------------------------------------ killing


def killed_again_and_again(expected, folder, kills, draw, chosen):
    """Studies, each a copy of one that has just begun, killed and resumed until all are done and that many kills have
    struck. expected: the `Undisturbed` one. Yields folder and storage of each, and when it was killed."""
    struck, number = 0, 0
    while struck < kills:
        here = Path(folder) / f"killed-{number}"
        here.mkdir()
        storage, said, killed = str(here / "studies.db"), here / "said.json", []
        shutil.copyfile(expected.copy, storage)
        while not said.exists():
            kill = moment(draw, struck + number, expected.seconds / 2) if struck < kills else None
            if ended(begun(work, here, storage, str(said), resume=True, kill=kill, **chosen)) == -signal.SIGKILL:
                struck += 1
                killed.append((*kill, where(storage)))
        yield here, storage, killed
        number += 1


def where(storage):
    """How far a study is, in words."""
    store = Store(storage)
    units = store.units(STUDY)
    store.close()
    if "confirmation" not in units:
        return ", ".join(f"{name} rung {unit.record.get('rung')}" for name, unit in units.items()) or "asking"
    record = units["confirmation"].record
    parts = [f"{part} {record[part]['stage']}" for part in PARTS if part in record]
    return ", ".join(parts) or "confirming"


# ------------------------------------------------------------------ what is left of a study


class Undisturbed(NamedTuple):
    """A study that is done. copy: its database as it was when it had just begun, with the same packs and threads.
    told: answer, trials and units. network: the winner's. seconds: that it took."""

    folder: Path
    storage: str
    copy: str
    told: dict[str, Any]
    network: dict[str, Any]
    seconds: float


def undisturbed(folder, chosen):
    storage, copy, said = str(folder / "studies.db"), str(folder / "begun.db"), folder / "said.json"
    ended(begun(work, folder, storage, str(said), copies=[copy], **chosen))
    seconds = json.loads(said.read_text())["answer"]["protocol"]["seconds"]
    return Undisturbed(folder, storage, copy, *left(storage, folder / STUDY), sum(seconds.values()))


def left(storage, folder):
    """Answer, trials and units of a study that is done, without times, and the winner's network."""
    from dampen import load_model

    store = Store(storage)
    told = {
        "answer": store.about(STUDY)["answer"],
        "trials": [
            (t.number, t.state.name, t.params, t.value, sorted(t.intermediate_values.items()), t.user_attrs)
            for t in store.trials(STUDY)
        ],
        "units": {name: unit.done for name, unit in store.units(STUDY).items()},
    }
    store.close()
    network = load_model(Path(folder) / "model.safetensors")
    return without_times(told), network.module.state_dict()


def same(storage, folder, expected):
    """The same answer, trials and histories as the undisturbed study, the same network bit for bit, and no litter."""
    told, network = left(storage, folder / STUDY)
    assert told == expected.told
    torch.testing.assert_close(network, expected.network, rtol=0, atol=0)
    assert sorted(path.name for path in (folder / STUDY).iterdir()) == ["model.safetensors", "recipe.toml"]


def without_times(value):
    if isinstance(value, dict):
        return {name: without_times(v) for name, v in value.items() if name not in ("seconds", "milliseconds")}
    if isinstance(value, list | tuple):
        return [without_times(v) for v in value]
    return value


def waited(for_what, process=None):
    """Until that is so; fails where it never is, or where the process is gone before."""
    ends = time.monotonic() + PATIENCE
    while not (found := for_what()):
        assert time.monotonic() < ends
        assert process is None or process.is_alive()
        time.sleep(0.01)
    return found
