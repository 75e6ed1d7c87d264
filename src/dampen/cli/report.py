"""`dampen report STUDY|FILE.json`: one page for somebody who has never heard of dropout, and for who has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


def report(
    study: Annotated[
        str,
        typer.Argument(help="A study, as `dampen studies` lists it, or a file that compare or search --json wrote."),
    ],
    out: Annotated[Path, typer.Option(help="Write the page to this file; one that is there is overwritten.")],
    format: Annotated[str | None, typer.Option(help="html or md; by default as the file's name ends.")] = None,
    title: Annotated[str, typer.Option(help="Of the page.")] = "",
    notes: Annotated[str, typer.Option(help="Words of your own, shown below the answer.")] = "",
    storage: options.Storage = None,
) -> None:
    """Write the report of a study or a comparison: one file that needs no network and prints well."""
    from ..reporting.page import format_of
    from ..reporting.page import report as write
    from ..study.answers import find_answer

    chosen = format_of(out, format)
    options.check_writable(out, "--out")
    write(find_answer(study, storage), out, chosen, notes=notes, title=title)
    print(f"The report: {out}")
