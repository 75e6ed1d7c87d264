"""Options that several commands share: how data are read, which network trains and how; and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[
    str,
    typer.Argument(
        help="A built-in data set (digits, mnist, fashion-mnist, openml:NAME), a table (.csv, .csv.gz, .parquet), "
        "an .npz file, or a folder of images or IDX files."
    ),
]
Target = Annotated[
    list[str] | None,
    typer.Option(help="The column of a table to predict. Can be repeated: several labels (yes or no), or numbers."),
]
Task = Annotated[str | None, typer.Option(help="classes, labels or numbers, where the target does not tell.")]
Group = Annotated[str | None, typer.Option(help="A column whose groups (patients, users) never stand in two parts.")]
Split = Annotated[str | None, typer.Option(help="A column that says of each row: train, validation (or dev), or test.")]
Time = Annotated[str | None, typer.Option(help="A column of times: the last fifth of the rows judges.")]
Text = Annotated[str | None, typer.Option(help="A column of texts to learn from; the others are left out.")]
Drop = Annotated[list[str] | None, typer.Option(help="A column to leave out. Can be repeated.")]
Categorical = Annotated[
    list[str] | None, typer.Option(help="A column whose numbers are names of categories. Can be repeated.")
]
Categories = Annotated[str, typer.Option(help="How the network sees categories: onehot or embed.")]
Scale = Annotated[str, typer.Option(help="How numbers are scaled: standard, quantile, robust or bins.")]
SkipBroken = Annotated[bool, typer.Option("--skip-broken", help="Leave out images that cannot be read, and say which.")]
Window = Annotated[
    int | None,
    typer.Option(
        help="Forecast the target from so many of its own last values, in the order of --time, else of the file; other "
        "columns are left out."
    ),
]
Horizon = Annotated[int, typer.Option(help="With --window: how many steps ahead.")]
Model = Annotated[
    str | None,
    typer.Option(
        help="The network: mlp, cnn or residual (images), transformer or lstm (texts, series). By default "
        "transformer for texts, else mlp."
    ),
]
Hidden = Annotated[str | None, typer.Option(help="Hidden layers of the mlp; by default 128,128.")]
Metric = Annotated[
    str | None,
    typer.Option(
        help="accuracy, balanced_accuracy or log_loss; of labels label_accuracy, balanced_label_accuracy or "
        "label_log_loss; of numbers r2, mse or mae. By default what fits."
    ),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, ...")]
Precision = Annotated[
    str, typer.Option(help="Of the products: float32, bf16, or auto, whichever is measured to be faster.")
]
Report = Annotated[Path | None, typer.Option(help="Write a page about it to this file (.html or .md), for everybody.")]

Storage = Annotated[
    str | None, typer.Option(help="Where studies are kept: a file, or postgresql://... By default .dampen/studies.db.")
]


def data_options(values: dict[str, Any]) -> dict[str, Any]:
    """The options of `open_data` among a command's own (its `locals()`, or what a study kept of them)."""
    from ..data.open import DEFAULTS

    said = {name: values.get(name) for name in DEFAULTS}
    if isinstance(said["target"], list) and len(said["target"]) == 1:
        said["target"] = said["target"][0]
    return {name: usual if said[name] in (None, []) else said[name] for name, usual in DEFAULTS.items()}


def recipe_of(text: str) -> Any:
    """A recipe from a file whose name ends in .toml, or from text."""
    from ..recipe import load_recipe, parse

    return load_recipe(text) if text.endswith(".toml") else parse(text)


def network_of(model: str | None, hidden: str | None) -> Any:
    """The network of that name; None for what suits the data."""
    from .. import models
    from ..errors import DampenError, NoSuchName

    if hidden is not None:
        if model not in (None, "mlp"):
            raise DampenError(f"--hidden must not be given with --model {model}. Leave it out.")
        return models.MLP(_widths(hidden))
    if model is not None and model not in models.BY_NAME:
        raise NoSuchName("model", model, models.BY_NAME, f"There are {', '.join(models.BY_NAME)}.")
    return None if model is None else models.BY_NAME[model]()


def _widths(text: str) -> tuple[int, ...]:
    from ..errors import DampenError

    try:
        return tuple(int(width) for width in text.split(",") if width.strip())
    except ValueError:
        raise DampenError(f"--hidden must be whole numbers such as 128,128; got {text!r}.") from None


def check_writable(path: Path | None, option: str) -> None:
    """What takes minutes must not end in a file that cannot be written. A file that is there stays as it is."""
    from ..errors import DampenError

    if path is None:
        return
    known = path.exists()
    if known and not (path.is_file() or path.is_dir()):
        raise DampenError(f"{option} must be a plain file; got {str(path)!r}. Name another.")
    try:
        with open(path, "a", encoding="utf-8"):
            pass
    except OSError as error:
        raise DampenError(
            f"{option} must be a file that can be written; got {str(path)!r}: {error.strerror}."
        ) from None
    if not known:
        path.unlink()
