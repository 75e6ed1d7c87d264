"""`dampen compare DATA`: does each technique help, and is it more than luck?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from . import options


def compare(
    data: options.Data,
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
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            help="What to compare with the baseline: 'Dropout(rate=0.3) + L2', a .toml file, or all for every "
            "technique that suits the data. Can be repeated; by default the best-known ones that suit."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Trainings per recipe, paired; at least 6 can tell, 12 see more.")] = 12,
    epochs: Annotated[int, typer.Option(help="Passes over the training part.")] = 40,
    batch_size: Annotated[int, typer.Option(help="Rows in a batch.")] = 64,
    model: options.Model = None,
    hidden: options.Hidden = None,
    metric: options.Metric = None,
    tune_lr: Annotated[
        bool, typer.Option("--tune-lr", help="Try three learning rates per recipe, chosen on validation.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON to this file.")] = None,
    report: options.Report = None,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Print which trainings are packed together, how each pack runs, and the times this rests on.",
        ),
    ] = False,
    device: options.Device = "cpu",
    precision: options.Precision = "auto",
) -> None:
    """Train with and without each technique, over paired seeds, and judge the difference."""
    from rich.console import Console

    from ..data import open_data
    from ..models import network_for
    from ..study.compare import compare as run
    from .machine import keep_big_blocks
    from .progress import Progress

    reading = options.data_options(locals())
    options.check_writable(json, "--json")
    options.check_writable(report, "--report")
    keep_big_blocks()
    console = Console(highlight=False, soft_wrap=True)
    chosen = options.network_of(model, hidden)
    dataset = open_data(data, **reading)
    network = chosen or network_for(dataset)

    def begin(made: Any) -> None:
        console.print(f"{dataset.describe()}\n{network!r}; seeds: {seeds}; epochs: {epochs}")
        for note in dataset.notes:
            console.print(f"note: {note}")
        if plan:
            console.print(f"\n{made}")

    with Progress(console) as progress:
        comparison = run(
            network,
            dataset,
            [_recipe(text) for text in recipe] if recipe else None,
            seeds=seeds,
            epochs=epochs,
            batch_size=batch_size,
            metric=metric,
            tune_lr=tune_lr,
            device=device,
            precision=precision,
            watch=progress.tell,
            on_plan=begin,
        )
    console.print()
    _print(console, comparison)
    if not recipe:
        console.print("\nThese are the best-known techniques; --recipe all tries every one that suits.")
    if json is not None:
        comparison.save(json)
        console.print(f"\nEverything in numbers: {json}")
    if report is not None:
        from ..reporting.page import report as write

        write(comparison, report)
        console.print(f"\nThe report: {report}")


def _recipe(text: str) -> Any:
    """A ready-made recipe by its name, or a file or text."""
    from ..presets import ALL, BASELINE, DEFAULT

    return text if text in (BASELINE, DEFAULT, ALL) else options.recipe_of(text)


def _print(console: Any, comparison: Any) -> None:
    from rich.text import Text

    styles = {"real gain": "bold green", "harmful": "bold red"}
    for line in str(comparison).splitlines():
        text = Text(line)
        for word, style in styles.items():
            if line.endswith(word):
                text.stylize(style, len(line) - len(word))
        console.print(text)
