"""A CSV file of 1,000,000 rows and 50 columns: read, and one epoch of a small network, in a process of its own whose
peak memory is measured. 45 columns of real numbers, three of whole ones, one with 20 words, the label; a few empty
cells.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from timing import bar, machine

from dampen import MLP
from dampen.data import open_data
from dampen.training.fit import fit

ROWS, PIECES, BATCH = 1_000_000, 10, 1024
LIMIT = 3.0


def write(path: Path) -> None:
    draw = np.random.default_rng(0)
    with path.open("wb") as file:
        for piece in range(PIECES):
            count = ROWS // PIECES
            reals = draw.standard_normal((count, 45)).astype(np.float32)
            columns = {f"real {i}": reals[:, i] for i in range(45)}
            columns |= {f"whole {i}": draw.integers(0, 1000, count) for i in range(3)}
            columns["word"] = np.array([f"word {i}" for i in range(20)])[draw.integers(0, 20, count)]
            columns["label"] = np.where(reals[:, 0] + reals[:, 1] * reals[:, 2] > 0, "yes", "no")
            frame = pl.DataFrame(columns)
            empty = pl.Series(draw.random(count) < 0.01)
            frame = frame.with_columns(pl.when(~empty).then(pl.col("real 7")).alias("real 7"))
            frame.write_csv(file, include_header=piece == 0, float_precision=5)


def run(path: str, scale: str) -> None:
    """Prints its figures as JSON; in a process of its own."""
    began = time.perf_counter()
    data = open_data(path, target="label", scale=scale)
    loaded, read = time.perf_counter(), _peak()
    fitted = fit(MLP(), data, epochs=1, batch_size=BATCH)
    figures = {
        "scale": scale,
        "rows": len(data.inputs),
        "columns": len(data.schema.columns),
        "read_s": loaded - began,
        "fit_s": time.perf_counter() - loaded,
        "peak_read_gb": read,
        "peak_gb": _peak(),
        "accuracy": fitted.test["metric"],
    }
    print(json.dumps(figures), flush=True)
    (Path(path).parent / "peak").write_text(str(figures["peak_gb"]))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    machine()
    spawn = multiprocessing.get_context("spawn")
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.csv"
        write(path)
        print(f"{ROWS:,} rows, 50 columns, {path.stat().st_size / 1e6:.0f} MB")
        for scale in ("standard", "quantile"):
            child = spawn.Process(target=run, args=(str(path), scale))
            child.start()
            child.join()
            peaks.append(float((Path(folder) / "peak").read_text()))
    bar("big_table_peak_gb", max(peaks), f"<{LIMIT:g}", max(peaks) < LIMIT)


if __name__ == "__main__":
    main()
