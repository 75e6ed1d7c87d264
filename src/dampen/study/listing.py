"""What has been searched. Listing takes no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DampenError, NoSuchName
from .database import DEFAULT
from .store import Store

if TYPE_CHECKING:
    from .found import SearchResult


def studies(storage: str | Path | None = None) -> list[dict[str, Any]]:
    """Every study of a storage: its name, data, how far it is, and its conclusion where it has one. No file is made
    where there is none."""
    store = _store(storage)
    return [_summary(store, name) for name in store.names()] if store else []


def _store(storage: str | Path | None) -> Store | None:
    place = DEFAULT if storage is None else str(storage).removeprefix("sqlite:///")
    return Store(storage) if "://" in str(place) or Path(place).exists() else None


def _summary(store: Store, name: str) -> dict[str, Any]:
    about, units = store.about(name), store.units(name)
    answered = about.get("answer")
    return {
        "study": name,
        "data": about.get("identity", {}).get("data", ""),
        "trials": store.count(name),
        "state": "done" if answered else "confirming" if "confirmation" in units else "searching",
        "conclusion": answered["conclusion"] if answered else "",
    }


def stored(study: str, storage: str | Path | None = None, taken: str = "study") -> SearchResult:
    """The answer of a study that is done. taken: what else might have had this name, for the message.

    Raises `DampenError` where there is no such study, or it is not done.
    """
    from .found import SearchResult

    store = _store(storage)
    known = store.names() if store else []
    if store is None or study not in known:
        raise NoSuchName(taken, study, known, "`dampen studies` lists what there is.")
    about = store.about(study)
    if "answer" not in about:
        raise DampenError(f"The study {study!r} must be done to be shown; it is not. Go on: --resume {study}.")
    return SearchResult.from_record(about["answer"])
