"""Train one network, or one pack of members, from the first epoch to the last."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..data.dataset import as_dataset
from ..data.split import with_outer
from ..errors import DampenError
from ..presets import as_recipe
from ..recipe import Recipe
from ..settings import BATCH_SIZE, EPOCHS, check_how, check_outer, check_seed
from ..tensors import is_allocation_failure
from . import checkpoint
from .epochs import Training
from .fitted import Fitted
from .measure import measured_plan
from .memory import cut, fitting_plan
from .plan import ONE_AT_A_TIME, Ability, PackPlan, Plan, ability_of, make_plan, threads
from .problem import Member, Problem, as_device, check_fits, prepare
from .run import start

TRAIN_SAMPLE = 512
"""Rows of the training part that are looked at after every epoch."""

Watch = Callable[[int, int], None]
"""Called after every epoch of a pack with (epochs of members done, epochs of members in all)."""


def fit(
    model: Callable[..., nn.Module],
    data: Any,
    recipe: Any = None,
    *,
    seed: int = 0,
    epochs: int = EPOCHS,
    batch_size: int = BATCH_SIZE,
    metric: str | None = None,
    device: str = "cpu",
    precision: str = "auto",
    plan: Mapping[str, Any] | None = None,
    outer: int | None = None,
    watch: Watch | None = None,
) -> Fitted:
    """Train one network with one recipe (a `Recipe`, a technique, text such as "Dropout + L2", or None).

    model: a function that returns a fresh `nn.Module`, or e.g. `MLP((128, 128))`. data: a name, (inputs, targets)
    or a `Dataset`. The seed decides split, batch order, initial weights and all draws. precision: "float32", "bf16"
    (products in bf16, weights in float32), or "auto": whatever a few steps of each show to be faster. plan: how an
    earlier training ran, its `fitted.settings.plan`: with its precision, too, the same bits come out. watch: called
    after every epoch with (epochs done, epochs in all). outer: which fifth of the rows is the test part, whatever the
    seed, as in a search.

    Raises `DampenError` where model, data and recipe do not fit together.
    """
    dataset = as_dataset(data) if outer is None else with_outer(as_dataset(data), check_outer(outer))
    problem = Problem(dataset, model, epochs, batch_size, metric, device=as_device(device), precision=precision)
    member = Member("", as_recipe(recipe), check_seed(seed))
    how = None if plan is None else check_how(plan)
    check_fits(problem, member.recipe)
    ability = able(problem)
    if how is None:
        (pack,) = full_plan(problem, [member], ability).packs
    else:
        (pack,) = make_plan(problem, [member], ability).packs
        pack = dataclasses.replace(pack, **how)
    return fit_pack(problem, [member], pack, watch=watch)[0]


def full_plan(problem: Problem, members: Sequence[Member], ability: Ability) -> Plan:
    """Packs by rule, cut to fit in memory, each run in the way that was measured to be fastest."""
    packs = fitting_plan(problem, members, make_plan(problem, members, ability))
    return measured_plan(problem, members, packs, ability)


def able(problem: Problem) -> Ability:
    """What the problem's network can; found by trying."""
    return ability_of(problem, prepare(problem, Recipe(), 0, problem.facts_of_all))


def fit_pack(
    problem: Problem,
    members: Sequence[Member],
    plan: PackPlan,
    *,
    watch: Watch | None = None,
    folder: str | Path | None = None,
    stop_after: int | None = None,
) -> list[Fitted]:
    """Train the members of one pack; the result follows the order of `plan.members`. Where memory runs out, the two
    halves of the pack train one after the other.

    folder: where the state is saved after every epoch, and taken up again if it is there already.
    stop_after: leave after this many epochs with nothing but the checkpoint (returns []).
    """
    try:
        return _fit_pack(problem, members, plan, watch, folder, stop_after)
    except (RuntimeError, MemoryError) as error:
        if not is_allocation_failure(error):
            raise
        if len(plan.members) == 1:
            raise DampenError(
                "One network must fit in memory with its batch; it does not. Take a smaller batch_size or model."
            ) from error
    gc.collect()  # outside of `except`: the error's traceback holds on to the pack
    if problem.device.type == "cuda":
        torch.cuda.empty_cache()
    done: list[Fitted] = []
    for number, half in enumerate(cut(plan, 2)):
        told = None if watch is None else _share(watch, number, len(plan.members) * problem.epochs)
        part = None if folder is None else Path(folder) / f"half-{number}"
        done += fit_pack(problem, members, half, watch=told, folder=part, stop_after=stop_after)
    return done


def _share(watch: Watch, number: int, total: int) -> Watch:
    """Tells of the first or second half as of the whole."""
    return lambda done, all_: watch(done + number * (total - all_), total)


def _fit_pack(
    problem: Problem,
    members: Sequence[Member],
    plan: PackPlan,
    watch: Watch | None,
    folder: str | Path | None,
    stop_after: int | None,
) -> list[Fitted]:
    with torch.no_grad(), threads(plan.threads):
        with ONE_AT_A_TIME:
            run = start(problem, members, plan, TRAIN_SAMPLE)
        training = Training(problem, members, plan, run)
        if folder is not None:
            checkpoint.restore(folder, training)
        while training.epoch < problem.epochs and len(training.run.pack):
            if stop_after is not None and training.epoch >= stop_after:
                return []
            training.one_epoch()
            if folder is not None:
                checkpoint.save(folder, training)
            if watch is not None:
                watch(*training.progress())
        training.finish(range(len(training.run.pack)), "finished")
    return [training.done[index] for index in plan.members]
