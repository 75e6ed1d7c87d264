"""Data sets that are fetched: MNIST, Fashion-MNIST, and any table of OpenML, through scikit-learn into its cache."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.error import URLError

import numpy as np

from ..errors import DampenError, first_line
from ..words import size
from .dataset import Dataset, from_arrays
from .files import LARGEST_BYTES, check_unpacked

if TYPE_CHECKING:
    from polars import Series

OPENML = "openml:"
_TITLE = re.compile(r"(?!.*\.\.)[\w.()+,-]+")
"""No slashes: the name becomes part of a path in the cache."""


class Known(NamedTuple):
    """number: on OpenML. sha256: of all pixels, then all labels, as bytes; the same as in the original IDX files."""

    number: int
    megabytes: int
    sha256: str
    num_train: int = 60_000
    shape: tuple[int, int, int] = (1, 28, 28)


KNOWN = {
    "mnist": Known(554, 15, "c2069063c1105f2bf96266aef1ff68c6e13bdda7a54e37bf19c16f1db24efc83"),
    "fashion-mnist": Known(40996, 36, "2cbc59191665e1ba3f2494648f17edac5974f748ab89fb2ae05597d658161f54"),
}


def fetch(name: str, data_home: str | Path | None = None) -> Dataset:
    """mnist or fashion-mnist as uint8 images with their own test part (the last 10,000 rows), or `openml:NAME` or
    `openml:NUMBER`, a table with the target that OpenML states.

    What comes is kept in scikit-learn's cache (`data_home`), so that the next time needs no network. OpenML's md5 is
    checked by scikit-learn, the two image sets against the original files as well. Raises `DampenError` where the
    network does not answer or a checksum differs, saying what to do.
    """
    known, title = KNOWN.get(name), name.removeprefix(OPENML)
    if not known and not (name.startswith(OPENML) and _TITLE.fullmatch(title)):
        raise DampenError(f"A fetched data set must be {', '.join(KNOWN)} or openml:NAME; got {name!r}.")
    bunch = _bunch(name, str(known.number) if known else title, data_home)
    return _images(name, bunch.data, bunch.target) if known else _table(name, bunch)


def _bunch(name: str, title: str, data_home: str | Path | None) -> Any:
    """What scikit-learn makes of it, by number or name: numbers, categories as codes, targets."""
    from sklearn.datasets import fetch_openml, get_data_home

    which = {"data_id": int(title)} if title.isdecimal() else {"name": title}
    try:
        home = Path(get_data_home(data_home))
        with _told(name, home), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of every retry; which version came is a note
            return fetch_openml(
                **which, as_frame=False, parser="liac-arff", data_home=home, n_retries=1
            )  # the parser that needs no pandas
    except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
        why = first_line(getattr(error, "reason", None) or error)
        raise DampenError(f"{name} cannot be fetched: OpenML does not answer ({why}). {_elsewhere(name)}") from None
    except OSError as error:
        raise DampenError(
            f"{name} must be kept in scikit-learn's cache; {first_line(error)}. Let SCIKIT_LEARN_DATA name a folder "
            "that can be written."
        ) from None
    except ValueError as error:
        raise DampenError(f"{name} cannot be fetched: {first_line(error).rstrip('.')}. {_elsewhere(name)}") from None


def _elsewhere(name: str) -> str:
    if name in KNOWN:
        return (
            "Put train-images-idx3-ubyte.gz and its three companions in a folder and give that folder instead of the "
            "name."
        )
    return "Download it as CSV from https://www.openml.org and give the file instead of the name."


def _images(name: str, pixels: np.ndarray, labels: np.ndarray) -> Dataset:
    """pixels (R, 784) and labels (R,) as OpenML has them: the training part, then the test part."""
    known = KNOWN[name]
    images = pixels.astype(np.uint8).reshape(-1, *known.shape)
    codes = labels.astype(np.uint8)
    if hashlib.sha256(images.tobytes() + codes.tobytes()).hexdigest() != known.sha256:
        raise DampenError(f"{name} from OpenML differs from the original files. {_elsewhere(name)}")
    cut = known.num_train
    return from_arrays(images[:cut], codes[:cut], images[cut:], codes[cut:], name=name)


def _table(name: str, bunch: Any) -> Dataset:
    """Through a Parquet file that lives for a moment: what a table is, its reader alone decides."""
    import polars as pl

    from .tables import load_table

    if bunch.target is None or np.ndim(bunch.target) != 1:
        raise DampenError(f"{name} must state one target column on OpenML; it does not. {_elsewhere(name)}")
    target, categories = bunch.target_names[0], bunch.categories or {}
    columns = [_column(title, values, categories.get(title)) for title, values in _values(name, bunch)]
    columns.append(_column(target, bunch.target, None))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.parquet")
        pl.DataFrame(columns).write_parquet(path)
        data = load_table(path, target=target, categorical=tuple(c for c in bunch.feature_names if c in categories))
    note = f"OpenML's data set {bunch.details['id']}, version {bunch.details['version']}; target: {target}."
    return dataclasses.replace(data, name=bunch.details["name"], notes=(*data.notes, note))


def _values(name: str, bunch: Any) -> Iterator[tuple[str, np.ndarray]]:
    """(name, values) of every column."""
    values = bunch.data
    if not isinstance(values, np.ndarray):  # sparse
        check_unpacked(name, LARGEST_BYTES, 8 * values.shape[0] * values.shape[1])
        values = values.toarray()
    yield from zip(bunch.feature_names, values.T, strict=True)


def _column(title: str, values: np.ndarray, names: list | None) -> Series:
    """Codes of categories become their names again; what is not known becomes null."""
    import polars as pl

    if names is not None:
        return pl.Series(title, [None if np.isnan(value) else names[int(value)] for value in values], dtype=pl.String)
    if values.dtype == object:
        return pl.Series(title, [None if value is None else str(value) for value in values], dtype=pl.String)
    return pl.Series(title, np.ascontiguousarray(values, dtype=float), nan_to_null=True)


@contextmanager
def _told(name: str, home: Path) -> Iterator[None]:
    """Say on stderr what is fetched and, on a terminal, how much has come; silent where all is in the cache."""
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(name, home, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(name: str, home: Path, done: threading.Event) -> None:
    before, shown = _stored(home), False
    how_much = f", about {KNOWN[name].megabytes} MB" if name in KNOWN else ""
    while not done.wait(0.5):
        come = _stored(home) - before
        if come <= 0 and not shown:
            continue
        if not shown:
            print(f"Fetching {name} from OpenML into {home}{how_much} ...", file=sys.stderr)
            shown = True
        if sys.stderr.isatty():
            print(f"\r  {size(come):>8}", end="", file=sys.stderr, flush=True)
    if shown and sys.stderr.isatty():
        print(file=sys.stderr)


def _stored(home: Path) -> int:
    """Bytes in the cache, half-finished downloads included."""
    total = 0
    for path in (home / "openml").rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # moved to its place meanwhile
            continue
    return total
