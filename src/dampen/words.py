"""How messages count, list, shorten and sort."""

from __future__ import annotations

import re
from collections.abc import Iterable


def counted(count: int, noun: str = "row") -> str:
    """1 row, 12,000 rows."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def listed(names: Iterable[object], limit: int = 6) -> str:
    """The first names and how many more there are."""
    every = list(map(str, names))
    more = f" and {len(every) - limit:,} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more


def shortened(text: str, limit: int = 40) -> str:
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def size(count: float) -> str:
    """Bytes in the unit that suits: 512 bytes, 3.4 MB."""
    power = 0
    while count >= 1000 and power < 4:
        count, power = count / 1000, power + 1
    return f"{count:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"


def naturally(labels: Iterable[str]) -> list[str]:
    """Sorted as people sort: numbers by size, digits inside a text as numbers."""
    every = list(labels)
    try:
        return sorted(every, key=lambda label: (float(label), label))
    except ValueError:
        return sorted(every, key=natural)


def natural(label: object) -> tuple[list[tuple[int, int, str]], str]:
    """A key for sorting: digits count as numbers."""
    parts = [part for part in re.split(r"([0-9]+)", str(label)) if part]
    return [(0, int(p), "") if p.isascii() and p.isdigit() else (1, 0, p.lower()) for p in parts], str(label)
