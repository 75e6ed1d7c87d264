"""What an error of a database means, and what to do about it."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy.exc import DBAPIError, OperationalError

LOCKED, FULL, DAMAGED, SHUT, IO = "locked", "full", "damaged", "shut", "io"
BY_CODE = {
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_PROTOCOL: LOCKED,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_READONLY: SHUT,
    sqlite3.SQLITE_CANTOPEN: SHUT,
    sqlite3.SQLITE_PERM: SHUT,
    sqlite3.SQLITE_IOERR: IO,
}
"""SQLite's primary result codes."""
BY_STATE = {
    "55P03": LOCKED,
    "40P01": LOCKED,
    "53100": FULL,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
    "42501": SHUT,
    "25006": SHUT,
    "58030": IO,
}
"""PostgreSQL's SQLSTATEs."""
UNREACHED = ("08", "28", "3D", "53", "57")
"""Classes of SQLSTATEs: no connection, no right to one, no such database, no room for more, shut down."""
SENTENCES = {
    LOCKED: "{where} must be free; another program locked it for more than {timeout:g} s. End that one or try again.",
    FULL: "{where} must have room to grow; its disk is full. Nothing of this step was written: make room and go on.",
    DAMAGED: "{where} must be a database of studies; it is damaged or no database: {error}. Name another.",
    SHUT: "{where} must be one that can be written; got: {error}. Check its rights (and its folder) or choose another.",
    IO: "{where} must be readable and writable; got: {error}. Check the disk (is there room?) and go on.",
}
LOST = "{where} must answer within {timeout:g} s; got: {error}. Check the address and that the server runs."
OTHER = "{where} must take what is written and give what is asked; got: {error}."


def told(error: DBAPIError, where: str, timeout: float) -> str:
    """A sentence on an error of sqlite3 or psycopg. where: the database in words, without a password."""
    orig: Any = error.orig
    if isinstance(orig, sqlite3.Error):
        code = getattr(orig, "sqlite_errorcode", 0)  # a mistake in the use of sqlite3 has none
        sentence = SENTENCES.get(BY_CODE.get(code & 0xFF, ""), OTHER)
    else:  # who gets no connection gets no state either
        state = getattr(orig, "sqlstate", None) or ("08000" if isinstance(error, OperationalError) else "")
        sentence = SENTENCES.get(BY_STATE.get(state, ""), LOST if state[:2] in UNREACHED else OTHER)
    return sentence.format(where=where, timeout=timeout, error=in_a_line(str(orig)))


def in_a_line(text: str) -> str:
    """Of what may be several lines."""
    return "; ".join(" ".join(line.split()) for line in text.strip().splitlines()).rstrip(".?")
