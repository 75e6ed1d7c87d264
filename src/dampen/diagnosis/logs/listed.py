"""Logs that were lists and dicts of Python: epochs as rows, or columns with one number per epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...history import History
from .looks import history_of
from .names import understood

if TYPE_CHECKING:
    from polars import DataFrame


def history_of_rows(rows: Sequence[Mapping[str, Any]], source: str) -> History:
    """One dict per row, as most loops write them; dicts within count as columns such as train/loss."""
    flat = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    return _history({name: [row.get(name) for row in flat] for name in understood(names)}, names, source)


def history_of_columns(columns: Mapping[str, Any], source: str) -> History:
    """One list per column, as Keras' `History.history` has them; a whole `History` as a dict will do, too."""
    flat = _flat(columns["history"] if isinstance(columns.get("history"), Mapping) else columns)
    lists = {name: values for name, values in flat.items() if isinstance(values, list)}
    longest = max(map(len, lists.values()), default=0)
    return _history({n: v + [None] * (longest - len(v)) for n, v in lists.items()}, list(flat), source)


def is_columns(record: Mapping[str, Any]) -> bool:
    """Whether a dict holds a list of numbers."""
    return any(isinstance(v, list) and any(_number(x) is not None for x in v) for v in _flat(record).values())


def _flat(row: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        flat |= _flat(value, f"{above}{name}/") if isinstance(value, Mapping) else {f"{above}{name}": value}
    return flat


def _history(columns: Mapping[str, list[Any]], names: list[str], source: str) -> History:
    import polars as pl

    wanted = understood(names)
    numbers = {name: [_number(value) for value in columns[name]] for name in columns if name in wanted}
    frame: DataFrame = pl.DataFrame(numbers, schema=dict.fromkeys(numbers, pl.Float64))
    return history_of(lambda: [frame], names, source)


def _number(value: Any) -> float | None:
    """A cell as a number, also one in a text such as "nan"; None where it is none."""
    if value is None or isinstance(value, bool | list):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
