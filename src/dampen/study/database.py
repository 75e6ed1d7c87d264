"""The database that studies live in: one that Optuna made, opened; and what its errors mean, in sentences.

SQLite: one file, write-ahead log, one writer at a time. PostgreSQL: through psycopg. The tables are Optuna's, read off
the database as they are, and one of ours, `dampen_work` (`store.py`).
"""

from __future__ import annotations

import contextlib
import math
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from ..errors import DampenError
from .told import in_a_line, told

DEFAULT = Path(".dampen") / "studies.db"
KINDS = "a path, sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
LAYOUT = "v3.2.0.a"
"""The layout of Optuna's tables that `trials.py` writes, as Optuna stamps it into the table `alembic_version`."""
OF_STUDIES = {"studies", "study_directions", "study_user_attributes", "study_system_attributes"}
OF_TRIALS = {"trial_params", "trial_values", "trial_intermediate_values", "trial_heartbeats"}
OF_TRIALS |= {"trials", "trial_user_attributes", "trial_system_attributes"}
OPTUNAS = OF_STUDIES | OF_TRIALS | {"version_info", "alembic_version"}
WORK = "dampen_work"
ATTEMPTS = 5
"""To make the tables: who makes them at the same moment as somebody else finds a table there that was not before."""


class Database:
    """An open database. tables: by name, Optuna's and ours. now: its clock, seconds since 1970, as an SQL expression.

    url: a path, sqlite:///FILE, postgresql://...; None: .dampen/studies.db below the current folder. timeout: seconds
    to wait for a server's answer or for somebody else's lock. Raises `DampenError` where there is no such database, or
    it is damaged, another program's or not to be written.
    """

    def __init__(self, url: str | Path | None, timeout: float) -> None:
        self.url = address(url)
        self.timeout = timeout
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _sqlite(self.url, timeout) if self.sqlite else _postgresql(self.url, timeout)
        self.close: Callable[[], Any] = weakref.finalize(self, self._engine.dispose)
        clock = "(julianday('now') - 2440587.5) * 86400.0" if self.sqlite else "extract(epoch from clock_timestamp())"
        self.now: sa.ColumnElement[float] = sa.cast(sa.literal_column(clock), sa.Double())
        try:
            with self._sentences():
                self.tables = self._opened()
        except BaseException:
            self.close()
            raise

    @property
    def where(self) -> str:
        """Where it is, in words and without a password."""
        if self.sqlite:
            return f"The file {str(self.url.database)!r}"
        port = self.url.port or (5432 if self.url.host else None)
        return f"The database {_shown(self.url.set(drivername='postgresql', port=port))}"

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction in which all queries see the same state."""
        engine = self._engine if self.sqlite else self._engine.execution_options(isolation_level="REPEATABLE READ")
        with self._sentences(), engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is written whole or, after any error, not at all."""
        with self._sentences(), self._engine.execution_options(begin="BEGIN IMMEDIATE").begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _sentences(self) -> Iterator[None]:
        """An error of the database as a `DampenError`."""
        try:
            yield
        except DBAPIError as error:
            raise DampenError(told(error, self.where, self.timeout)) from None

    def _opened(self) -> Mapping[str, sa.Table]:
        self._check_file()
        self._make_tables()
        metadata = sa.MetaData()
        metadata.reflect(self._engine, only=sorted(OPTUNAS | {WORK}))
        return metadata.tables

    def _check_file(self) -> None:
        """A damaged file may well open, and fail or lie later."""
        if not self.sqlite or not Path(str(self.url.database)).exists():
            return
        with self._engine.begin() as connection:
            found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        if found != "ok":
            raise DampenError(f"{self.where} must be whole; it is damaged: {in_a_line(found)}. Name another.")

    def _make_tables(self) -> None:
        """What is missing is made, by Optuna and by us; again if somebody else did so at the same moment."""
        ends = time.monotonic() + self.timeout
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._make_tables_once()
            except DBAPIError as error:
                if attempt == ATTEMPTS or time.monotonic() > ends or not _meddled(error):
                    raise
                time.sleep(0.1 * attempt)

    def _make_tables_once(self) -> None:
        present, layout = self._found()
        if not present >= OPTUNAS or layout != LAYOUT:
            self._refuse_others(present, layout)
            self._make_optunas()
        if WORK not in present:
            _work().create(self._engine, checkfirst=True)

    def _make_optunas(self) -> None:
        if self.sqlite:  # the file remembers it; it cannot be done inside a transaction, so it stands where one begins
            with self._engine.execution_options(begin="PRAGMA journal_mode = WAL").begin():
                pass
        options = {"connect_args": _settings(self.sqlite, self.timeout), "poolclass": sa.NullPool}  # stays open nowhere
        try:
            optuna.storages.RDBStorage(self.url.render_as_string(hide_password=False), options)
        except optuna.exceptions.StorageInternalError as error:
            raise error.__cause__ or error from None
        self._refuse_others(*self._found())

    def _refuse_others(self, present: set[str], layout: str | None) -> None:
        """Nothing is changed in what is another program's, or another Optuna's."""
        strange = present - OPTUNAS - {WORK}
        if layout is None and "studies" in present and "study_name" not in self._columns("studies"):
            strange = present
        if layout != LAYOUT and strange:
            others = ", ".join(sorted(strange)[:3])
            raise DampenError(f"{self.where} must be one of studies; it has other tables: {others}. Name another.")
        if layout not in (None, LAYOUT):
            raise DampenError(
                f"{self.where} must have Optuna's tables in the layout {LAYOUT}; got {layout}. "
                "`optuna storage upgrade --storage URL` brings an older one forward; for a newer one update dampen."
            )

    def _columns(self, table: str) -> set[str]:
        return {column["name"] for column in sa.inspect(self._engine).get_columns(table)}

    def _found(self) -> tuple[set[str], str | None]:
        """The names of the tables, and which layout Optuna's are."""
        present = set(sa.inspect(self._engine).get_table_names())
        if "alembic_version" not in present:
            return present, None
        with self._engine.begin() as connection:
            return present, connection.scalar(sa.text("SELECT version_num FROM alembic_version"))


def address(url: str | Path | None) -> sa.URL:
    """Where the database is, from whatever people name."""
    if url is None:
        try:
            DEFAULT.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise DampenError(
                f"{str(DEFAULT.parent)!r} must be a folder to write in; got: {error.strerror}. Name another place."
            ) from None
        url = DEFAULT
    if isinstance(url, Path) or "://" not in url:
        return sa.URL.create("sqlite", database=str(Path(url).absolute()))
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):  # whose texts may hold the password
        raise DampenError(f"A store must be {KINDS}; got an address that cannot be read. Check its port.") from None
    kind = parsed.get_backend_name()
    if kind in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if kind == "sqlite" and parsed.database not in (None, "", ":memory:") and not parsed.query:
        return address(Path(str(parsed.database)))
    raise DampenError(f"A store must be {KINDS}; got {_shown(parsed)!r}.")


def _meddled(error: DBAPIError) -> bool:
    """Whether it may come from somebody else who makes the same tables at this moment."""
    return not isinstance(error, OperationalError) or "already exists" in str(error) or "is locked" in str(error)


def _shown(url: sa.URL) -> str:
    """Without passwords."""
    return url.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)


def _settings(sqlite: bool, timeout: float) -> dict[str, Any]:
    """Of a connection: a limit on each way to wait (for a lock, for a server, for a network that is gone)."""
    if sqlite:
        return {"timeout": timeout}
    seconds = math.ceil(timeout)
    return {
        "connect_timeout": seconds,
        "tcp_user_timeout": seconds * 1000,
        "keepalives_idle": seconds,
        "client_encoding": "utf8",  # else texts of a server in SQL_ASCII come as bytes
    }


def _sqlite(url: sa.URL, timeout: float) -> sa.Engine:
    """Without sqlite3's own idea of when a transaction begins: reading ones BEGIN, writing ones BEGIN IMMEDIATE, so
    that no one finds out half-way that somebody else writes."""
    engine = sa.create_engine(url, connect_args={**_settings(True, timeout), "isolation_level": None})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA synchronous = NORMAL")  # with a write-ahead log a kill loses nothing

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine


def _postgresql(url: sa.URL, timeout: float) -> sa.Engine:
    try:
        engine = sa.create_engine(url, connect_args=_settings(False, timeout), pool_pre_ping=True)
    except ImportError:
        raise DampenError(
            "A store at postgresql:// needs the package psycopg; it is missing. Run pip install 'dampen[postgres]'."
        ) from None

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.execute(f"SET lock_timeout = {math.ceil(timeout * 1000)}")
        connection.commit()

    return engine


def _work() -> sa.Table:
    """Who works on what until when. No foreign key: Optuna deletes studies and knows nothing of this table."""
    return sa.Table(
        WORK,
        sa.MetaData(),
        sa.Column("study_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("unit", sa.String(512), primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
