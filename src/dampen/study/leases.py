"""Who works on what: a worker's name, whether it still lives, and a thread that keeps its lease."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from ..errors import DampenError
from .store import LeaseLost, Store

LEASE_SECONDS = 30.0
"""Who has not been heard of for so long is taken for dead; renewed three times as often."""


def own_name() -> str:
    """This process, as the store knows it: machine, process, and when that began."""
    return f"{socket.gethostname()}:{os.getpid()}:{_began(os.getpid())}"


def is_dead(owner: str) -> bool:
    """Whether that worker was on this machine and its process is gone; of others nothing is known."""
    machine, _, rest = owner.rpartition(":")[0].rpartition(":")[0], None, owner.split(":")[-2:]
    if machine != socket.gethostname() or not rest[0].isdigit():
        return False
    return _began(int(rest[0])) != rest[1]


def _began(process: int) -> str:
    """When a process began, in the system's ticks; empty where it is gone or the system does not tell."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


@contextlib.contextmanager
def renewed(store: Store, study: str, unit: str, owner: str) -> Iterator[None]:
    """Keeps the lease of a unit for a while. Where it is lost, the next `put` says so."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(LEASE_SECONDS / 3):
            try:
                store.renew(study, unit, owner, seconds=LEASE_SECONDS)
            except LeaseLost:  # the next `put` meets the same, and tells
                return
            except DampenError:  # locked for a moment, perhaps: the lease lasts three times as long
                continue

    thread = threading.Thread(target=renew, name="dampen lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
