"""The door: a file, a folder or a study in; histories out. What a file is, is told from its content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DampenError
from ...history import History
from ...study.listing import stored
from .events import EVENTS, MAGIC, read_events
from .listed import history_of_columns, history_of_rows, is_columns
from .ours import histories_of_answer, history_of_record, is_history, is_ours
from .table import read_table
from .trainer import is_trainer_state, read_trainer_state

if TYPE_CHECKING:
    from ...study.answers import Answer

HEAD = 2**16
"""So many bytes tell what a file is."""
READ = (
    "CSV or TSV (Keras' CSVLogger, Lightning's metrics.csv, ...), JSON (Keras' History.history, trainer_state.json, "
    "one object per epoch, dampen's own), TensorBoard's events"
)


def read_log(log: str | Path, storage: str | Path | None = None, *, growing: bool = False) -> dict[str, list[History]]:
    """The histories of a log: {"": [one]} of a lone training; by run of a folder of several; by recipe, one per seed,
    of a comparison, a search or a study.

    Takes and raises what `read_any` does.
    """
    found = read_any(log, storage, growing=growing)
    return found if isinstance(found, dict) else histories_of_answer(found, Path(log).name)


def read_any(
    log: str | Path, storage: str | Path | None = None, *, growing: bool = False
) -> Answer | dict[str, list[History]]:
    """An answer of ours, or the histories of somebody's log.

    log: a file, a folder of TensorBoard events, or a study's name; storage: where studies are kept. growing: somebody
    still writes the file; what stands in a last line without an end is left out.

    Raises `DampenError` where it is no log, and says what it is instead.
    """
    path = Path(log)
    if not path.exists():
        return stored(str(log), storage, "file, folder or study")
    if path.is_dir():
        return read_events(path)
    head = _head(path)
    if MAGIC in head[:64] or path.match(EVENTS):
        return read_events(path)
    text = _text(head, path)
    if text.lstrip()[:1] not in ("{", "["):
        return {"": [read_table(path, text, growing)]}
    record = _json(path, growing)
    if is_ours(record):
        from ...study.answers import answer_of_record  # loads torch, which nobody else's log needs

        return answer_of_record(record, path)
    return {"": [_of_json(record, path.name)]}


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _text(head: bytes, path: Path) -> str:
    if head.startswith(b"SQLite format 3"):
        raise DampenError(f"{path.name!r} holds studies; name one: dampen diagnose STUDY --storage {path}.")
    if b"\0" in head:
        raise DampenError(f"{path.name!r} must be a log; it is a binary file. These are read: {READ}.")
    text = head.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise DampenError(f"{path.name!r} must be a log; it is empty. These are read: {READ}.")
    return text


def _json(path: Path, growing: bool) -> Any:
    """A whole JSON value, or a list of the values of its lines."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = text.splitlines()
        try:
            return [json.loads(line) for line in lines[: -1 if growing and text[-1] != "\n" else None] if line.strip()]
        except (ValueError, RecursionError):
            raise DampenError(f"{path.name!r} must be whole JSON, or one per line; it is not: {error}.") from None


def _of_json(record: Any, source: str) -> History:
    if isinstance(record, dict):
        if is_history(record):
            return history_of_record(record, source)
        if is_trainer_state(record):
            return read_trainer_state(record, source)
        if is_columns(record):
            return history_of_columns(record, source)
        record = [record]
    if isinstance(record, list) and record and all(isinstance(row, dict) for row in record):
        return history_of_rows(record, source)
    raise DampenError(f"{source!r} must be a log; its JSON is none. These are read: {READ}.")
