"""Every set of ../shared/data: read by one call, held against index.json, trained for one epoch.

Without arguments all of them; with arguments those whose name contains one of them.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timing import bar, machine

from dampen import Dataset, fit
from dampen.data.open import open_data
from dampen.models import network_for

SHARED = Path(__file__).parents[2] / "shared" / "data"
BATCH_SIZE = 256
OPTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "tabular": lambda wanted: {"target": "target", "categorical": wanted["categorical"]},
    "text": lambda wanted: {"target": "target", "text": "text"},
}


def main() -> None:
    machine()
    entries = json.loads((SHARED / "index.json").read_text())["files"]
    sets = [wanted for wanted in _sets(entries) if not sys.argv[1:] or any(a in wanted["name"] for a in sys.argv[1:])]
    if not sets:
        sys.exit(f"No set of {SHARED} has a name with one of {sys.argv[1:]}.")
    wrong = 0
    for wanted in sets:
        options = OPTIONS.get(wanted["kind"], lambda _: {})(wanted)
        began = time.perf_counter()
        data = open_data(SHARED / wanted["file"], **options)
        read = time.perf_counter() - began
        odd = _differences(data, wanted)
        began = time.perf_counter()
        score = _trained(data)
        trained = time.perf_counter() - began
        if not math.isfinite(score):
            odd.append(f"loss {score}")
        wrong += bool(odd)
        print(f"  {data.describe()[:72]:<72} read {read:6.2f} s   epoch {trained:6.2f} s   loss {score:7.3f}   "
              f"{'; '.join(odd) or 'as in the index'}")  # fmt: skip
    bar("every_set", len(sets) - wrong, f"=={len(sets)} sets as in the index and trained", wrong == 0)


def _sets(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry a set: the IDX files of a folder are one, with the rows of both parts."""
    sets = []
    for entry in entries:
        test_rows = (
            None if entry["kind"] == "text" else entry.get("splits", {}).get("test")
        )  # texts name it in a column
        wanted = {"file": entry["file"], "categorical": (), "test_rows": test_rows, **entry}
        if entry["file"].endswith("-images-idx3-ubyte.gz"):
            if not Path(entry["file"]).name.startswith("train"):
                continue
            test = next(e for e in entries if e["file"] == entry["file"].replace("train-", "t10k-"))
            wanted |= {"file": str(Path(entry["file"]).parent), "rows": entry["rows"] + test["rows"]}
            wanted["test_rows"] = test["rows"]
        elif entry["file"].endswith("-ubyte.gz"):
            continue
        elif entry["name"] == "cifar10-jpeg":
            wanted["test_rows"] = 10_000
        sets.append(wanted)
    return sets


def _differences(data: Dataset, wanted: dict[str, Any]) -> list[str]:
    """What is not as the index says: rows, columns, classes and their counts, test rows."""
    counts = dict(zip(data.classes, data.targets.sum(0).int().tolist(), strict=True))
    told = {
        "rows": (len(data.inputs), wanted["rows"]),
        "columns": (_columns(data), _wanted_columns(wanted)),
        "classes": (len(data.classes), wanted["classes"]),
        "counts": (counts, wanted.get("class_counts", counts)),
        "test rows": (None if data.test_rows is None else len(data.test_rows), wanted["test_rows"]),
    }
    return [f"{name} {got}, not {should}" for name, (got, should) in told.items() if got != should]


def _columns(data: Dataset) -> Any:
    if data.num_tokens:
        return "text"
    schema = getattr(data, "schema", None)
    if schema is not None:
        return len(schema.columns)
    return data.input_shape if len(data.input_shape) > 1 else data.input_shape[0]


def _wanted_columns(wanted: dict[str, Any]) -> Any:
    """The features of the index: a number, 28x28 pixels, 32x32x3, or 1x24 (channels x length); of texts "text"."""
    if isinstance(wanted["features"], int) or wanted["kind"] == "text":
        return wanted["features"]
    sides = [int(side) for side in wanted["features"].split(",")[0].split()[0].split("x")]
    if wanted["kind"] == "timeseries":
        return tuple(sides)
    return (sides[2], *sides[:2]) if len(sides) == 3 else (1, *sides)


def _trained(data: Dataset) -> float:
    """The validation loss after one epoch of one network, the one that suits, over all rows of the training part."""
    fitted = fit(network_for(data), data, epochs=1, batch_size=BATCH_SIZE)
    return float(fitted.history.epochs[-1]["val_loss"])


if __name__ == "__main__":
    main()
