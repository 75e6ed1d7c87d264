"""The command `dampen`: one file per subcommand; each parses, calls one public function, prints."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ..errors import DampenError
from .augment import augment
from .compare import compare
from .data import data
from .diagnose import diagnose
from .predict import predict
from .report import report
from .search import search
from .studies import show, studies
from .techniques import techniques
from .train import train

app = typer.Typer(
    name="dampen",
    help="Find out which regularization pays off for your network and your data, and whether the gain is real.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(compare)
app.command()(search)
app.command()(studies)
app.command()(show)
app.command()(report)
app.command()(diagnose)
app.command()(train)
app.command()(predict)
app.command()(augment)
app.command()(data)
app.command()(techniques)


@app.callback()
def every_command(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; may also stand last.")
    ] = False,
) -> None:
    """Read by `main` before the commands run; here so that the help knows it."""


def main() -> None:
    """The console script: one line and exit code 2 for a mistake, a traceback only with --debug."""
    debug = "--debug" in sys.argv[1:]
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        sys.exit(app(args=arguments or ["--help"], prog_name="dampen", standalone_mode=False))
    except (KeyboardInterrupt, typer.Abort):  # the second is the first, as the command line's library hands it on
        print("dampen: interrupted before anything was complete.", file=sys.stderr)
        os._exit(130)
    except Exception as error:
        told = _told(error)
        if debug or told is None:
            raise
        print(f"dampen: {told}", file=sys.stderr)
        sys.exit(2)


def _told(error: Exception) -> str | None:
    """What to say of a mistake of the user's; None for a fault of ours."""
    if isinstance(error, DampenError | OSError):
        return str(error)
    if hasattr(error, "format_message"):  # a usage error of the command line's library, whose home has moved once
        return f"{error.format_message().rstrip('.')}. See `dampen --help`."
    return None
