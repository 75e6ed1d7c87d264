"""`dampen` as a person types it, but in this process: loading torch for every command would take minutes."""

import contextlib
import io
import sys
from typing import NamedTuple

import pytest

from dampen.cli import main


class Done(NamedTuple):
    code: int
    out: str
    err: str


def run(folder, *arguments):
    """A command's exit code, what it printed and what it complained of. folder: where it is typed."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["dampen", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
    return Done(end.value.code or 0, out.getvalue(), err.getvalue())
