"""A PostgreSQL server of the tests' own: Debian's, in a folder of its own, ended with the session."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PATIENCE = 30.0
"""Seconds for the server to come up."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    """The folder of the server's socket. It listens on no port, so that none can be taken."""
    pytest.importorskip("psycopg", reason="needs psycopg, from dampen[postgres]")
    if not PROGRAMS:
        pytest.skip("needs a PostgreSQL server: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="dampen-postgres-"))
    # The server refuses to run as root; the package brings a user.
    who = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    if who:
        shutil.chown(folder, "postgres", "postgres")
    data, programs = folder / "data", PROGRAMS[-1]
    make = [programs / "initdb", "-D", data, "-U", "dampen", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(make, check=True, capture_output=True, cwd=folder, **who)
    settings = ["-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
    log = (folder / "log").open("w")
    server = subprocess.Popen([programs / "postgres", "-D", data, *settings], stdout=log, stderr=log, cwd=folder, **who)
    try:
        ends = time.monotonic() + PATIENCE
        while subprocess.run([programs / "pg_isready", "-q", "-h", folder]).returncode:
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < ends, (folder / "log").read_text()
            time.sleep(0.05)
        yield folder
    finally:
        server.send_signal(signal.SIGINT)  # "fast shutdown": waits for no client
        try:
            server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: Path, encoding: str = "UTF8") -> str:
    """The URL of an empty database on that server."""
    import psycopg

    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(host=str(server), user="dampen", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0")
    return f"postgresql://dampen@/{name}?host={server}"


@pytest.fixture
def postgres_url(postgres_server: Path) -> str:
    """The URL of an empty database, a new one for every test."""
    return new_database(postgres_server)
