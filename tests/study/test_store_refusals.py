"""What is no store, or cannot be written, is refused with a sentence; nothing is overwritten or half written."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from store_workers import LONG, PER_PUT, UNIT, filled, trials_of, unchanged

from dampen.errors import DampenError
from dampen.study.store import Store


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The file of a store of several puts, closed."""
    path = tmp_path_factory.mktemp("whole") / "whole.db"
    store = filled(path)
    for put in range(2, 20):
        store.put("study", UNIT, "me", record={"puts": put}, trials=trials_of(put), seconds=LONG)
    store.close()
    return path


@pytest.fixture
def copy(whole, tmp_path):
    return Path(shutil.copy(whole, tmp_path / "studies.db"))


def tables_of(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


# ------------------------------------------------------------------ where it is


def test_the_default_is_a_file_below_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    store = Store()
    store.create("study", higher_is_better=True, about={})
    store.close()

    assert "studies" in tables_of(tmp_path / ".dampen" / "studies.db")
    again = Store()
    assert again.names() == ["study"]
    again.close()


@pytest.mark.parametrize("name", ["with a space.db", "100%41#1?.db", "{braces}.db", "ü@:.db"])
@pytest.mark.parametrize("how", ["path", "text"])
def test_any_file_name_will_do(tmp_path, name, how):
    path = tmp_path / name

    Store(path if how == "path" else str(path)).close()

    assert "dampen_work" in tables_of(path)


def test_a_url_of_sqlite_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    Store("sqlite:///here.db").close()
    Store(f"sqlite:///{tmp_path}/there.db").close()

    assert tables_of(tmp_path / "here.db") == tables_of(tmp_path / "there.db")


def test_the_log_is_written_ahead_and_gone_when_the_store_is_closed(tmp_path):
    path = tmp_path / "studies.db"
    store = filled(path)

    assert (tmp_path / "studies.db-wal").exists()
    store.close()
    assert [one.name for one in tmp_path.iterdir()] == ["studies.db"]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://me:secret@host/db", r"got 'mysql://me:\*\*\*@host/db'\."),
        ("mysql://host/db?password=secret", r"got 'mysql://host/db'\."),
        ("redis://host", r"A store must be a path, sqlite:///FILE or postgresql://.*; got 'redis://host'\."),
        ("sqlite://", r"got 'sqlite://'\."),
        ("sqlite:///:memory:", r"got 'sqlite:///.*memory.*'\."),
        ("postgresql://me:secret@host:port/db", "got an address that cannot be read"),
    ],
)
def test_an_address_of_another_kind_is_refused_without_its_password(url, told):
    with pytest.raises(DampenError, match=told) as refused:
        Store(url)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("name", ["nowhere/studies.db", "a folder", "a file/studies.db"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path, name):
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a file").write_text("text")

    with pytest.raises(DampenError, match=r"must be one that can be written; got: unable to open .* choose another\."):
        Store(tmp_path / name)


def test_a_file_in_the_place_of_the_default_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(".dampen").write_text("text")

    with pytest.raises(DampenError, match=r"'\.dampen' must be a folder to write in; got: File exists"):
        Store()


# ------------------------------------------------------------------ what is no store


def test_a_text_under_that_name_is_refused_and_kept(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n" * 1000)

    with pytest.raises(DampenError, match=r"table\.csv' must be a database of studies; .* file is not a database"):
        Store(path)

    assert path.read_text() == "a,b\n1,2\n" * 1000


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
def test_a_file_cut_short_is_refused(copy, share):
    os.truncate(copy, int(copy.stat().st_size * share))

    with pytest.raises(DampenError, match=r"studies\.db' must be .* it is damaged"):
        Store(copy)


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
def test_a_file_overwritten_in_the_middle_is_refused(copy, place):
    before = copy.stat().st_size
    with copy.open("r+b") as file:
        file.seek(int(before * place) // 4096 * 4096)
        file.write(random.Random(0).randbytes(8192))

    with pytest.raises(DampenError, match=r"studies\.db' must be whole; it is damaged: .*\. Name another\."):
        Store(copy)


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE users (name TEXT)",
        "CREATE TABLE studies (patient TEXT)",
        "CREATE TABLE alembic_version (version_num TEXT); CREATE TABLE invoices (total REAL)",
    ],
)
def test_the_tables_of_another_program_are_left_alone(tmp_path, table):
    path = tmp_path / "theirs.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(table)
    before = path.read_bytes()

    with pytest.raises(DampenError, match=r"must be one of studies; it has other tables: (users|studies|invoices)\."):
        Store(path)

    assert path.read_bytes() == before


def test_tables_of_another_optuna_are_left_alone(copy):
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v2.6.0.a'")
        connection.execute("DROP TABLE dampen_work")
        connection.commit()

    with pytest.raises(DampenError, match=r"in the layout v3\.2\.0\.a; got v2\.6\.0\.a\. `optuna storage upgrade"):
        Store(copy)

    assert "dampen_work" not in tables_of(copy)


def test_tables_that_were_not_made_to_the_end_are_made(copy):
    """A process was killed while it made them."""
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        connection.executescript("DROP TABLE dampen_work; DROP TABLE alembic_version; DROP TABLE trial_heartbeats")

    store = Store(copy)

    assert store.names() == ["study"]
    assert store.claim("study", UNIT, "me", seconds=LONG) is not None
    store.close()


# ------------------------------------------------------------------ what goes wrong later


def test_a_locked_file_is_waited_for_and_then_refused(tmp_path):
    store = filled(tmp_path / "studies.db", timeout=0.2)
    with contextlib.closing(sqlite3.connect(tmp_path / "studies.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()

        with pytest.raises(DampenError, match=r"must be free; another program locked it for more than 0\.2 s\. End"):
            store.put("study", UNIT, "me", record={"puts": 2}, trials=trials_of(2), seconds=LONG)

        assert 0.15 < time.monotonic() - began < 5.0
        assert unchanged(store)
    store.put("study", UNIT, "me", record={"puts": 2}, trials=trials_of(2), seconds=LONG)
    assert len(store.trials("study")) == 2 * PER_PUT
    store.close()


@pytest.fixture
def small_disk():
    """A disk of 600 kB; not below pytest's folder, which would be cleaned up to no avail if this process is killed."""
    disk = Path(tempfile.mkdtemp(prefix="dampen-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    if mounted:
        yield disk
        busy = subprocess.run(["umount", str(disk)], capture_output=True).returncode
        if busy:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)
        disk.rmdir()
        assert not busy, "a file on it is still open"
        return
    disk.rmdir()
    pytest.skip("needs the right to mount a small disk")


def test_a_full_disk_is_told_and_nothing_is_half_written(small_disk):
    store, puts = filled(small_disk / "studies.db"), 1

    def fill():
        nonlocal puts
        while True:
            store.put("study", UNIT, "me", record={"puts": puts + 1}, trials=trials_of(puts + 1), seconds=LONG)
            puts += 1

    with pytest.raises(DampenError, match=r"must have room to grow; its disk is full\. Nothing of this step was"):
        fill()

    assert puts > 1
    assert store.units("study")[UNIT].record == {"puts": puts}
    store.close()
    again = Store(small_disk / "studies.db")
    assert again.units("study")[UNIT].record == {"puts": puts}
    assert len(again.trials("study")) == puts * PER_PUT
    again.close()


def test_a_full_disk_has_no_room_for_a_new_store(small_disk):
    (small_disk / "film").write_bytes(bytes(580 * 1024))

    with pytest.raises(DampenError, match=r"its disk is full|is there room\?"):
        Store(small_disk / "studies.db")


def test_damage_that_comes_later_is_told(copy):
    store = Store(copy)
    store.close()
    copy.write_bytes(random.Random(0).randbytes(copy.stat().st_size))

    with pytest.raises(DampenError, match="must be a database of studies; it is damaged or no database"):
        store.trials("study")
