"""`dampen techniques [NAME]`: the catalogue, and the card of one technique."""

from __future__ import annotations

from typing import Annotated

import typer


def techniques(
    name: Annotated[str | None, typer.Argument(help="A technique, for its card.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List all techniques, or show the card of one."""
    import json as writer
    import textwrap

    from ..cards import card, catalogue, text_of
    from ..techniques import find

    if name is None:
        records = catalogue()
        if json:
            print(writer.dumps(records, allow_nan=False, indent=1))
            return
        for room in dict.fromkeys(record["room"] for record in records):
            print(f"{room}/")
            for record in records:
                if record["room"] == room:
                    print(textwrap.fill(f"  {record['name']:<16} {record['summary']}", 80, subsequent_indent=" " * 19))
        print("\n`dampen techniques NAME` shows a card.")
        return
    record = card(find(name))
    print(writer.dumps(record, allow_nan=False, indent=1) if json else text_of(record))
