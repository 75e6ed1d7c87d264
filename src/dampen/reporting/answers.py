"""What a report is of: the answer of a comparison or a search, from its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import DampenError
from ..study.comparison import Comparison
from ..study.found import SearchResult

Answer = Comparison | SearchResult
LARGEST_BYTES = 2**30
"""A larger file is no answer of ours."""
KINDS: dict[Any, type[Comparison] | type[SearchResult]] = {
    "dampen comparison": Comparison,
    "dampen search": SearchResult,
}


def read_answer(path: str | Path) -> Answer:
    """What `dampen compare --json` or `dampen search --json` wrote.

    Raises `DampenError` where the file is something else, or not whole.
    """
    must = f"A report must be of a file of `dampen compare --json` or `dampen search --json`; {str(path)!r}"
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
    kind = record.get("kind") if isinstance(record, dict) else None
    if kind not in KINDS:
        raise DampenError(f"{must} is JSON of another kind.")
    try:
        answer: Answer = KINDS[kind].from_record(record)
        check_whole(answer)
        answer.to_record()
    except DampenError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DampenError(f"{must} says that it is one, but has been changed. Write it again.") from None
    return answer


def check_whole(answer: Answer) -> None:
    """Refuse a record whose parts do not belong together."""
    protocol = answer.protocol
    needed = ("metric", "data", "model", "epochs") + (("seeds", "baseline") if isinstance(answer, Comparison) else ())
    for name in needed:
        if name not in protocol:
            raise DampenError(f"The protocol of an answer must have {name!r}; this one has not. Run the study again.")
    unknown = {e.recipe for e in answer.evidence} - answer.recipes.keys()
    if unknown:
        raise DampenError(f"Every recipe that is judged must be told; {sorted(unknown)[0]!r} is not. Run it again.")
