"""`dampen predict MODEL DATA --out FILE.csv`: what a trained network says of each row."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options


def predict(
    model: Annotated[Path, typer.Argument(help="A file that `dampen train --out` or `dampen.save_model` wrote.")],
    data: Annotated[
        str,
        typer.Argument(
            help="Rows as the network was trained on, with or without the target: a table (.csv, .csv.gz, .parquet), "
            "an .npz file, an image, a folder of images or IDX files, or a built-in data set. Of a series that is "
            "forecast: the table with its last values."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="The CSV file to write: row (from 1), file or the time that is forecast; prediction; the probability "
            "of each class."
        ),
    ],
    skip_broken: options.SkipBroken = False,
) -> None:
    """Predict every row of a file with a trained network."""
    from ..data.unlabelled import open_rows
    from ..prediction import load_model
    from ..words import counted

    options.check_writable(out, "--out")
    _check_apart(out, model, data)
    trained = load_model(model)
    task = trained.signature.task
    rows = open_rows(data, trained.signature, skip_broken)
    outputs = trained.outputs(rows.inputs)
    _write(out, rows, trained, outputs)
    for note in rows.notes:
        print(f"note: {note}")
    count = len(trained.classes)
    what = {"classes": f"one of {count} classes", "labels": f"any of {count} labels"}.get(task, "a number")
    print(f"{counted(len(outputs))} predicted, {what} for each: {out}")


def _check_apart(out: Path, model: Path, data: str) -> None:
    """The answer must not take the place of what it is made from."""
    from ..errors import DampenError

    for name, source in (("MODEL", model), ("DATA", Path(data))):
        if out.exists() and source.exists() and out.samefile(source):
            raise DampenError(f"--out must be a file of its own; got {str(out)!r}, which is {name}. Choose another.")


def _write(out: Path, rows: Any, trained: Any, outputs: Any) -> None:
    """Through a file beside it: what is there stays whole until the new one is."""
    import csv

    from ..errors import DampenError
    from ..writing import whole

    if trained.classes:
        values = trained.probabilities(outputs).tolist()
        header = ["prediction", *(f"probability of {label}" for label in trained.classes)]
        body = ([label, *map(_short, shares)] for label, shares in zip(_named(trained, outputs), values, strict=True))
    else:
        count = outputs.shape[1]
        header = ["prediction"] if count == 1 else [f"prediction {number}" for number in range(1, count + 1)]
        body = (list(map(_short, numbers)) for numbers in outputs.tolist())
    try:
        with whole(out) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([rows.heading, *header])
            writer.writerows([name, *cells] for name, cells in zip(rows.names, body, strict=True))
    except OSError as error:
        raise DampenError(f"--out must be a file that can be written; got {str(out)!r}: {error.strerror}.") from None


def _named(trained: Any, outputs: Any) -> list[str]:
    """The class of each row; of labels those that it has, with semicolons between."""
    if trained.signature.task != "labels":
        return [trained.classes[code] for code in outputs.argmax(-1).tolist()]
    return ["; ".join(itertools.compress(trained.classes, row)) for row in (outputs > 0).tolist()]


def _short(number: float) -> str:
    """As many digits as single precision has."""
    return f"{number:.9g}"
