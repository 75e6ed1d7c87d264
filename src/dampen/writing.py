"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from .errors import DampenError


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside it to write to, with the same ending. What is written takes the place of `path` at the end; where
    anything goes wrong, what was there stays as it is and nothing is left over."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DampenError(f"A file to write must be a plain one; got {str(path)!r}. Name another.")
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
