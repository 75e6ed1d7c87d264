"""`dampen diagnose LOG`: what a training's curves tell, and what to try."""

from __future__ import annotations

import contextlib
import json as json_text
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import DampenError
from . import options

if TYPE_CHECKING:
    from ..diagnosis import Diagnosis
    from ..history import History

POLL = 1.0
"""Seconds between two looks at a file that grows."""
FEWEST = 2


def diagnose(
    log: Annotated[
        str,
        typer.Argument(
            help="A CSV or JSON file (Keras, Lightning, Transformers, a loop of your own), TensorBoard events or a "
            "folder of them, what --json of compare or search wrote, or a study's name."
        ),
    ],
    storage: options.Storage = None,
    json: Annotated[str | None, typer.Option(help="Write the findings as JSON to this file; - prints them.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow a training that runs, until Ctrl-C.")] = False,
) -> None:
    """Read a training's log and say what is wrong with it; exit code 0 healthy, 1 findings, 2 unreadable."""
    target = None if json in (None, "-") else Path(json)
    options.check_writable(target, "--json")
    if watch:
        if json == "-":
            raise DampenError("--json must be a file with --watch, which prints epochs; got '-'. Name a file.")
        diagnoses = _follow(Path(log))
    else:
        diagnoses = _diagnosed(log, storage)
        if json != "-":
            _print(diagnoses)
    if json is not None:
        _write(diagnoses, target)
    raise typer.Exit(0 if all(found.healthy for found in diagnoses.values()) else 1)


def _diagnosed(log: str, storage: str | None) -> dict[str, Diagnosis]:
    from ..diagnosis import diagnose_answer
    from ..diagnosis.logs import read_any

    found = read_any(log, storage)
    return _of_histories(found) if isinstance(found, dict) else diagnose_answer(found)


def _of_histories(histories: dict[str, list[History]]) -> dict[str, Diagnosis]:
    """Runs of a folder that have hardly begun are left out; raises `DampenError` where no other is there."""
    from ..diagnosis import diagnose as diagnosis_of

    diagnoses = {n: diagnosis_of(each) for n, each in histories.items() if len(each[0].epochs) >= FEWEST}
    if not diagnoses:
        most = max(((len(each[0].epochs), each[0].source) for each in histories.values()), default=(0, ""))
        raise DampenError(f"{most[1]!r} must have at least {FEWEST} epochs; got {most[0]}. Train on.")
    return diagnoses


def _print(diagnoses: dict[str, Diagnosis]) -> None:
    """A lone diagnosis whole; of several those with findings."""
    shown = {name: found for name, found in diagnoses.items() if len(diagnoses) == 1 or not found.healthy}
    parts = [f"{name}\n{'-' * len(name)}\n{found}" if name else str(found) for name, found in shown.items()]
    if parts:
        print("\n\n".join(parts))
    if len(diagnoses) > len(shown):
        print(f"Nothing is found in {', '.join(name for name in diagnoses if name and name not in shown)}.")


def _write(diagnoses: dict[str, Diagnosis], target: Path | None) -> None:
    """One record of a lone training, else one by name; strict JSON."""
    from ..writing import whole

    records = {name: found.to_record() for name, found in diagnoses.items()}
    record = records[""] if list(records) == [""] else {"kind": "dampen diagnoses", "version": 1, "diagnoses": records}
    text = json_text.dumps(record, allow_nan=False, indent=1)
    if target is None:
        print(text)
        return
    with whole(target) as path:
        path.write_text(text + "\n", encoding="utf-8")
    print(f"Everything in numbers: {target}")


# ------------------------------------------------------------------ --watch


def _follow(log: Path) -> dict[str, Diagnosis]:
    """Until Ctrl-C a line per new epoch, and the findings whenever other ones are there. The last diagnoses; raises
    `DampenError` where there is none."""
    diagnoses: dict[str, Diagnosis] = {}
    told: dict[str, int] = {}
    wrong = DampenError(f"{log.name!r} must have been read before the end; it was not there.")
    with contextlib.suppress(KeyboardInterrupt):
        print(f"Following {log}; Ctrl-C ends.", flush=True)
        for histories in _changes(log):
            if isinstance(histories, DampenError):  # half written, or not yet begun
                wrong = histories
                continue
            _tell_epochs(histories, told)
            before = {name: _kinds(found) for name, found in diagnoses.items()}
            try:
                diagnoses = _of_histories(histories)
            except DampenError as error:
                wrong = error
                continue
            changed = {name: found for name, found in diagnoses.items() if _kinds(found) != before.get(name)}
            if changed:
                _print(changed)
            sys.stdout.flush()
    if not diagnoses:
        raise wrong
    return diagnoses


def _changes(log: Path) -> Iterator[dict[str, list[History]] | DampenError]:
    """What is in a log now and whenever it has changed, or why it cannot be read; it need not be there yet."""
    from ..diagnosis.logs import read_log

    seen = None
    while True:
        stamp = _stamp(log)
        if stamp and stamp != seen:
            seen = stamp
            try:
                yield read_log(log, growing=True)
            except DampenError as error:
                yield error
            except OSError as error:  # taken away at this moment
                yield DampenError(str(error))
        time.sleep(POLL)


def _stamp(log: Path) -> list[tuple[str, int, int]]:
    """Changes whenever a file, or one below a folder, does; empty where there is none."""
    found = []
    with contextlib.suppress(OSError):
        for path in sorted(log.rglob("*")) if log.is_dir() else [log]:
            about = path.stat()
            found.append((str(path), about.st_mtime_ns, about.st_size))
    return found


def _tell_epochs(histories: dict[str, list[History]], told: dict[str, int]) -> None:
    for name, each in histories.items():
        history = each[0]
        for index in range(told.get(name, 0), len(history.epochs)):
            print(f"{name}  " * bool(name) + f"epoch {index + 1:>4}  {_in_words(history, history.epochs[index])}")
        told[name] = len(history.epochs)
    sys.stdout.flush()


def _in_words(history: History, epoch: dict[str, float]) -> str:
    shown = {"train_loss": "train loss", "val_loss": "val loss"}
    shown |= {"train_metric": f"train {history.metric}", "val_metric": f"val {history.metric}"}
    values = {label: epoch[field] for field, label in shown.items() if field in epoch}
    return "  ".join(f"{label} {value:.4g}" for label, value in values.items())


def _kinds(found: Diagnosis) -> list[tuple[str, str]]:
    return [(finding.kind, finding.severity) for finding in found.findings]
