"""Does each recipe help over the baseline, over paired seeds, and is it more than luck?"""

from __future__ import annotations

import dataclasses
import functools
import numbers
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import nn

from ..data.dataset import as_dataset
from ..data.split import split
from ..errors import DampenError
from ..evidence import judge
from ..models import network_for
from ..presets import ALL, BASELINE, DEFAULT, as_recipe, baseline, candidates, default
from ..recipe import Recipe
from ..settings import BATCH_SIZE, EPOCHS, check_seed
from ..training.fit import able, fit_pack
from ..training.fitted import Fitted
from ..training.lanes import fastest_plan, in_lanes
from ..training.plan import Plan, on_device
from ..training.problem import Member, Problem, as_device, check_fits, check_recipe, suits
from .comparison import Comparison, notes_of, versions
from .cost import step_costs
from .examples import examples
from .machine import machine
from .overlap import overlap

SEEDS = 12
LR_FACTORS = (1 / 3, 1.0, 3.0)
"""What `tune_lr` multiplies a recipe's learning rate with."""

Watch = Callable[[float, float, str], None]
"""Called after every epoch of a pack with (share done, seconds left, recipes in training)."""


def compare(
    model: Callable[..., nn.Module] | None = None,
    data: Any = "digits",
    recipes: Mapping[str, Any] | Iterable[Any] | None = None,
    *,
    seeds: int | Sequence[int] = SEEDS,
    epochs: int = EPOCHS,
    batch_size: int = BATCH_SIZE,
    metric: str | None = None,
    tune_lr: bool = False,
    with_default: bool = True,
    device: str = "cpu",
    precision: str = "auto",
    plan: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
    on_plan: Callable[[Plan], None] | None = None,
) -> Comparison:
    """Train every recipe with every seed and judge each against the baseline.

    model: a function that returns a fresh `nn.Module`; by default a transformer for texts, else `MLP((128, 128))`.
    data: a name, (inputs, targets), (inputs, targets, test inputs, test targets) or a `Dataset`. recipes: by name or
    in a list; each a `Recipe`, a technique, or text such as "Dropout(rate=0.3) + L2"; by default the best-known
    techniques that suit the problem, with "all" in the list every one. The baseline is always there;
    with_default: whether the usual recipe, "default", is, too.
    seeds: how many (they are 0, 1, 2, ...), or which. metric: accuracy, balanced_accuracy, log_loss; label_accuracy,
    balanced_label_accuracy, label_log_loss; r2, mse, mae.
    tune_lr: three learning rates per recipe, chosen on validation. precision: float32, bf16 (products only), or auto:
    what is measured to be faster. plan: the `plan` of an earlier answer, replayed: the same packs give the same bits.
    Ctrl-C ends the study with the recipes that are complete. watch is called after every epoch of a pack, on_plan
    before training.

    Raises `DampenError` where model, data and recipes do not fit together, before anything is trained.
    """
    began = time.perf_counter()
    chosen_seeds = _seeds(seeds)
    dataset = as_dataset(data)
    network = model or network_for(dataset)
    problem = Problem(dataset, network, epochs, batch_size, metric, device=as_device(device), precision=precision)
    named = _recipes(recipes, problem, with_default)
    members = [Member(name, recipe, seed) for name, recipe in _tuned(named, tune_lr).items() for seed in chosen_seeds]
    ability = able(problem)
    chosen = fastest_plan(problem, members, ability) if plan is None else _replayed(plan, members)
    if on_plan is not None:
        on_plan(chosen)
    done, interrupted = _train(problem, members, chosen, watch)
    if not interrupted:  # as it came about: packs are halved where memory runs out
        chosen = dataclasses.replace(chosen, packs=tuple(dict.fromkeys(fitted.plan for fitted in done)))
    kept = _chosen(done, named, len(chosen_seeds), problem, tune_lr)
    complete = {name: named[name] for name in kept}
    measured = BASELINE in kept and not interrupted
    packs = {members[i].label: pack for pack in chosen.packs for i in pack.members}
    how = {name: packs[_label(name, 1.0) if tune_lr else name] for name in complete}
    costs = step_costs(problem, complete, chosen_seeds, how, ability) if measured else None
    answer = _comparison(problem, kept, costs, chosen, chosen_seeds, interrupted, tune_lr, len(done))
    return dataclasses.replace(answer, protocol={**answer.protocol, "seconds": time.perf_counter() - began})


# ------------------------------------------------------------------ what is compared


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    if isinstance(seeds, numbers.Integral) and not isinstance(seeds, bool):
        if seeds < 1:
            raise DampenError(f"seeds must be at least 1; got {seeds}. Twelve is usual, six the fewest that can tell.")
        return list(range(int(seeds)))
    listed = [check_seed(seed) for seed in seeds] if isinstance(seeds, Iterable) else []
    if not listed or len(set(listed)) < len(listed):
        raise DampenError(f"seeds must be a number or a list of different ones; got {seeds!r}.")
    return sorted(listed)


def _recipes(
    recipes: Mapping[str, Any] | Iterable[Any] | None, problem: Problem, with_default: bool
) -> dict[str, Recipe]:
    """Baseline and default first, then what was asked for, or what suits; all checked."""
    layout = check_fits(problem, Recipe())
    words = layout.words | problem.words

    def offered(all_of_them: bool) -> dict[str, Recipe]:
        found = candidates(problem.epochs, words, all_of_them)
        asked = {name: recipe for name, recipe in found.items() if with_default or name != DEFAULT}
        return {name: recipe for name, recipe in asked.items() if suits(recipe, problem, layout)}

    if recipes is None:
        return offered(all_of_them=False)
    presets = {BASELINE: baseline(), DEFAULT: default(problem.epochs, words)}
    named = dict(presets) if with_default else {BASELINE: presets[BASELINE]}
    if isinstance(recipes, str | Recipe) or not isinstance(recipes, Iterable):
        recipes = [recipes]
    pairs = recipes.items() if isinstance(recipes, Mapping) else ((None, recipe) for recipe in recipes)
    for given, recipe in pairs:
        if isinstance(recipe, str) and recipe in presets:
            named[recipe] = presets[recipe]
            continue
        if isinstance(recipe, str) and recipe == ALL:
            named |= offered(all_of_them=True)
            continue
        built = as_recipe(recipe)
        name = given or str(built)
        if named.get(name, built) != built:
            raise DampenError(f"Two recipes are named {name!r}; give one of them another name.")
        check_recipe(built, problem, layout)
        named[name] = built
    return named


def _replayed(record: Mapping[str, Any], members: Sequence[Member]) -> Plan:
    """A stored plan; refused where it was made for other members."""
    plan = Plan.from_record(record)
    for pack in plan.packs:
        for position in pack.members:
            active = members[position].recipe.active if position < len(members) else {}
            needed = {name for name, technique in active.items() if on_device(technique)}
            if position >= len(members) or not needed <= set(pack.techniques):
                raise DampenError("The plan must be of the same recipes and seeds; it does not fit. Leave it out.")
    if sorted(p for pack in plan.packs for p in pack.members) != list(range(len(members))):
        raise DampenError("The plan must hold every training once; it does not. Leave it out to make a new one.")
    return plan


def _tuned(named: Mapping[str, Recipe], tune_lr: bool) -> dict[str, Recipe]:
    if not tune_lr:
        return dict(named)
    return {
        _label(name, factor): recipe.with_strengths({"optimizer.lr": recipe.optimizer.lr * factor})
        for name, recipe in named.items()
        for factor in LR_FACTORS
    }


def _label(name: str, factor: float) -> str:
    return f"{name} | lr x {factor:.3g}"


# ------------------------------------------------------------------ training


def _train(problem: Problem, members: Sequence[Member], plan: Plan, watch: Watch | None) -> tuple[list[Fitted], bool]:
    """Train all packs; Ctrl-C ends between two epochs with what is complete."""
    done: dict[int, list[Fitted]] = {}
    total, began = len(members) * problem.epochs, time.perf_counter()
    so_far = dict.fromkeys(range(len(plan.packs)), 0)

    def job(number: int, tell: Callable[[int, int], None]) -> None:
        done[number] = fit_pack(problem, members, plan.packs[number], watch=tell)

    def told(number: int, epochs: int, _all: int) -> None:
        so_far[number] = epochs
        share = sum(so_far.values()) / total
        left = (time.perf_counter() - began) * (1 - share) / share
        labels = dict.fromkeys(members[i].label for i in plan.packs[number].members)
        if watch is not None:
            watch(share, left, ", ".join(labels))

    try:
        in_lanes([functools.partial(job, number) for number in so_far], plan, told)
    except KeyboardInterrupt:
        interrupted = True
    else:
        interrupted = False
    return [fitted for number in sorted(done) for fitted in done[number]], interrupted


def _chosen(
    done: Sequence[Fitted], named: Mapping[str, Recipe], num_seeds: int, problem: Problem, tune_lr: bool
) -> dict[str, list[Fitted]]:
    """The members of each complete recipe; with several learning rates those of the best one on validation."""
    by_label: dict[str, list[Fitted]] = {}
    for fitted in done:
        by_label.setdefault(fitted.member.label, []).append(fitted)
    complete = {label: all_ for label, all_ in by_label.items() if len(all_) == num_seeds}
    if not tune_lr:
        return {name: _by_seed(complete[name]) for name in named if name in complete}
    sign = 1 if problem.metric.higher_is_better else -1
    chosen = {}
    for name in named:
        rivals = [complete.get(_label(name, factor)) for factor in LR_FACTORS]
        if all(rivals):
            best = max(rivals, key=lambda all_: sign * statistics.fmean(f.validation["metric"] for f in all_))
            chosen[name] = _by_seed(best)
    return chosen


def _by_seed(members: Sequence[Fitted]) -> list[Fitted]:
    return sorted(members, key=lambda fitted: fitted.member.seed)


# ------------------------------------------------------------------ the answer


def _comparison(
    problem: Problem,
    kept: Mapping[str, list[Fitted]],
    costs: Mapping[str, float] | None,
    plan: Plan,
    seeds: Sequence[int],
    interrupted: bool,
    tune_lr: bool,
    tests_opened: int,
) -> Comparison:
    scores = {name: {k: [f.test[k] for f in all_] for k in ("metric", "loss")} for name, all_ in kept.items()}
    parts = split(problem.data, seeds[0])
    evidence = _judged(problem, kept, costs, len(parts.test) / len(parts.train)) if BASELINE in kept else ()
    best_first = {e.recipe: kept[e.recipe][0].member.recipe for e in evidence}
    return Comparison(
        evidence=evidence,
        scores=scores,
        recipes={name: all_[0].member.recipe.to_dict() for name, all_ in kept.items()},
        histories={name: [f.history for f in all_] for name, all_ in kept.items()},
        notes={name: notes_of([f.history for f in all_]) for name, all_ in kept.items()},
        protocol={
            "data": problem.data.describe(),
            "fingerprint": problem.data.fingerprint,
            "kind": problem.data.protocol,
            "rows": {name: len(rows) for name, rows in parts._asdict().items()},
            "model": repr(problem.model),
            "epochs": problem.epochs,
            "batch_size": problem.batch_size,
            "metric": problem.metric.name,
            "baseline": BASELINE,
            "seeds": list(seeds),
            "tune_lr": tune_lr,
            "tests_opened": tests_opened,
            "notes": list(problem.data.notes),
            **overlap(problem.data, parts),
            "machine": machine(problem.device),
        },
        plan=plan.to_record(),
        versions=versions(),
        interrupted=interrupted,
        examples=examples(problem, best_first, seeds[0]),
    )


def _judged(
    problem: Problem, kept: Mapping[str, list[Fitted]], costs: Mapping[str, float] | None, test_over_train: float
) -> tuple[Any, ...]:
    """Evidence per recipe; a recipe's cost is its steps' cost times the share of the epochs it trained for."""
    fixed = problem.data.protocol == "fixed test"
    return judge(
        {name: [f.test["metric"] for f in all_] for name, all_ in kept.items()},
        baseline=BASELINE,
        metric=problem.metric.name,
        higher_is_better=problem.metric.higher_is_better,
        protocol="fixed test" if fixed else "resampled",
        test_over_train=None if fixed else test_over_train,
        costs=None if costs is None else {n: costs[n] * _epochs(all_) for n, all_ in kept.items()},
        row_scores={name: [f.test_rows.tolist() for f in all_] for name, all_ in kept.items()} if fixed else None,
    )


def _epochs(members: Sequence[Fitted]) -> float:
    """Mean number of epochs trained."""
    return statistics.fmean(len(fitted.history.epochs) for fitted in members)
