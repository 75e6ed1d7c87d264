"""A server that does not answer, lets nobody in or goes away is told in a sentence, without its password."""

from __future__ import annotations

import socket
import sys
import threading
import time

import pytest
from postgres import new_database
from store_workers import LONG, PER_PUT, UNIT, filled, trials_of, unchanged

from dampen.errors import DampenError
from dampen.study.store import Store


@pytest.fixture
def silent_port():
    """A port where somebody picks up and says nothing."""
    pytest.importorskip("psycopg")
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_server_that_says_nothing_is_refused_in_time(silent_port):
    began = time.monotonic()

    with pytest.raises(DampenError, match=rf"127\.0\.0\.1:{silent_port}/db must answer within 2 s") as refused:
        Store(f"postgresql://me:secret@127.0.0.1:{silent_port}/db?password=secret", timeout=2.0)

    assert time.monotonic() - began < 6.0
    assert "secret" not in str(refused.value)


def test_a_port_without_a_server_is_refused():
    pytest.importorskip("psycopg")

    with pytest.raises(DampenError, match=r"127\.0\.0\.1:1/db must answer within 10 s; got: .*Connection refused"):
        Store("postgresql://me@127.0.0.1:1/db")


def test_a_database_that_the_server_does_not_have_is_refused(postgres_server):
    with pytest.raises(DampenError, match=r'must answer within 10 s; got: .*database "nothing" does not exist'):
        Store(f"postgresql://dampen@/nothing?host={postgres_server}")


def test_without_psycopg_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(DampenError, match=r"needs the package psycopg; it is missing\. Run pip install 'dampen\[postg"):
        Store("postgresql://me@127.0.0.1:1/db")


def test_a_server_without_an_encoding_will_do(postgres_server):
    """Debian makes such databases where no locale is set."""
    store = Store(new_database(postgres_server, "SQL_ASCII"))
    store.create("Größe ☃", higher_is_better=True, about={"ü": "☃"})
    store.claim("Größe ☃", UNIT, "ich", seconds=LONG)

    assert store.names() == ["Größe ☃"]
    assert store.about("Größe ☃") == {"ü": "☃"}
    assert store.units("Größe ☃")[UNIT].owner == "ich"
    store.close()


@pytest.fixture
def other(postgres_url):
    """Somebody else's connection to the same database."""
    import psycopg

    with psycopg.connect(postgres_url) as connection:
        yield connection


def test_the_tables_of_another_program_on_a_server_are_left_alone(postgres_url, other):
    other.execute("CREATE TABLE users (name TEXT)")
    other.commit()

    with pytest.raises(DampenError, match="must be one of studies; it has other tables: users"):
        Store(postgres_url)

    assert other.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall() == [("users",)]


def test_a_locked_study_on_a_server_is_waited_for_and_then_refused(postgres_url, other):
    store = filled(postgres_url, timeout=1.0)
    other.execute("SELECT * FROM studies FOR UPDATE")

    with pytest.raises(DampenError, match="must be free; another program locked it for more than 1 s"):
        store.put("study", UNIT, "me", record={"puts": 2}, trials=trials_of(2), seconds=LONG)

    assert unchanged(store)
    store.close()


def test_who_may_not_write_is_told(postgres_url, other):
    filled(postgres_url).close()
    other.execute("CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    other.commit()
    store = Store(postgres_url.replace("dampen@", "reader@"))

    with pytest.raises(DampenError, match=r"must be one that can be written; got: permission denied for table"):
        store.renew("study", UNIT, "me", seconds=LONG)

    assert unchanged(store)
    store.close()
    other.execute("DROP OWNED BY reader; DROP ROLE reader")


def test_a_connection_lost_in_the_middle_leaves_nothing(postgres_url, other):
    store = filled(postgres_url)
    other.execute("SELECT * FROM studies FOR UPDATE")
    told = []

    def put():
        try:
            store.put("study", UNIT, "me", record={"puts": 2}, trials=trials_of(2), seconds=LONG)
        except DampenError as error:
            told.append(str(error))

    thread = threading.Thread(target=put)
    thread.start()
    ended = 0
    while not ended:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        ended = len(other.execute(query).fetchall())
    thread.join()
    other.rollback()

    assert len(told) == 1
    assert "must answer within 10 s; got: terminating connection" in told[0]
    assert unchanged(store)
    store.put("study", UNIT, "me", record={"puts": 2}, trials=trials_of(2), seconds=LONG)
    assert len(store.trials("study")) == 2 * PER_PUT
    store.close()


def test_connections_that_a_server_ended_meanwhile_are_made_anew(postgres_url, other):
    store = filled(postgres_url)
    other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                  "AND pid <> pg_backend_pid()")  # fmt: skip

    store.renew("study", UNIT, "me", seconds=LONG)

    assert unchanged(store)
    store.close()
