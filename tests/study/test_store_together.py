"""Several threads and processes at one store: each unit is had once, and who is killed leaves nothing half written."""

from __future__ import annotations

import random
import threading
import time

import pytest
from store_workers import LONG, PER_PUT, PROCESSES, UNIT, claim_all, open_together, put_for_ever, trials_of

from dampen.errors import DampenError
from dampen.study.store import LeaseLost, Store

TRIES = 200


def test_a_thread_renews_while_another_writes(store, study):
    store.claim(study, UNIT, "me", seconds=LONG)
    ended, failed = threading.Event(), []

    def renew():
        try:
            while not ended.is_set():
                store.renew(study, UNIT, "me", seconds=LONG)
        except (DampenError, LeaseLost) as error:
            failed.append(error)

    thread = threading.Thread(target=renew)
    thread.start()
    for put in range(20):
        store.put(study, UNIT, "me", record={"puts": put}, trials=trials_of(put), seconds=LONG)
    ended.set()
    thread.join()

    assert failed == []
    assert len(store.trials(study)) == 20 * PER_PUT


def test_of_two_threads_one_gets_the_unit(store, study):
    together, won = threading.Barrier(2), {"me": set(), "you": set()}

    def claim(owner):
        for number in range(TRIES):
            together.wait()
            if store.claim(study, f"batch {number}", owner, seconds=LONG) is not None:
                won[owner].add(number)

    threads = [threading.Thread(target=claim, args=(owner,)) for owner in won]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert won["me"] | won["you"] == {*range(TRIES)}
    assert won["me"] & won["you"] == set()


def test_of_two_processes_one_gets_the_unit(store, url, study):
    units = [f"batch {number}" for number in range(TRIES)]
    together, wins = PROCESSES.Barrier(2), PROCESSES.Queue()
    workers = [
        PROCESSES.Process(target=claim_all, args=(url, study, who, units, together, wins)) for who in ("me", "you")
    ]
    for worker in workers:
        worker.start()
    won = dict(wins.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join()

    assert {*won["me"]} | {*won["you"]} == {*units}
    assert {*won["me"]} & {*won["you"]} == set()
    assert {unit: one.owner for unit, one in store.units(study).items()} == {
        unit: who for who, units in won.items() for unit in units
    }


def test_units_whose_lease_ran_out_go_to_one_of_two_threads(store, study):
    for number in range(TRIES // 4):
        store.claim(study, f"batch {number}", "dead", seconds=0.0)
    together, won = threading.Barrier(2), []

    def claim(owner):
        for number in range(TRIES // 4):
            together.wait()
            if store.claim(study, f"batch {number}", owner, seconds=LONG) is not None:
                won.append(number)

    threads = [threading.Thread(target=claim, args=(owner,)) for owner in ("me", "you")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == [*range(TRIES // 4)]


def test_two_that_write_at_once_share_no_number(store, study):
    def write(owner):
        store.claim(study, owner, owner, seconds=LONG)
        for put in range(10):
            store.put(study, owner, owner, record={}, trials=trials_of(put), seconds=LONG)

    threads = [threading.Thread(target=write, args=(owner,)) for owner in ("me", "you")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [one.number for one in store.trials(study)] == [*range(20 * PER_PUT)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_who_opens_a_new_store_at_the_same_moment_gets_it(kind, tmp_path, request):
    new = str(tmp_path / "new.db") if kind == "sqlite" else request.getfixturevalue("postgres_url")
    together, answers = PROCESSES.Barrier(3), PROCESSES.Queue()
    workers = [PROCESSES.Process(target=open_together, args=(new, together, answers)) for _ in range(3)]
    for worker in workers:
        worker.start()
    told = [answers.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()

    assert told == [[], [], []]


def test_a_writer_killed_at_any_moment_leaves_whole_steps(store, url, study):
    moments = random.Random(0)
    done = 0
    for kill in range(5):
        ready = PROCESSES.Event()
        worker = PROCESSES.Process(target=put_for_ever, args=(url, study, f"worker {kill}", ready))
        worker.start()
        assert ready.wait(60)
        time.sleep(moments.uniform(0.02, 0.3))
        worker.kill()
        worker.join()

        again = Store(url)
        puts = again.units(study)[UNIT].record.get("puts", 0)
        trials = again.trials(study)
        again.close()

        assert puts >= done
        assert [one.number for one in trials] == [*range(puts * PER_PUT)]
        parts = [(one.user_attrs["put"], one.user_attrs["part"]) for one in trials]
        assert parts == [(put + 1, part) for put in range(puts) for part in range(PER_PUT)]
        done = puts
    assert done > 5, "nothing was under way"
