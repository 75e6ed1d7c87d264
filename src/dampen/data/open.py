"""One door for data: a built-in name, a file or a folder becomes a data set."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DampenError
from .dataset import BUILT_IN, Dataset, load
from .fetch import KNOWN, OPENML, fetch
from .reading import is_table
from .tables import load_table

DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("target", "task", "group", "time", "split", "text")),
    **dict.fromkeys(("drop", "categorical"), ()),
    "categories": "onehot",
    "scale": "standard",
    "skip_broken": False,
    "window": None,
    "horizon": 1,
}
OF_WINDOWS = frozenset({"target", "task", "time", "window", "horizon"})
OF_TABLES = frozenset(DEFAULTS) - {"skip_broken", "window", "horizon"}
OF_IMAGES = frozenset({"skip_broken"})


def open_data(
    source: str | Path,
    *,
    target: str | Sequence[str] | None = None,
    task: str | None = None,
    group: str | None = None,
    time: str | None = None,
    split: str | None = None,
    text: str | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    categories: str = "onehot",
    scale: str = "standard",
    skip_broken: bool = False,
    window: int | None = None,
    horizon: int = 1,
) -> Dataset:
    """A data set from its name (digits, mnist, fashion-mnist, openml:NAME), a table (.csv, .tsv, also .gz; .parquet),
    an archive (.npz), a folder of IDX files, of images, or of train.csv and test.csv.

    The options of tables are those of `load_table`. window: forecast the target, numbers in the order of time, from so
    many values of its own past, `horizon` steps ahead (`load_windows`). skip_broken: leave out images that cannot be
    read. Raises `DampenError` where there is no such thing, or an option does not suit it.
    """
    options = dict(
        target=target, task=task, group=group, time=time, split=split, text=text, drop=tuple(drop),
        categorical=tuple(categorical), categories=categories, scale=scale, skip_broken=skip_broken, window=window,
        horizon=horizon,
    )  # fmt: skip
    name, path = str(source), Path(source)
    if name in BUILT_IN:
        _check_suits(options, (), f"the data set {name}")
        return load(name)
    if name in KNOWN or name.startswith(OPENML):
        _check_suits(options, (), f"the data set {name}")
        return fetch(name)
    if not path.exists():
        raise missing(name, path)
    return _folder(path, options) if path.is_dir() else _file(path, options)


def _file(path: Path, options: Mapping[str, Any]) -> Dataset:
    if path.suffix.lower() == ".npz":
        from .archives import load_npz

        _check_suits(options, (), "an archive of arrays")
        return load_npz(path)
    if not is_table(path):
        raise DampenError(
            f"DATA must be a table (.csv, .tsv, .gz, .parquet), an .npz file or a folder; got {path}. Save a sheet as "
            ".csv, arrays X and y with np.savez."
        )
    return _table(path, options)


def _folder(path: Path, options: Mapping[str, Any]) -> Dataset:
    from .idx import holds_idx, load_idx

    files = {file.name.lower(): file for file in path.iterdir() if file.is_file()}
    if holds_idx(path):
        _check_suits(options, (), "a folder of IDX files")
        return load_idx(path)
    train, test = _part(files, "train"), _part(files, "test")
    if train and test and options["target"] is not None:
        return _table(train, options, test=test)
    from .images import load_images

    _check_suits(options, OF_IMAGES, "a folder of images")
    return load_images(path, labels=train, skip_broken=options["skip_broken"])


def _table(path: Path, options: Mapping[str, Any], **more: Any) -> Dataset:
    if options["window"] is not None:
        return _series(path, options, **more)
    if options["horizon"] != DEFAULTS["horizon"]:
        raise DampenError(
            f"--horizon must be given with --window; got {options['horizon']} alone. Give both or neither."
        )
    _check_suits(options, OF_TABLES, "a table")
    return load_table(path, **{name: options[name] for name in OF_TABLES}, **more)


def _series(path: Path, options: Mapping[str, Any], **more: Any) -> Dataset:
    from .windows import load_windows

    if more:
        raise DampenError("A series must stand in one table; got train.csv and test.csv. Put one below the other.")
    _check_suits(options, OF_WINDOWS, "--window")
    if options["task"] not in (None, "numbers"):
        raise DampenError(
            f"--window must be given with numbers to forecast; got --task {options['task']}. Leave it out."
        )
    return load_windows(path, **{name: options[name] for name in OF_WINDOWS - {"task"}})


def _part(files: Mapping[str, Path], part: str) -> Path | None:
    return next((files[part + end] for end in (".csv", ".csv.gz", ".parquet") if part + end in files), None)


def _check_suits(options: Mapping[str, Any], allowed: Any, what: str) -> None:
    odd = [name for name, value in options.items() if value != DEFAULTS[name] and name not in allowed]
    if odd:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in odd)
        raise DampenError(f"{flags} must not be given with {what}. Leave {'it' if len(odd) == 1 else 'them'} out.")


def missing(name: str, path: Path) -> DampenError:
    beside = [str(path.parent / file.name) for file in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(name, [*BUILT_IN, *KNOWN, *beside], n=1, cutoff=0.6)
    offer = f" Did you mean {near[0]!r}?" if near else f" Built in: {', '.join((*BUILT_IN, *KNOWN))}."
    return DampenError(f"DATA must be a built-in name, a file or a folder; got {name!r}, which does not exist.{offer}")
