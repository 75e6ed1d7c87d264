"""What tests put into a store, and what other processes do with it.

Those come from a fork server that has imported the store once: a fresh process would import torch first.
"""

from __future__ import annotations

import multiprocessing

from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, create_trial

from dampen.study.store import Store

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["dampen.study.store"])
UNIT = "batch 0"
PER_PUT = 8
LONG = 60.0
"""Seconds of a lease that does not run out."""


def trials_of(put: int) -> list[FrozenTrial]:
    """Trials that say which `put` they came with, of a usual size."""
    return [
        create_trial(
            value=float(part),
            params={"x": 0.5},
            distributions={"x": FloatDistribution(0.0, 1.0)},
            user_attrs={"put": put, "part": part, "history": "x" * 5000},
            intermediate_values={0: 1.0},
        )
        for part in range(PER_PUT)
    ]


def filled(url, **options):
    """A store with one study, whose unit has been put once."""
    store = Store(url, **options)
    store.create("study", higher_is_better=True, about={})
    store.claim("study", UNIT, "me", seconds=LONG)
    store.put("study", UNIT, "me", record={"puts": 1}, trials=trials_of(1), seconds=LONG)
    return store


def unchanged(store):
    """Nothing of the second put is there."""
    return store.units("study")[UNIT].record == {"puts": 1} and len(store.trials("study")) == PER_PUT


# ------------------------------------------------------------------ in a process of its own


def put_for_ever(url, study, owner, ready):
    """Until killed: `record` counts the puts, and each brings the same number of trials."""
    store = Store(url)
    put = store.claim(study, UNIT, owner, seconds=0.0).record.get("puts", 0)
    ready.set()
    while True:
        put += 1
        store.put(study, UNIT, owner, record={"puts": put}, trials=trials_of(put), seconds=0.0)


def claim_all(url, study, owner, units, together, wins):
    """Ask for every unit at the same moment as the others do."""
    store = Store(url)
    won = []
    for unit in units:
        together.wait()
        if store.claim(study, unit, owner, seconds=60.0) is not None:
            won.append(unit)
    wins.put((owner, won))
    store.close()


def open_together(url, together, answers):
    """Open a new store at the same moment as the others do."""
    together.wait()
    try:
        store = Store(url)
        answers.put(store.names())
        store.close()
    except Exception as error:
        answers.put(repr(error))
