"""The answers of comparisons and searches, from their records, files and studies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DampenError
from .comparison import Comparison
from .found import SearchResult
from .listing import stored

Answer = Comparison | SearchResult
LARGEST_BYTES = 2**30
"""A larger file is no answer of ours."""
KINDS: dict[Any, type[Comparison] | type[SearchResult]] = {
    "dampen comparison": Comparison,
    "dampen search": SearchResult,
}


def find_answer(name: str, storage: str | Path | None = None) -> Answer:
    """From the file of that name, else from the study of that name.

    Raises `DampenError` where there is neither, or it is not whole.
    """
    return read_answer(name) if Path(name).is_file() else stored(name, storage, "study or file")


def read_answer(path: str | Path) -> Answer:
    """What `dampen compare --json` or `dampen search --json` wrote.

    Raises `DampenError` where the file is something else, or not whole.
    """
    must = _must(path)
    try:
        if Path(path).stat().st_size > LARGEST_BYTES:
            raise DampenError(f"{must} is far too large to be one.")
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise DampenError(f"{must} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DampenError(f"{must} is no text.") from None
    if not text.strip():
        raise DampenError(f"{must} is empty.")
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        raise DampenError(f"{must} is no whole JSON file. Write it again.") from None
    return answer_of_record(record, path)


def answer_of_record(record: Any, path: str | Path) -> Answer:
    """path: where the record is from. Raises `DampenError` where it is something else, or not whole."""
    kind = record.get("kind") if isinstance(record, dict) else None
    if kind not in KINDS:
        raise DampenError(f"{_must(path)} is JSON of another kind.")
    try:
        answer: Answer = KINDS[kind].from_record(record)
        check_whole(answer)
        answer.to_record()
    except DampenError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DampenError(f"{_must(path)} says that it is one, but has been changed. Write it again.") from None
    return answer


def _must(path: str | Path) -> str:
    return f"An answer must be a file of `dampen compare --json` or `dampen search --json`; {str(path)!r}"


def check_whole(answer: Answer) -> None:
    """Refuse a record whose parts do not belong together."""
    protocol = answer.protocol
    own = ("seeds", "baseline") if isinstance(answer, Comparison) else ()
    for name in ("metric", "data", "model", "epochs", "batch_size", *own):
        if name not in protocol:
            raise DampenError(f"The protocol of an answer must have {name!r}; this one has not. Run the study again.")
    unknown = {e.recipe for e in answer.evidence} - answer.recipes.keys()
    if unknown:
        raise DampenError(f"Every recipe that is judged must be told; {sorted(unknown)[0]!r} is not. Run it again.")


def data_of(protocol: Mapping[str, Any]) -> tuple[str, str]:
    """Name and description: ("digits", "1797 rows, inputs 1 x 8 x 8, 10 classes")."""
    name, _, description = str(protocol.get("data", "")).rpartition(": ")
    return (name, description) if name else (description or "the data", "")


def data_in_commands(protocol: Mapping[str, Any]) -> str:
    """What stands for the data in programs and commands to type: the name of built-in data, else DATA."""
    from ..data.dataset import BUILT_IN

    name = data_of(protocol)[0]
    return name if name in BUILT_IN else "DATA"
