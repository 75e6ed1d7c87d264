"""Studies on disk: an Optuna storage that Optuna's own tools open, with leases of work beside it.

Every member is one of Optuna's trials. Work is dealt out in *units* (a batch of configurations, the confirmation).
Whoever claims a unit has it until a time that he renews; then somebody else may claim it, and what the first one still
has to say is refused. Trials and the unit's record of how far it is are written in one transaction, so a process that
dies at any moment leaves both as they were before or both as they are after. Time is the database's clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from optuna.trial import FrozenTrial
from sqlalchemy.dialects import postgresql, sqlite

from ..errors import DampenError, NoSuchName
from . import trials as rows
from .database import WORK, Database

TIMEOUT = 10.0
LONGEST = 512
"""Characters in a name, in Optuna's tables."""


class LeaseLost(Exception):
    """Somebody else has the unit by now, or it is done: the answer came too late, and nothing was written."""


class Unit(NamedTuple):
    """Work that somebody has claimed. seconds_left: of the lease, below 0 where it ran out. record: strict JSON."""

    owner: str
    seconds_left: float
    done: bool
    record: dict[str, Any]


class Store:
    """The studies in one database. Its methods may be called from several threads.

    url: a path, sqlite:///FILE, postgresql://...; None: .dampen/studies.db below the current folder. timeout: seconds
    to wait for a server's answer or for somebody else's lock. An owner is any text that no one else uses.

    Every method raises `DampenError` where the database cannot be read or written (disk full, locked, damaged,
    connection lost; then nothing was written) and `NoSuchName` where there is no study of that name.
    """

    def __init__(self, url: str | Path | None = None, *, timeout: float = TIMEOUT) -> None:
        self._database = Database(url, timeout)
        self._tables = self._database.tables
        self._work = self._tables[WORK]
        self._upsert: Any = sqlite.insert if self._database.sqlite else postgresql.insert

    def close(self) -> None:
        """Let go of the database; whatever comes next opens it again."""
        self._database.close()

    # ------------------------------------------------------------------ studies

    def create(self, name: str, *, higher_is_better: bool, about: Mapping[str, Any]) -> None:
        """Begin a study. about: strict JSON values by name. Raises `DampenError` where the name is taken."""
        if not name.strip() or not name.isprintable() or len(name) > LONGEST:
            raise DampenError(f"A study's name must be 1 to {LONGEST} printable characters; got {name!r}. Change it.")
        studies, directions = self._tables["studies"], self._tables["study_directions"]
        direction = "MAXIMIZE" if higher_is_better else "MINIMIZE"
        with self._database.writing() as connection:
            insert = self._upsert(studies).values(study_name=name).on_conflict_do_nothing()
            study = connection.scalar(insert.returning(studies.c.study_id))
            if study is None:
                raise DampenError(
                    f"A study's name must be new; {name!r} is taken. Choose another, or go on with it: --resume {name}."
                )
            connection.execute(sa.insert(directions).values(study_id=study, objective=0, direction=direction))
            # SQLite gives the number of a deleted study away again, and who deletes one in Optuna leaves its units.
            connection.execute(sa.delete(self._work).where(self._work.c.study_id == study))
            self._describe(connection, study, about)

    def describe(self, name: str, values: Mapping[str, Any]) -> None:
        """Add to what is known about a study, or replace it. values: strict JSON values by name."""
        with self._database.writing() as connection:
            self._describe(connection, self._study(connection, name, lock=True), values)

    def about(self, name: str) -> dict[str, Any]:
        """What `create` and `describe` left."""
        attributes = self._tables["study_user_attributes"]
        with self._database.reading() as connection:
            mine = attributes.c.study_id == self._study(connection, name)
            found = connection.execute(sa.select(attributes).where(mine).order_by(attributes.c.key))
            return {row.key: json.loads(row.value_json) for row in found}

    def names(self) -> list[str]:
        """Of all studies, oldest first."""
        with self._database.reading() as connection:
            return self._names(connection)

    def trials(self, name: str) -> list[FrozenTrial]:
        """All trials of a study in order of number."""
        with self._database.reading() as connection:
            return rows.read(connection, self._tables, self._study(connection, name))

    def count(self, name: str) -> int:
        """How many trials a study has."""
        trials = self._tables["trials"]
        with self._database.reading() as connection:
            mine = trials.c.study_id == self._study(connection, name)
            return connection.scalar(sa.select(sa.func.count()).select_from(trials).where(mine)) or 0

    # ------------------------------------------------------------------ units of work

    def units(self, name: str) -> dict[str, Unit]:
        """All units that were ever claimed."""
        with self._database.reading() as connection:
            of_study = self._work.c.study_id == self._study(connection, name)
            left = (self._work.c.expires - self._database.now).label("seconds_left")
            found = connection.execute(sa.select(self._work, left).where(of_study).order_by(self._work.c.unit)).all()
        return {row.unit: Unit(row.owner, row.seconds_left, row.done, json.loads(row.record)) for row in found}

    def claim(self, name: str, unit: str, owner: str, *, seconds: float) -> Unit | None:
        """Take a unit that is new, or whose lease ran out undone: `record` is then what the last owner left, else {}.
        None where somebody has it or it is done. Of several who ask at once one gets it."""
        work, now = self._work, self._database.now
        with self._database.writing() as connection:
            new = {"study_id": self._study(connection, name), "unit": unit, "owner": owner, "done": False}
            claim = self._upsert(work).values(**new, expires=now + seconds, record="{}")
            claim = claim.on_conflict_do_update(
                index_elements=[work.c.study_id, work.c.unit],
                set_={"owner": owner, "expires": now + seconds},
                where=sa.and_(work.c.expires <= now, sa.not_(work.c.done)),
            )
            record = connection.scalar(claim.returning(work.c.record))
        return None if record is None else Unit(owner, seconds, False, json.loads(record))

    def put(
        self,
        name: str,
        unit: str,
        owner: str,
        *,
        record: Mapping[str, Any],
        trials: Sequence[FrozenTrial] = (),
        seconds: float,
        done: bool = False,
    ) -> None:
        """Replace a unit's record, append trials and renew the lease, all of it or nothing.

        record: strict JSON values. trials: get the next numbers. done: nobody needs to take the unit up again.
        A lease that ran out is still the owner's as long as nobody took it over. Raises `LeaseLost`.
        """
        values = {"record": _json(dict(record)), "done": done, "expires": self._database.now + seconds}
        with self._database.writing() as connection:
            study = self._study(connection, name, lock=True)
            self._update(connection, study, name, unit, owner, values)
            rows.write(connection, self._tables, study, trials)

    def renew(self, name: str, unit: str, owner: str, *, seconds: float) -> None:
        """Have the unit for so many seconds from now. Raises `LeaseLost`."""
        with self._database.writing() as connection:
            values = {"expires": self._database.now + seconds}
            self._update(connection, self._study(connection, name), name, unit, owner, values)

    def release(self, name: str, unit: str, owner: str) -> None:
        """Let go of a unit, so that the next one need not wait; of one that is another's or done, nothing."""
        with self._database.writing() as connection:
            mine = self._mine(self._study(connection, name), unit, owner)
            connection.execute(sa.update(self._work).where(mine).values(expires=self._database.now))

    # ------------------------------------------------------------------ inside a transaction

    def _names(self, connection: sa.Connection) -> list[str]:
        studies = self._tables["studies"]
        return list(connection.scalars(sa.select(studies.c.study_name).order_by(studies.c.study_id)))

    def _study(self, connection: sa.Connection, name: str, *, lock: bool = False) -> int:
        """A study's number. lock: until the transaction ends nobody else, Optuna included, numbers its trials."""
        studies = self._tables["studies"]
        query = sa.select(studies.c.study_id).where(studies.c.study_name == name)
        study = connection.scalar(query.with_for_update() if lock else query)
        if study is None:
            raise NoSuchName("study", name, self._names(connection), "`dampen studies` lists what there is.")
        return study

    def _describe(self, connection: sa.Connection, study: int, values: Mapping[str, Any]) -> None:
        attributes = self._tables["study_user_attributes"]
        for key, value in values.items():
            insert = self._upsert(attributes).values(study_id=study, key=key, value_json=_json(value))
            known = [attributes.c.study_id, attributes.c.key]
            connection.execute(
                insert.on_conflict_do_update(index_elements=known, set_={"value_json": insert.excluded.value_json})
            )

    def _mine(self, study: int, unit: str, owner: str) -> Any:
        work = self._work.c
        return sa.and_(work.study_id == study, work.unit == unit, work.owner == owner, sa.not_(work.done))

    def _update(
        self, connection: sa.Connection, study: int, name: str, unit: str, owner: str, values: Mapping[str, Any]
    ) -> None:
        changed = connection.execute(sa.update(self._work).where(self._mine(study, unit, owner)).values(values))
        if changed.rowcount != 1:
            raise LeaseLost(f"{unit!r} of the study {name!r} is another's by now, or done.")


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)
