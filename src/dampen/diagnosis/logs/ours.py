"""What dampen itself writes: a history, the answers of comparisons and searches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...history import History

if TYPE_CHECKING:
    from ...study.answers import Answer

OUTCOMES = ("running", "finished", "stopped", "diverged", "unknown")


def is_ours(record: object) -> bool:
    return isinstance(record, Mapping) and str(record.get("kind", "")).startswith("dampen ")


def is_history(record: Mapping[str, Any]) -> bool:
    epochs = record.get("epochs")
    return isinstance(epochs, list) and record.get("outcome") in OUTCOMES and all(isinstance(e, dict) for e in epochs)


def histories_of_answer(answer: Answer, source: str) -> dict[str, list[History]]:
    """Per recipe one history per seed."""
    return {
        name: [_sourced(history, f"{source}: {name}") for history in histories]
        for name, histories in answer.histories.items()
    }


def history_of_record(record: Mapping[str, Any], source: str) -> History:
    history = History.from_record(dict(record))
    return history if history.source else _sourced(history, source)


def _sourced(history: History, source: str) -> History:
    history.source = history.source or source
    return history
