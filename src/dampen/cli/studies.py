"""`dampen studies` lists what has been searched; `dampen show STUDY` prints an answer again."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from . import options

WIDTH = 80


def studies(storage: options.Storage = None) -> None:
    """List the studies of a storage."""
    from ..study.listing import studies as found

    listed = found(storage)
    for study in listed:
        print(f"{study['study']:<16} {study['state']:<10} {study['trials']:>5} trials  {study['data']}")
        for line in textwrap.wrap(study["conclusion"], WIDTH - 4):
            print(f"    {line}")
    if not listed:
        print("There are no studies here yet. Begin one: dampen search digits")


def show(
    study: Annotated[str, typer.Argument(help="A study's name, as `dampen studies` lists it.")],
    storage: options.Storage = None,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON to this file.")] = None,
) -> None:
    """Print the answer of a study again."""
    from ..study.listing import stored

    options.check_writable(json, "--json")
    result = stored(study, storage)
    print(result)
    print(f"\nThe recipe:\n\n{result.recipe.to_toml()}")
    if json is not None:
        result.save(json)
        print(f"Everything in numbers: {json}")
