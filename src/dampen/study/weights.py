"""Weights between two rungs: on disk beside the study, named in its record, gone when nobody needs them."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from ..training.race import Race


@contextlib.contextmanager
def saved(race: Race, folder: Path, before: str) -> Iterator[str]:
    """The weights of a race in a folder of their own, below `folder`; inside, its name is to be put on record.

    before: what the record named until then, which goes. Where the record cannot be written (the disk is full,
    somebody else has the unit) the new ones go. No two ever share a name: who comes late writes over nobody's.
    """
    name = uuid.uuid4().hex[:12]
    try:
        race.save(folder / name)
        yield name
    except BaseException:
        forget(folder / name)
        raise
    if before:
        forget(folder / before)


def forget(folder: Path) -> None:
    """A folder of weights goes, and those that it was alone in, up to the study's."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # others are in it
        for parent in list(folder.parents)[:2]:
            parent.rmdir()
