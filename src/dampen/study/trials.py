"""Trials in Optuna's tables: many at once in the caller's transaction, and back in one query per table.

Optuna's own `add_trial` takes a transaction and dozens of statements for each. What is written is what it writes:
params as the distribution's internal numbers beside its JSON, infinities and NaN as words, times as naive UTC.
"""

from __future__ import annotations

import datetime
import functools
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from ..errors import DampenError

Tables = Mapping[str, sa.Table]
WORDS = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}


def write(connection: sa.Connection, tables: Tables, study: int, trials: Sequence[FrozenTrial]) -> None:
    """Append trials, whose own numbers do not count, under the next numbers. The caller holds the study's lock."""
    if not trials:
        return
    table = tables["trials"]
    mine = table.c.study_id == study
    first = connection.scalar(sa.select(sa.func.coalesce(sa.func.max(table.c.number) + 1, 0)).where(mine))
    heads = [
        {
            "number": number,
            "study_id": study,
            "state": trial.state.name,
            "datetime_start": _as_utc(trial.datetime_start),
            "datetime_complete": _as_utc(trial.datetime_complete),
        }
        for number, trial in enumerate(trials, first)
    ]
    connection.execute(sa.insert(table), heads)
    ids = connection.scalars(sa.select(table.c.trial_id).where(mine, table.c.number >= first).order_by(table.c.number))
    rows = defaultdict(list)
    for trial_id, trial in zip(ids.all(), trials, strict=True):
        for name, row in _rows(trial):
            rows[name].append({"trial_id": trial_id, **row})
    for name, all_ in rows.items():
        connection.execute(sa.insert(tables[name]), all_)


def read(connection: sa.Connection, tables: Tables, study: int) -> list[FrozenTrial]:
    """All trials of a study in order of number, as `optuna.load_study` reads them."""
    trials = tables["trials"]
    parts = {name: _by_trial(connection, tables[name], trials, study) for name in tables if name in READERS}
    heads = connection.execute(sa.select(trials).where(trials.c.study_id == study).order_by(trials.c.number))
    return [_trial(head, {name: read(parts[name][head.trial_id]) for name, read in READERS.items()}) for head in heads]


def _by_trial(connection: sa.Connection, table: sa.Table, trials: sa.Table, study: int) -> dict[int, list[Any]]:
    """Rows of a table by trial, in the order in which they were written."""
    (key,) = table.primary_key.columns
    query = sa.select(table).join(trials, trials.c.trial_id == table.c.trial_id).where(trials.c.study_id == study)
    found = defaultdict(list)
    for row in connection.execute(query.order_by(key)):
        found[row.trial_id].append(row)
    return found


# ------------------------------------------------------------------ a trial as rows


def _rows(trial: FrozenTrial) -> Iterator[tuple[str, dict[str, Any]]]:
    """(table, row) of everything that belongs to a trial."""
    for objective, value in enumerate(trial.values or ()):
        if math.isnan(value):
            raise DampenError(f"A trial's value must be a number or an infinity; got {value}.")
        yield "trial_values", {"objective": objective, **_worded("value", value)}
    for step, value in trial.intermediate_values.items():
        yield "trial_intermediate_values", {"step": step, **_worded("intermediate_value", value)}
    for name, value in trial.params.items():
        distribution = trial.distributions[name]
        inner = float(distribution.to_internal_repr(value))
        text = distribution_to_json(distribution)
        yield "trial_params", {"param_name": name, "param_value": inner, "distribution_json": text}
    for table, attributes in (
        ("trial_user_attributes", trial.user_attrs),
        ("trial_system_attributes", trial.system_attrs),
    ):
        for key, value in attributes.items():
            yield table, {"key": key, "value_json": json.dumps(value, allow_nan=False)}


def _worded(field: str, value: float) -> dict[str, Any]:
    """A number in its column, or the word for what columns do not hold."""
    value = float(value)
    if math.isfinite(value):
        return {field: value, f"{field}_type": "FINITE"}
    word = "NAN" if math.isnan(value) else "INF_POS" if value > 0 else "INF_NEG"
    return {field: None, f"{field}_type": word}


def _as_utc(local: datetime.datetime | None) -> datetime.datetime | None:
    return local and local.astimezone(datetime.UTC).replace(tzinfo=None)


# ------------------------------------------------------------------ rows as a trial


def _trial(head: Any, parts: Mapping[str, Any]) -> FrozenTrial:
    params = parts["trial_params"]
    return FrozenTrial(
        number=head.number,
        state=TrialState[head.state],
        value=None,
        values=parts["trial_values"] or None,
        datetime_start=_as_local(head.datetime_start),
        datetime_complete=_as_local(head.datetime_complete),
        params={name: distribution.to_external_repr(inner) for name, (distribution, inner) in params.items()},
        distributions={name: distribution for name, (distribution, _) in params.items()},
        user_attrs=parts["trial_user_attributes"],
        system_attrs=parts["trial_system_attributes"],
        intermediate_values=parts["trial_intermediate_values"],
        trial_id=head.trial_id,
    )


def _as_local(utc: datetime.datetime | None) -> datetime.datetime | None:
    return utc and utc.replace(tzinfo=datetime.UTC).astimezone().replace(tzinfo=None)


@functools.lru_cache(maxsize=10_000)
def _distribution(text: str) -> BaseDistribution:
    """Trials of one study share a few dozen; nobody changes one."""
    return json_to_distribution(text)


def _attributes(rows: Sequence[Any]) -> dict[str, Any]:
    return {row.key: json.loads(row.value_json) for row in rows}


READERS: dict[str, Any] = {
    "trial_values": lambda rows: [
        WORDS.get(row.value_type, row.value) for row in sorted(rows, key=lambda row: row.objective)
    ],
    "trial_intermediate_values": lambda rows: {
        row.step: WORDS.get(row.intermediate_value_type, row.intermediate_value) for row in rows
    },
    "trial_params": lambda rows: {
        row.param_name: (_distribution(row.distribution_json), row.param_value) for row in rows
    },
    "trial_user_attributes": _attributes,
    "trial_system_attributes": _attributes,
}
