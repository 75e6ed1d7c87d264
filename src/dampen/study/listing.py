"""What has been searched. Listing takes no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DampenError
from .database import DEFAULT
from .store import Store

if TYPE_CHECKING:
    from .found import SearchResult


def studies(storage: str | Path | None = None) -> list[dict[str, Any]]:
    """Every study of a storage: its name, data, how far it is, and its conclusion where it has one. No file is made
    where there is none."""
    place = DEFAULT if storage is None else str(storage).removeprefix("sqlite:///")
    if "://" not in str(place) and not Path(place).exists():
        return []
    store = Store(storage)
    return [_summary(store, name) for name in store.names()]


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


def stored(study: str, storage: str | Path | None = None) -> SearchResult:
    """The answer of a study that is done."""
    from .found import SearchResult

    about = Store(storage).about(study)
    if "answer" not in about:
        raise DampenError(f"The study {study!r} must be done to be shown; it is not. Go on: --resume {study}.")
    return SearchResult.from_record(about["answer"])
