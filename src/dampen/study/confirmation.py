"""What was found, put to the test: the best few, baseline and default under fresh seeds.

The validation parts of the fresh seeds choose the winner; only then the test part, which no search has seen, says what
it is worth. Without each of its ingredients in turn: what that one is worth.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from ..errors import DampenError
from ..evidence import Evidence
from ..evidence.crossed import confirm
from ..presets import BASELINE, DEFAULT, baseline, default
from ..recipe import Recipe, from_dict
from ..training.fitted import Fitted
from ..training.problem import Member
from ..training.race import Race
from .batch import CONFIGURATION, Scene, Tell, as_records, packs_from
from .comparison import WITHOUT
from .weights import saved

STAGES = 9
"""A confirmation is saved as often as a search of so many configurations has rungs."""
UNIT = "confirmation"


def fresh_seeds(seed: int, count: int, used: int = 0) -> list[int]:
    """Seeds that neither the search nor, as far as `used` tells, the confirmation has used."""
    return [(seed + 1 + used + number) % 2**32 for number in range(count)]


def best_found(trials: Sequence[FrozenTrial], higher: bool, count: int) -> list[Recipe]:
    """The recipes of the best configurations that trained to their end, best first; each recipe once."""
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.user_attrs["kind"] == CONFIGURATION]
    ranked = sorted(complete, key=lambda t: (-t.value if higher else t.value, t.number))
    recipes: dict[str, Recipe] = {}
    for trial in ranked:
        recipe = from_dict(trial.user_attrs["recipe"])
        recipes.setdefault(repr(recipe), recipe)
    return list(recipes.values())[:count]


def candidates(scene: Scene, found: Sequence[Recipe]) -> dict[str, Recipe]:
    """Who is put to the test: baseline, default, and what was found, named by rank."""
    named = {BASELINE: baseline(), DEFAULT: default(scene.problem.epochs, scene.problem.words)}
    known = {repr(recipe) for recipe in named.values()}
    fresh = [recipe for recipe in found if repr(recipe) not in known]
    return named | {f"found {rank}": recipe for rank, recipe in enumerate(fresh, 1)}


def without_each(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe without each of its techniques in turn, and what only works with that one."""
    lesser: dict[str, Recipe] = {}
    for name in recipe.named:
        left = [technique for other, technique in recipe.named.items() if other != name]
        lesser[WITHOUT + name] = _largest(left, recipe.optimizer)
    if recipe.optimizer != baseline().optimizer:
        lesser[WITHOUT + "its learning rate"] = Recipe(recipe.techniques, baseline().optimizer)
    return lesser


def _largest(techniques: Sequence[Any], optimizer: Any) -> Recipe:
    """The recipe of as many of these as go together."""
    for count in range(len(techniques), 0, -1):
        for chosen in itertools.combinations(techniques, count):
            try:
                return Recipe(chosen, optimizer)
            except DampenError:
                continue
    return Recipe((), optimizer)


def train(
    scene: Scene, record: dict[str, Any], part: str, named: Mapping[str, Recipe], seeds: Sequence[int], tell: Tell
) -> dict[str, list[Fitted]]:
    """Every recipe under every seed, the test part open. record: of the unit `UNIT`; what a dead worker has left of
    this part of it is taken up."""
    problem = dataclasses.replace(scene.problem, blind=False)
    members = [Member(name, recipe, seed) for name, recipe in named.items() for seed in seeds]
    stages = scene.course.rungs(STAGES)
    folder = scene.folder / UNIT / part
    if part not in record:
        packs = scene.packing.packs(problem, members, range(len(members)))
        record[part] = {"packs": as_records(packs), "stage": 0, "weights": ""}
        put(scene, record)
    progress = record[part]
    race = Race(problem, members, packs_from(progress["packs"]))
    first = progress["stage"]
    if first and not race.restore(folder / progress["weights"], stages[first - 1]):
        first = 0  # they are on another machine, or deleted
    for stage, end in enumerate(stages[first:], first):
        race.to(end, tell.epochs)
        with saved(race, folder, progress["weights"]) as weights:
            progress |= {"stage": stage + 1, "weights": weights}
            put(scene, record)
    by_name: dict[str, list[Fitted]] = {}
    for index, member in enumerate(members):
        by_name.setdefault(member.label, []).append(race.done[index])
    return by_name


def put(scene: Scene, record: Mapping[str, Any], *, done: bool = False) -> None:
    """Keep how far the confirmation is."""
    scene.store.put(scene.study, UNIT, scene.owner, record=record, seconds=scene.lease, done=done)


def winner(scene: Scene, trained: Mapping[str, Sequence[Fitted]]) -> str:
    """The recipe with the best mean score on the validation parts; of equals (up to rounding) the plainer one, which
    stands first."""
    means = {
        name: statistics.fmean(scene.value(f.validation["metric"]) for f in all_) for name, all_ in trained.items()
    }
    return max(means, key=lambda name: float(f"{means[name]:.6g}"))


def best_member(scene: Scene, members: Sequence[Fitted]) -> Fitted:
    """The network to hand over: of the winner's the one with the best validation score, then loss."""
    return max(members, key=lambda f: (scene.value(f.validation["metric"]), -f.validation["loss"]))


def judged(scene: Scene, trained: Mapping[str, Sequence[Fitted]], name: str, against: Sequence[str]) -> list[Evidence]:
    """A recipe against each of others, on the test part."""
    rows = _rows(trained)
    return [confirm(rows, [name], against=other, **_metric(scene))[0] for other in against if other != name]


def ablated(scene: Scene, trained: Mapping[str, Sequence[Fitted]], name: str) -> tuple[Evidence, ...]:
    """The winner without each ingredient, against the winner; p and intervals corrected for their number."""
    lesser = [other for other in trained if other.startswith(WITHOUT)]
    return confirm(_rows(trained), lesser, against=name, **_metric(scene)) if lesser else ()


def _rows(trained: Mapping[str, Sequence[Fitted]]) -> dict[str, Any]:
    return {name: np.stack([f.test_rows.double().numpy() for f in all_]) for name, all_ in trained.items()}


def _metric(scene: Scene) -> dict[str, Any]:
    return {"metric": scene.problem.metric.name, "higher_is_better": scene.higher}
