"""Which cocktail of techniques, at which strengths, is best within a budget, and is that more than luck?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from ..data.dataset import as_dataset
from ..data.split import with_outer
from ..errors import DampenError
from ..evidence.verdict import USUAL_SEEDS
from ..models import network_for
from ..recipe import Recipe
from ..settings import BATCH_SIZE, EPOCHS, check_outer, check_seed
from ..training.problem import Problem, as_device, check_fits
from . import leases
from .answer import answer
from .batch import Scene
from .budget import CONFIRMATION_SHARE, Budget, affordable, parse_budget, smallest_trainings, too_small
from .confirmation import fresh_seeds
from .curve import check_shares
from .found import SearchResult
from .halving import Course
from .identity import check_same, identity, new_name
from .pace import Pace
from .packing import Packing, measured_packing
from .sampling import check_sampler
from .space import Narrowing, Space, space_of
from .store import Store
from .worker import Besides, News, Worker


class Beginning(NamedTuple):
    """study: its name. seconds: what all of it is expected to take. space: what may be chosen. resumed: whether it
    goes on."""

    study: str
    data: str
    model: str
    seconds: float
    space: Space
    budget: Budget
    resumed: bool


def search(
    model: Callable[..., nn.Module] | None = None,
    data: Any = "digits",
    *,
    budget: Any = 64,
    seeds: int = USUAL_SEEDS,
    epochs: int = EPOCHS,
    batch_size: int = BATCH_SIZE,
    metric: str | None = None,
    preset: str = "quick",
    always: Sequence[str] = (),
    without: Sequence[str] = (),
    ranges: Mapping[str, tuple[float, float]] | None = None,
    sampler: str = "tpe",
    outer: int = 0,
    seed: int = 0,
    ablation: bool = True,
    data_curve: bool = False,
    study: str | None = None,
    resume: bool = False,
    storage: str | Path | None = None,
    command: Mapping[str, Any] | None = None,
    device: str = "cpu",
    precision: str = "auto",
    began: float | None = None,
    on_begin: Callable[[Beginning], None] | None = None,
    watch: Callable[[News], None] | None = None,
) -> SearchResult:
    """Search techniques and strengths on validation, then put the best to the test under fresh seeds.

    model, data: as for `compare`. budget: 64 (configurations), "40x" (trainings' worth of epochs), "5m" (time); the
    last two hold everything, confirmation included. seeds: fresh ones per recipe that is confirmed. preset: quick,
    cocktail or all; always, without: names of techniques; ranges: {"MixUp.alpha": (0.1, 0.5)}. sampler: tpe, random,
    grid. ablation: whether the winner is taken apart; data_curve: whether it is trained on shares of the data, too.
    outer: which fifth of the rows is the test part; no search sees it. seed: of the search.
    study, storage: its name, and a path or a postgresql:// URL (.dampen/studies.db); resume: go on with the study of
    that name, also beside other processes that work on it. command: what a command line keeps with it.
    began: when the budget's time began, by time.perf_counter.

    Raises `DampenError` where model, data, space and budget do not fit together, or the study is another's.
    """
    pace = Pace(time.perf_counter() if began is None else began)
    asked = parse_budget(budget)
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise DampenError(f"seeds must be a whole number, at least 1; got {seeds!r}. Twelve is usual.")
    dataset = with_outer(as_dataset(data), check_outer(outer))
    network = model or network_for(dataset)
    problem = Problem(
        dataset, network, epochs, batch_size, metric, device=as_device(device), precision=precision, blind=True
    )
    layout = check_fits(problem, Recipe())
    space = space_of(problem, layout, Narrowing(preset, tuple(always), tuple(without), ranges or {}))
    check_sampler(sampler, space)
    if data_curve:
        check_shares(dataset, fresh_seeds(check_seed(seed), seeds))
    _check_size(asked, problem)
    store = Store(storage)
    own = identity(problem, space, sampler=sampler, budget=asked, seeds=seeds, seed=check_seed(seed))
    own |= {"ablation": bool(ablation), "data curve": bool(data_curve)}
    if resume:
        name = _known(study)
        about = store.about(name)
        check_same(name, about, own)
        packing = Packing.from_record(about["packing"])
        pace.began -= float(about.get("spent", 0.0))
        _free(store, name)
    else:
        name = _free_name(study, store)
        packing = measured_packing(problem, seed)
    scene = Scene(
        name, problem, space, packing, sampler, seed, store, leases.own_name(), folder_of(storage, name),
        leases.LEASE_SECONDS, outer,
    )  # fmt: skip
    worker = Worker(scene, asked, seeds, pace, watch, Besides(bool(ablation), bool(data_curve)))
    if not resume:
        worker.probe()
        known = {"identity": own, "packing": packing.to_record(), "command": dict(command or {})}
        store.create(name, higher_is_better=problem.metric.higher_is_better, about=known)
    if on_begin is not None:
        expected = worker.expected()
        on_begin(Beginning(name, dataset.describe(), repr(network), expected, space, asked, resume))
    worker.search()
    return answer(worker)


def folder_of(storage: str | Path | None, study: str) -> Path:
    """Where a study keeps weights: beside its SQLite file, else below the current folder."""
    text = "" if storage is None else str(storage).removeprefix("sqlite:///")
    root = Path(".dampen") if not text or "://" in text else Path(text).parent
    return root / study


# ------------------------------------------------------------------ at the door


def _check_size(budget: Budget, problem: Problem) -> None:
    if budget.kind != "trainings":
        return
    least, course = smallest_trainings(), Course(problem.epochs, problem.steps_per_epoch)
    while affordable((1 - CONFIRMATION_SHARE) * least * problem.epochs, course) < 1:
        least += 1
    if budget.amount < least:
        raise too_small(f"{budget.amount:g}x", f"{least}x or more")


def _known(study: str | None) -> str:
    if not study:
        raise DampenError("resume must have the name of a study; got none. `dampen studies` lists them.")
    return study


def _free_name(study: str | None, store: Store) -> str:
    """The name that was asked for, where it is free, or the next number: told before anything is measured."""
    taken = store.names()
    if study is None:
        return new_name(taken)
    if study.startswith(".") or "/" in study or "\\" in study:
        raise DampenError(f"A study's name must be fit for a folder, without slashes or a dot in front; got {study!r}.")
    if study in taken:
        raise DampenError(f"A study's name must be new; {study!r} is taken. Choose another, or --resume {study}.")
    return study


def _free(store: Store, study: str) -> None:
    """Let go of what processes of this machine that are gone have claimed: nobody need wait for their leases."""
    for unit, state in store.units(study).items():
        if not state.done and leases.is_dead(state.owner):
            store.release(study, unit, state.owner)
