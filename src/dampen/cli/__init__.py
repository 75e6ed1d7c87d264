"""The command `dampen`: one file per subcommand; each parses, calls one public function, prints."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ..errors import DampenError
from .compare import compare
from .techniques import techniques

app = typer.Typer(
    name="dampen",
    help="Find out which regularization pays off for your network and your data, and whether the gain is real.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(compare)
app.command()(techniques)


@app.callback()
def options(
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
        app(args=arguments, prog_name="dampen")
    except (DampenError, OSError) as error:
        if debug:
            raise
        print(f"dampen: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("dampen: interrupted before anything was complete.", file=sys.stderr)
        os._exit(130)
