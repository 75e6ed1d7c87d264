"""`dampen search DATA`: which cocktail is best within a budget, and is it more than luck?"""

from __future__ import annotations

import time as clock
from pathlib import Path
from typing import Annotated

import typer

from . import options

BEGAN = clock.perf_counter()
"""A budget in seconds counts from the command's start: this module is among the first that it imports."""


def search(
    context: typer.Context,
    data: Annotated[
        str | None,
        typer.Argument(help="As for `dampen compare`; with --resume it may be left out: the study knows."),
    ] = None,
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
    budget: Annotated[
        str,
        typer.Option(
            help="5m (time), 64 (configurations) or 40x (trainings' worth of epochs). Time and trainings hold "
            "everything, confirmation included."
        ),
    ] = "64",
    seeds: Annotated[
        int, typer.Option(help="Fresh seeds per recipe that is confirmed; at least 6 can tell, 12 see more.")
    ] = 12,
    preset: Annotated[
        str, typer.Option(help="What may be switched on: quick, cocktail (thirteen of Kadra et al.) or all.")
    ] = "quick",
    with_: Annotated[
        list[str] | None, typer.Option("--with", help="A technique that is on in every configuration. Can be repeated.")
    ] = None,
    without: Annotated[list[str] | None, typer.Option(help="A technique to leave out. Can be repeated.")] = None,
    range_: Annotated[
        list[str] | None,
        typer.Option("--range", help="The range of a strength: MixUp.alpha=0.1:0.5. Can be repeated."),
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="A TOML file with preset, with, without and [range] instead of these options.")
    ] = None,
    sampler: Annotated[str, typer.Option(help="tpe, random or grid.")] = "tpe",
    epochs: Annotated[int, typer.Option(help="Passes over the training part of a whole training.")] = 40,
    batch_size: Annotated[int, typer.Option(help="Rows in a batch.")] = 64,
    model: options.Model = None,
    hidden: options.Hidden = None,
    metric: options.Metric = None,
    outer: Annotated[int, typer.Option(help="Which fifth of the rows is the test part that no search sees.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the search.")] = 0,
    ablation: Annotated[
        bool, typer.Option(help="Take the winner apart: what is each of its ingredients worth?")
    ] = True,
    data_curve: Annotated[
        bool, typer.Option("--data-curve", help="Train on shares of the data, too: would more data help?")
    ] = False,
    study: Annotated[str | None, typer.Option(help="A name for the study; by default study-1, study-2, ...")] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with the study of this name.")] = None,
    storage: options.Storage = None,
    out: Annotated[Path | None, typer.Option(help="Write the trained network to this file (.safetensors).")] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON to this file.")] = None,
    report: options.Report = None,
    device: options.Device = "cpu",
    precision: options.Precision = "auto",
) -> None:
    """Find the best cocktail of techniques within a budget, and say whether its gain is real."""
    from rich.console import Console

    from ..data import open_data
    from ..models import network_for
    from ..study.found import SearchResult
    from ..study.search import search as run
    from .machine import keep_big_blocks
    from .searching import Display, keep, recalled, resumable, spelled

    options.check_writable(json, "--json")
    options.check_writable(out, "--out")
    options.check_writable(report, "--report")
    keep_big_blocks()
    console = Console(highlight=False, soft_wrap=True)
    typed = {n: str(v) if isinstance(v, Path) else v for n, v in locals().items() if n in TYPED}
    sources = {name: context.get_parameter_source(name) for name in TYPED}
    given = {name: typed[name] for name, source in sources.items() if source and source.name == "COMMANDLINE"}
    said = recalled(resume, storage, given) if resume else typed
    settings = spelled(said)
    dataset = open_data(said["data"], **options.data_options(said))
    network = options.network_of(said["model"], said["hidden"]) or network_for(dataset)
    display = Display(console, dataset.notes)
    with resumable(display, storage), display:
        result: SearchResult = run(
            network,
            dataset,
            **settings,
            study=resume or study,
            resume=resume is not None,
            storage=storage,
            command=said,
            device=device,
            precision=precision,
            began=BEGAN,
            on_begin=display.begin,
            watch=display.tell,
        )
    console.print(f"\n{result}\n")
    for line in keep(result, said, storage, out, json):
        console.print(line)
    if report is not None:
        from ..reporting.page import report as write

        write(result, report)
        console.print(f"The report: {report}")


TYPED = (
    *("data", "target", "task", "group", "time", "split", "text", "drop", "categorical", "categories", "scale"),
    *("skip_broken", "window", "horizon"),
    *("budget", "seeds", "preset", "with_", "without", "range_", "space", "sampler", "epochs", "batch_size", "model"),
    *("hidden", "metric", "outer", "seed", "ablation", "data_curve"),
)
"""Options that a study keeps, so that it goes on without them."""
