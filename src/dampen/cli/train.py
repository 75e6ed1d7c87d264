"""`dampen train DATA --recipe FILE`: one network by one recipe, for use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from . import options


def train(
    data: options.Data,
    recipe: Annotated[
        str,
        typer.Option(
            help="A .toml file, whose [training] says how, or 'Dropout(rate=0.3) + L2', baseline or default. What an "
            "option says goes before what the file says."
        ),
    ],
    target: options.Target = None,
    task: options.Task = None,
    group: options.Group = None,
    time: options.Time = None,
    split: options.Split = None,
    text: options.Text = None,
    drop: options.Drop = None,
    categorical: options.Categorical = None,
    categories: options.Categories = "onehot",
    scale: options.Scale = "standard",
    skip_broken: options.SkipBroken = False,
    window: options.Window = None,
    horizon: options.Horizon = 1,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training part; else 40.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows in a batch; else 64.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides split, initial weights, batches, noise; else 0.")] = None,
    model: options.Model = None,
    hidden: options.Hidden = None,
    metric: options.Metric = None,
    precision: Annotated[
        str | None, typer.Option(help="Of the products: float32, bf16, or auto, whichever is measured to be faster.")
    ] = None,
    device: options.Device = "cpu",
    out: Annotated[
        Path | None, typer.Option(help="Write the network to this file, for `dampen predict` and `dampen.load_model`.")
    ] = None,
) -> None:
    """Train one network and say how good it is."""
    import time as clock

    from rich.console import Console

    from ..data import open_data
    from ..models import network_for
    from ..prediction import save_model
    from ..training import fit
    from .machine import keep_big_blocks
    from .progress import Progress

    reading = options.data_options(locals())
    said = {"epochs": epochs, "batch_size": batch_size, "seed": seed, "metric": metric, "precision": precision}
    said["model"] = options.network_of(model, hidden)
    options.check_writable(out, "--out")
    keep_big_blocks()
    console = Console(highlight=False, soft_wrap=True)
    chosen, settings = _training(recipe, {name: value for name, value in said.items() if value is not None})
    dataset = open_data(data, **reading)
    network, built = settings.model or network_for(dataset), chosen(settings.epochs, dataset.words)
    console.print(f"{dataset.describe()}\n{network!r}; seed: {settings.seed}; epochs: {settings.epochs}\n{built}")
    for note in dataset.notes:
        console.print(f"note: {note}")
    began = clock.perf_counter()

    with Progress(console) as progress:

        def tell(done: int, total: int) -> None:
            progress.tell(done / total, (clock.perf_counter() - began) * (total / done - 1), str(built))

        fitted = fit(network, dataset, built, device=device, watch=tell, **settings.arguments)
    temperature = _temperature(fitted)
    console.print(_scores(fitted, temperature))
    if out is not None:
        save_model(fitted, out, temperature=temperature)
        console.print(f"\nThe network: {out}. Use it: dampen predict {out} DATA --out FILE.csv")


def _training(text: str, said: dict[str, Any]) -> tuple[Any, Any]:
    """(what makes the recipe of the number of epochs and the data's words, the settings)."""
    import dataclasses

    from ..presets import BASELINE, DEFAULT, baseline, default
    from ..recipe import parse
    from ..recipe_file import load_training
    from ..settings import Settings

    if text.endswith(".toml"):
        recipe, settings = load_training(text)
    elif text == DEFAULT:
        return default, Settings(**said)
    else:
        recipe, settings = baseline() if text == BASELINE else parse(text), Settings()
    return lambda _epochs, _words: recipe, dataclasses.replace(settings, **said)


def _temperature(fitted: Any) -> float | None:
    """Fitted on the validation part, where classes are predicted; refuses a training that came to nothing."""
    from ..errors import DampenError
    from ..prediction import temperature

    if fitted.history.outcome == "diverged":
        raise DampenError(
            f"The training must stay finite; it diverged in epoch {len(fitted.history.epochs)}. Nothing is written; "
            "lower the learning rate, optimizer.lr."
        )
    return temperature(fitted) if fitted.problem.data.task == "classes" else None


def _scores(fitted: Any, temperature: float | None) -> str:
    import math

    from ..training.metrics import LOSSES
    from ..words import counted

    metric, task = fitted.problem.metric, fitted.problem.data.task
    loss = LOSSES[task].name
    lines = [f"{'':<12}{metric.name:>18}{loss:>12}"]
    for part in ("validation", "test"):
        scores = getattr(fitted, part)
        lines.append(f"{part:<12}{scores['metric']:>18.4g}{scores['loss']:>12.4g}")
    rows = len(fitted.problem.split(fitted.member.seed).test)
    if task == "numbers":
        told = f"numbers are off by {math.sqrt(fitted.test['loss']):.4g} (root mean square)"
    elif task == "classes" and "accuracy" in metric.name:
        told = f"{int((fitted.test_rows > 0).sum()):,} are classified rightly"
    else:
        told = f"the log loss is {fitted.test['loss']:.4g}"
    sure = "" if temperature is None else f"\nProbabilities are made honest by a temperature of {temperature:.3g}."
    epochs = counted(len(fitted.history.epochs), "epoch")
    sentence = f"On the test part, {rows:,} rows that it never saw, {told}.{sure}"
    return "\n".join(["", *lines, "", sentence, f"{epochs} in {fitted.history.seconds:.1f} s."])
