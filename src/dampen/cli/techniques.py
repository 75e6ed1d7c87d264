"""`dampen techniques [NAME]`: the catalogue, and the card of one technique."""

from __future__ import annotations

from typing import Annotated, Any

import typer

PACK = 12
"""Members of the pack that --measure looks at besides one network: as many as `compare` trains seeds."""


def techniques(
    name: Annotated[str | None, typer.Argument(help="A technique, for its card.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure what a training step costs with the technique, on this machine.")
    ] = False,
) -> None:
    """List all techniques, or show the card of one."""
    import json as writer

    from ..cards import card, catalogue, text_of
    from ..errors import DampenError
    from ..techniques import find

    if name is None:
        if measure:
            raise DampenError(
                "--measure needs the name of a technique; got none. Use `dampen techniques MixUp --measure`."
            )
        records = catalogue()
        print(writer.dumps(records, allow_nan=False, indent=1) if json else _listed(records))
        return
    technique = find(name)
    record = card(technique)
    if measure:
        from ..study.cost import cost_of
        from .machine import keep_big_blocks

        keep_big_blocks()
        record["cost"] = [cost_of(technique, members) for members in (1, PACK)]
    if json:
        print(writer.dumps(record, allow_nan=False, indent=1))
        return
    print(text_of(record))
    if measure:
        print(_costs(record["cost"]))


def _listed(records: list[dict[str, Any]]) -> str:
    import textwrap

    lines = []
    for room in dict.fromkeys(record["room"] for record in records):
        lines.append(f"{room}/")
        for record in records:
            if record["room"] == room:
                lines += textwrap.wrap(f"  {record['name']:<20} {record['summary']}", 80, subsequent_indent=" " * 23)
    return "\n".join([*lines, "", "`dampen techniques NAME` shows a card."])


def _costs(costs: list[dict[str, Any]]) -> str:
    lines = ["", "  a training step here     with    without   ratio"]
    for cost in costs:
        who = "one network" if cost["members"] == 1 else f"a pack of {cost['members']}"
        times = f"{cost['milliseconds_with']:8.2f} ms {cost['milliseconds_without']:8.2f} ms {cost['ratio']:7.2f}"
        lines.append(f"  {who:<17}{times}   {cost['precision']}")
    return "\n".join([*lines, f"  {costs[0]['model']}, batches of {costs[0]['batch_size']}", f"  {costs[0]['data']}"])
