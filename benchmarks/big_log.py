"""`read_log` of CSV files of 2 GB, each in a process of its own whose peak memory is measured: one of steps, with
validation once per epoch, and one with training and validation in every row, which is added up per epoch.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from dampen.diagnosis.logs import read_log

BYTES, PIECE, EPOCHS = 2.02e9, 1_000_000, 50
MOST_MEMORY = 1.0
"""GB."""


def write(path: Path, dense: bool) -> int:
    """The number of rows."""
    draw, rows = np.random.default_rng(0), 0
    total = int(BYTES / (47.6 if dense else 36.7))
    per_epoch = total // EPOCHS
    with path.open("wb") as file:
        while rows < total:
            step = np.arange(rows, rows + PIECE)
            loss = draw.random(PIECE)
            measured = step % per_epoch == per_epoch - 1
            columns = {"epoch": step // per_epoch, "step": step, "train_loss": loss, "learning_rate": loss / 100}
            val_loss = (
                pl.Series(loss + 0.1) if dense else pl.Series(np.where(measured, loss + 0.1, np.nan)).fill_nan(None)
            )
            frame = pl.DataFrame({**columns, "val_loss": val_loss})
            frame.write_csv(file, include_header=rows == 0, float_precision=9)
            rows += PIECE
    return rows


def measure(path: str, answers: multiprocessing.Queue[tuple[float, float, int]]) -> None:
    began = time.perf_counter()
    history = read_log(path)[""][0]
    seconds = time.perf_counter() - began
    answers.put((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, len(history.epochs)))


def main() -> None:
    from timing import bar, machine  # here: the measured process shall not load torch

    machine()
    spawn = multiprocessing.get_context("spawn")
    for dense in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "steps.csv"
            rows = write(path, dense)
            answers = spawn.Queue()
            process = spawn.Process(target=measure, args=(str(path), answers))
            process.start()
            seconds, memory, looks = answers.get()
            process.join()
            kind = "both in every row" if dense else "validation per epoch"
            size = path.stat().st_size / 1e9
            print(f"{kind}: {size:.2f} GB, {rows:,} rows, {looks} looks: {seconds:.1f} s, peak {memory:.2f} GB")
            assert looks in (EPOCHS, EPOCHS + 1)
            bar(f"big_log_{'dense' if dense else 'sparse'}_peak_gb", memory, f"<{MOST_MEMORY:g}", memory < MOST_MEMORY)


if __name__ == "__main__":
    main()
