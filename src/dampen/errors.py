"""The exception classes of the house.

Every message follows one mould: who must what; what it got; what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DampenError(ValueError):
    """A mistake that the user can mend: bad data, a strength out of range, techniques that conflict."""


def first_line(error: BaseException) -> str:
    """What an error of somebody else's says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class NoSuchName(DampenError):
    """A name that nothing answers to; the message offers the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str], see: str) -> None:
        near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
        if not near:
            lowered = {k.lower(): k for k in known}
            near = [lowered[m] for m in difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.5)]
        offer = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"Unknown {kind} {name!r}.{offer} {see}")
