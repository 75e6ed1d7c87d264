"""What dampen itself writes: a history, a comparison, the answer of a search, a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import DampenError, NoSuchName
from ...history import History

ANSWERS = ("dampen comparison", "dampen search")
OUTCOMES = ("running", "finished", "stopped", "diverged", "unknown")


def is_answer(record: object) -> bool:
    return isinstance(record, Mapping) and record.get("kind") in ANSWERS


def is_history(record: Mapping[str, Any]) -> bool:
    epochs = record.get("epochs")
    return isinstance(epochs, list) and record.get("outcome") in OUTCOMES and all(isinstance(e, dict) for e in epochs)


def histories_of_answer(record: Mapping[str, Any], source: str) -> dict[str, list[History]]:
    """Per recipe one history per seed."""
    try:
        return {
            name: [_sourced(History.from_record(history), f"{source}: {name}") for history in histories]
            for name, histories in record["histories"].items()
        }
    except (AttributeError, KeyError, TypeError):
        raise DampenError(f"{source!r} must hold the histories of its trainings; it does not. Make it again.") from None


def history_of_record(record: Mapping[str, Any], source: str) -> History:
    history = History.from_record(dict(record))
    return history if history.source else _sourced(history, source)


def _sourced(history: History, source: str) -> History:
    history.source = history.source or source
    return history


def answer_of_study(study: str, storage: str | Path | None) -> dict[str, Any]:
    """The record of a study that is done. Raises `DampenError` where there is no such study, or it is not done."""
    from ...study.listing import stored, studies

    known = [found["study"] for found in studies(storage)]
    if study not in known:
        said = f"It must be a file, a folder or a study ({', '.join(known) or 'there is none here'})."
        raise NoSuchName("log", study, known, said)
    return stored(study, storage).to_record()
