"""A live line that says how far a study is, what trains now, and how long it will take."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

SETTLED = 0.03
"""The share done from which on the time left means something: the first epochs pay for warming up."""


class Progress:
    """Shows on a terminal; elsewhere it stays silent."""

    def __init__(self, console: Console) -> None:
        columns = (
            BarColumn(24),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.description}"),
        )
        self._bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task: Any = None

    def __enter__(self) -> Progress:
        self._bar.start()
        self._task = self._bar.add_task("preparing", total=1.0, left="")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, share: float, seconds_left: float, recipes: str) -> None:
        """Called after every epoch of a pack."""
        left = f"{seconds_left:.0f} s left" if seconds_left < 90 else f"{seconds_left / 60:.0f} min left"
        now = recipes if len(recipes) <= 30 else recipes[:29] + "…"
        self._bar.update(self._task, completed=share, left=left if share > SETTLED else "", description=now)
