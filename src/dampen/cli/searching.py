"""What `dampen search` shows while it runs, and what it leaves behind."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from ..data.open import DEFAULTS
from ..errors import DampenError
from ..study.budget import duration
from ..study.found import SearchResult
from ..study.keeping import MODEL, RECIPE
from ..study.search import Beginning, folder_of
from ..study.space import Narrowing, load_narrowing, parse_ranges
from ..study.store import Store
from ..study.worker import News
from .options import data_options

PROGRAM = "train.py"
INTERRUPTED = 130
"""Exit code of what Ctrl-C ended."""
SHOWN = 8
"""So many recipes of the newest rung are shown."""


class Display:
    """The leading recipes, rung by rung, with the time left, on a terminal; elsewhere only how it begins."""

    def __init__(self, console: Console, notes: Sequence[str]) -> None:
        self.console, self.notes = console, notes
        self.study: str | None = None
        columns = (BarColumn(24), TaskProgressColumn(), TextColumn("{task.fields[left]}"))
        self._bar = Progress(*columns, TextColumn("{task.description}"), console=console)
        self._task = self._bar.add_task("preparing", total=1.0, left="")
        self._live = Live(self._bar, console=console, transient=True, refresh_per_second=4)

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def begin(self, beginning: Beginning) -> None:
        """Told before training begins."""
        self.study = beginning.study
        told = "goes on with" if beginning.resumed else "searches within"
        self.console.print(f"{beginning.data}\n{beginning.model}")
        for note in self.notes:
            self.console.print(f"note: {note}")
        self.console.print(f"\n{beginning.space}\n")
        expected = f"about {duration(beginning.seconds)} in all"
        self.console.print(f"{beginning.study} {told} {beginning.budget}: {expected}.")

    def tell(self, news: News) -> None:
        """Told after every epoch of a pack."""
        left = f"{duration(news.seconds_left)} left"
        self._bar.update(self._task, completed=news.share, left=left, description=news.doing)
        if self.console.is_terminal:
            self._live.update(Group(self._leaders(news), self._bar))

    def _leaders(self, news: News) -> Table:
        table = Table(box=None, show_header=bool(news.leaders), pad_edge=False, expand=False)
        table.add_column("score", justify="right")
        table.add_column("epoch", justify="right")
        table.add_column("recipe", no_wrap=True, overflow="ellipsis", max_width=64)
        for standing in news.leaders[:SHOWN]:
            table.add_row(f"{standing.score:.4g}", str(standing.epoch), standing.name)
        return table


@contextlib.contextmanager
def resumable(display: Display, storage: str | None) -> Iterator[None]:
    """Whatever ends a study that has begun, what was trained is kept: say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if display.study is None:
            raise
        print(f"dampen: interrupted; what was trained is kept. {_go_on(display.study, storage)}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except DampenError as error:
        if display.study is None:
            raise
        raise DampenError(f"{error} What was trained is kept. {_go_on(display.study, storage)}") from None


def _go_on(study: str, storage: str | None) -> str:
    """storage is not repeated: it may hold a password."""
    return f"Go on: dampen search --resume {study}" + (" with the same --storage." if storage else "")


def recalled(study: str, storage: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the study began with. given: those that were typed now, which must be the same; the data may
    have moved: their fingerprint decides."""
    known = Store(storage).about(study).get("command") or {}
    if not known:
        raise DampenError(f"The study {study!r} must have begun at the command line to go on there; it did not.")
    for name, value in given.items():
        before = known.get(name)
        if name != "data" and value != before:
            option = "--" + name.strip("_").replace("_", "-")
            raise DampenError(
                f"The study {study!r} must go on as it began, with {option} {before}; got {value}. Leave it out, or "
                "begin a new study."
            )
    return {**known, "data": given.get("data", known["data"])}


def spelled(said: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `search` from options."""
    if said["data"] is None:
        raise DampenError("dampen search must be told what data; got none. Try: dampen search digits")
    own = ("budget", "seeds", "sampler", "epochs", "batch_size", "metric", "outer", "seed", "ablation", "data_curve")
    arguments = {name: said[name] for name in own}
    if said["space"] is None:
        return arguments | {
            "preset": said["preset"],
            "always": tuple(said["with_"] or ()),
            "without": tuple(said["without"] or ()),
            "ranges": parse_ranges(said["range_"] or ()),
        }
    narrowed = load_narrowing(said["space"])
    if said["with_"] or said["without"] or said["range_"] or said["preset"] != Narrowing.preset:
        raise DampenError(
            "--space must stand alone; got --preset, --with, --without or --range beside it. Put them in the file."
        )
    ranges = dict(narrowed.ranges)
    return arguments | {
        "preset": narrowed.preset, "always": narrowed.always, "without": narrowed.without, "ranges": ranges,
    }  # fmt: skip


def _unusual(said: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `open_data` that were given."""
    return {name: value for name, value in data_options(said).items() if value != DEFAULTS[name]}


def data_as_typed(said: Mapping[str, Any]) -> str:
    """The data and how they are read, as a command line takes them."""
    told = [str(said["data"])]
    for name, value in _unusual(said).items():
        option = f"--{name.replace('_', '-')}"
        values = value if isinstance(value, list | tuple) else [value]
        told += [option] if value is True else [part for each in values for part in (option, str(each))]
    return shlex.join(told)


def keep(
    result: SearchResult, said: Mapping[str, Any], storage: str | None, out: Path | None, json: Path | None
) -> list[str]:
    """Where recipe and network are, which the search has written beside the study; and whatever was asked for."""
    from ..as_python import snippet
    from ..recipe_file import load_training

    lines = []
    folder = folder_of(storage, result.study)
    recipe, network = folder / RECIPE, folder / MODEL
    if network.exists():
        lines.append(f"The recipe: {recipe}. Train with it: dampen train {data_as_typed(said)} --recipe {recipe}")
        if out is not None:
            shutil.copyfile(network, out)
        lines.append(f"The network: {out or network}. Use it: dampen predict {out or network} DATA --out FILE.csv")
        program = snippet(*load_training(recipe), said["data"], _unusual(said))
        (folder / PROGRAM).write_text(program, encoding="utf-8")
        lines.append(f"In Python, {folder / PROGRAM}:\n\n{textwrap.indent(program, '    ')}")
    else:
        lines.append(f"The network is not here: the process that made the answer wrote it to its own {network}.")
    if json is not None:
        result.save(json)
        lines.append(f"Everything in numbers: {json}")
    where = "" if storage is None else f" --storage {'URL' if '://' in storage else storage}"  # URLs hold passwords
    return [*lines, f"Again: dampen show {result.study}{where}"]
