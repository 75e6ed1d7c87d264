"""From the trials of a study to its answer: the best few confirmed, the winner taken apart, all of it stored."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from ..data.split import split
from ..presets import BASELINE, DEFAULT
from ..training.fitted import Fitted
from ..words import counted
from . import leases
from .batch import CONFIGURATION, Scene
from .budget import ALWAYS, CONFIRMATION_SHARE, FINALISTS, Allotment, allot
from .comparison import versions
from .confirmation import (
    UNIT,
    ablated,
    best_found,
    best_member,
    candidates,
    fresh_seeds,
    judged,
    put,
    train,
    winner,
    without_each,
)
from .curve import SHARES, data_curve
from .examples import examples
from .found import SearchResult
from .keeping import keep
from .machine import machine
from .overlap import overlap
from .store import LeaseLost
from .weights import forget
from .worker import WAIT, Worker, let_go

MOST_LEADERS = 20
FEWEST_FOR_IMPORTANCE = 10
TREES = 32
"""Of the forest that importance rests on."""
MOST_SEEDS = 60
"""Fresh seeds that time left over is used for, at most."""
FIRST_SHARE = 0.6
"""Of the time for confirming, so much goes to choosing the winner; the rest to taking it apart."""
ENDING = 1.5
"""Seconds for writing the answer and leaving."""
MARGIN = 0.95
"""Of the time that is left so much is planned with."""


def answer(worker: Worker) -> SearchResult:
    """Made here, or by the process that is at it."""
    scene = worker.scene
    while True:
        claimed = scene.store.claim(scene.study, UNIT, scene.owner, seconds=scene.lease)
        if claimed is not None:
            try:
                with leases.renewed(scene.store, scene.study, UNIT, scene.owner):
                    return _made(worker, dict(claimed.record))
            except LeaseLost:
                continue
            except BaseException:
                let_go(scene, UNIT)
                raise
        if scene.store.units(scene.study)[UNIT].done:
            _tidy(scene)
            return SearchResult.from_record(scene.store.about(scene.study)["answer"])
        time.sleep(WAIT)


def _made(worker: Worker, record: dict[str, Any]) -> SearchResult:
    """record: what a worker that died has left of the confirmation."""
    scene = worker.scene
    trials = scene.store.trials(scene.study)
    trials = trials[: record.setdefault("trials", len(trials))]
    searched = worker.pace.elapsed
    data = scene.problem.data
    twice = overlap(data, split(data, fresh_seeds(scene.seed, 1)[0]))
    found = best_found(trials, scene.higher, FINALISTS)
    record.setdefault("allotment", _allotment(worker, len(found)))
    allotment = Allotment(*record["allotment"])
    named = candidates(scene, found[: allotment.finalists])
    seeds = fresh_seeds(scene.seed, allotment.seeds)
    tell = worker.tell(worker.expected())
    worker.doing = f"confirming {len(named)} recipes, {counted(len(seeds), 'fresh seed')}"
    trained = train(scene, record, "finalists", named, seeds, tell)
    best = winner(scene, trained)
    apart = worker.besides.ablation and best not in (BASELINE, DEFAULT)
    lesser = without_each(named[best]) if apart else {}
    if lesser and record.setdefault("ablation affordable", _affords(worker, allotment, len(lesser))):
        worker.doing = "taking the winner apart"
        trained |= train(scene, record, "ablation", lesser, seeds, tell)
    ablation = ablated(scene, trained, best)
    curve: tuple[dict[str, Any], ...] = ()
    more_data = ""
    if worker.besides.data_curve:
        worker.doing = "learning curve over the data"
        few = seeds[: record.setdefault("curve seeds", _curve_seeds(worker, len(seeds)))]
        curve, more_data = data_curve(scene, record, named[best], trained[best], few, tell)
    if more := record.setdefault("more seeds", _more_seeds(worker, len({BASELINE, DEFAULT, best}), len(seeds))):
        worker.doing = f"{more} more seeds"
        again = {name: named[name] for name in dict.fromkeys((BASELINE, DEFAULT, best))}
        fresh = fresh_seeds(scene.seed, more, used=len(seeds))
        for name, members in train(scene, record, "more", again, fresh, tell).items():
            trained[name] = [*trained[name], *members]
    result = SearchResult(
        study=scene.study,
        winner=best,
        recipes={name: recipe.to_dict() for name, recipe in {**named, **lesser}.items() if name in trained},
        evidence=tuple(judged(scene, trained, best, [BASELINE, DEFAULT])),
        ablation=ablation,
        scores={name: _scores(all_) for name, all_ in trained.items()},
        histories={name: [f.history for f in all_] for name, all_ in trained.items() if name in named},
        leaders=_leaders(trials, scene.higher),
        importance=importance(trials, scene.higher),
        curve=curve,
        protocol=_protocol(worker, trials, trained, best, searched, curve) | twice | {"more_data": more_data},
        versions=versions(),
        trials=tuple(map(_tried, trials)),
        examples=examples(scene.problem, {best: named[best]}, seeds[0]),
        trained=best_member(scene, trained[best]),
    )
    keep(result, scene.folder)
    scene.store.describe(scene.study, {"answer": result.to_record()})
    put(scene, record, done=True)
    _tidy(scene)
    return result


def _tidy(scene: Scene) -> None:
    """Nobody needs weights of units any more; some may be of workers that died after they had said that all is done."""
    for unit in scene.store.units(scene.study):
        forget(scene.folder / unit)


# ------------------------------------------------------------------ what the budget holds


def _allotment(worker: Worker, found: int) -> list[int]:
    budget, epochs = worker.budget, worker.scene.problem.epochs
    if budget.kind == "configurations":
        return [min(FINALISTS, max(1, found)), worker.seeds]
    if budget.kind == "trainings":
        count = int(CONFIRMATION_SHARE * budget.amount)
    else:
        recipes = FINALISTS + ALWAYS
        count = worker.pace.most_trainings(FIRST_SHARE * _left(worker), epochs, recipes)
    return list(allot(count, worker.seeds, found))


def _left(worker: Worker) -> float:
    return MARGIN * (worker.budget.amount - ENDING - worker.pace.elapsed)


def _affords(worker: Worker, allotment: Allotment, recipes: int) -> bool:
    """Whether the budget holds the ablation with as many seeds."""
    if worker.budget.kind == "configurations":
        return True
    trainings = recipes * allotment.seeds
    if worker.budget.kind == "trainings":
        used = (allotment.finalists + ALWAYS) * allotment.seeds
        return used + trainings <= CONFIRMATION_SHARE * worker.budget.amount
    return worker.pace.trainings(trainings, worker.scene.problem.epochs, recipes) <= _left(worker)


def _more_seeds(worker: Worker, recipes: int, seeds: int) -> int:
    """How many more fresh seeds the time that is left holds, for those that are judged."""
    if worker.budget.kind != "seconds":
        return 0
    count = worker.pace.most_trainings(_left(worker), worker.scene.problem.epochs, recipes)
    return max(0, min(count // recipes, MOST_SEEDS - seeds))


def _curve_seeds(worker: Worker, seeds: int) -> int:
    """With how many seeds the data curve is drawn: where time decides, as many as it holds."""
    if worker.budget.kind != "seconds":
        return seeds
    count = worker.pace.most_trainings(_left(worker), worker.scene.problem.epochs, len(SHARES))
    return min(seeds, count // len(SHARES))


# ------------------------------------------------------------------ records


def _scores(members: Sequence[Fitted]) -> dict[str, list[float]]:
    return {
        "validation": [f.validation["metric"] for f in members],
        "metric": [f.test["metric"] for f in members],
        "loss": [f.test["loss"] for f in members],
    }


def _leaders(trials: Sequence[FrozenTrial], higher: bool) -> tuple[dict[str, Any], ...]:
    """The best that trained to their end, baseline and default among them."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    ranked = sorted(complete, key=lambda t: (-t.value if higher else t.value, t.number))
    return tuple(
        {
            "trial": trial.number,
            "score": trial.value,
            "recipe": trial.user_attrs["in words"] if _kind(trial) == CONFIGURATION else _kind(trial),
        }
        for trial in ranked[:MOST_LEADERS]
    )


def _tried(trial: FrozenTrial) -> dict[str, Any]:
    epochs = len(trial.user_attrs["history"]["epochs"])
    return {"trial": trial.number, "score": trial.value, "epochs": epochs, "values": dict(trial.params)}


def _kind(trial: FrozenTrial) -> str:
    return str(trial.user_attrs["kind"])


def importance(trials: Sequence[FrozenTrial], higher: bool) -> dict[str, float]:
    """What share of a configuration's rank each switch and the learning rate explain; and each strength, of the rank
    among those that have it, beside the learning rate. By functional ANOVA. Ranks: who came farther is better, of those
    who came equally far who scored better.

    Hutter et al., An Efficient Approach for Assessing Hyperparameter Importance, 2014, ICML.
    """
    ranked = sorted((t for t in trials if _kind(t) == CONFIGURATION), key=lambda trial: _came(trial, higher))
    known = {name: d for trial in ranked for name, d in trial.distributions.items()}
    switches = [name for name, d in known.items() if isinstance(d, CategoricalDistribution)]
    always = [name for name in known if name not in switches and all(name in t.params for t in ranked)]
    shares = _shares(ranked, {name: known[name] for name in (*switches, *always)})
    for technique in switches:
        own = [name for name in known if name.startswith(f"{technique}.")]
        having = [trial for trial in ranked if all(name in trial.params for name in own)]
        found = _shares(having, {name: known[name] for name in (*own, *always)}) if own else {}
        shares |= {name: found[name] for name in own if name in found}
    return shares


def _shares(ranked: Sequence[FrozenTrial], params: Mapping[str, BaseDistribution]) -> dict[str, float]:
    """Of these configurations, the worst first; nothing where they are too few. A switch that was not asked is off."""
    if len(ranked) < FEWEST_FOR_IMPORTANCE:
        return {}
    study = optuna.create_study(direction="maximize")
    for rank, trial in enumerate(ranked):
        values = {name: trial.params.get(name, False) for name in params}
        study.add_trial(optuna.trial.create_trial(params=values, distributions=dict(params), value=float(rank)))
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in shares.items()}


def _came(trial: FrozenTrial, higher: bool) -> tuple[int, float]:
    last = max(trial.intermediate_values, default=0)
    if not last:  # diverged before the first rung
        return 0, 0.0
    return last, trial.intermediate_values[last] * (1 if higher else -1)


def _protocol(
    worker: Worker,
    trials: Sequence[FrozenTrial],
    trained: Mapping[str, Sequence[Fitted]],
    best: str,
    searched: float,
    curve: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    problem = worker.scene.problem
    members = [f for all_ in trained.values() for f in all_]
    parts = members[0].problem.split(members[0].member.seed)
    epochs = {
        "searched": sum(len(t.user_attrs["history"]["epochs"]) for t in trials),
        "confirmed": sum(len(f.history.epochs) for f in members),
    }
    return {
        "data": problem.data.describe(),
        "fingerprint": problem.data.fingerprint,
        "rows": {name: len(rows) for name, rows in parts._asdict().items()},
        "model": repr(problem.model),
        "epochs": problem.epochs,
        "batch_size": problem.batch_size,
        "metric": problem.metric.name,
        "seed": worker.scene.seed,
        "outer": worker.scene.outer,
        "seeds_confirmed": len(trained[best]),
        "sampler": worker.scene.sampler,
        "budget": str(worker.budget),
        "configurations": sum(_kind(trial) == CONFIGURATION for trial in trials),
        "epochs_trained": epochs,
        "tests_opened": len(members) + sum(len(point["scores"]) for point in curve if point["share"] < 1),
        "seconds": {
            "start-up": worker.ready,
            "search": searched - worker.ready,
            "confirmation": worker.pace.elapsed - searched,
        },
        "machine": machine(problem.device),
        "packing": worker.scene.packing.to_record(),
        "notes": list(problem.data.notes),
    }
