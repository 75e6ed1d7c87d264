"""One batch of configurations: asked together, trained rung by rung, cut by successive halving."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState

from ..history import History
from ..presets import BASELINE, DEFAULT, baseline, default
from ..records import plain_number, read_number
from ..training.plan import PackPlan, Plan
from ..training.problem import Member, Problem
from ..training.race import Race
from .halving import Course, acts_late, survivors
from .packing import Packing
from .sampling import Asked, ask
from .space import Known, Space
from .store import Store
from .weights import forget, saved

CONFIGURATION = "configuration"


class Standing(NamedTuple):
    """What is known of a member while it races: its recipe in words, the epoch, and its validation score."""

    name: str
    epoch: int
    score: float


class Tell(NamedTuple):
    """Whom a batch tells how it goes. epochs: after every epoch of a pack, how many members it had and how long it
    took. standings: where a pack is at the end of a rung, everybody who is still there, at the last look."""

    epochs: Callable[[int, float], None]
    standings: Callable[[Sequence[Standing]], None]


@dataclasses.dataclass(frozen=True)
class Scene:
    """What all batches of a study share. folder: where weights are kept between rungs. outer: which fifth of the rows
    is the test part."""

    study: str
    problem: Problem
    space: Space
    packing: Packing
    sampler: str
    seed: int
    store: Store
    owner: str
    folder: Path
    lease: float
    outer: int = 0

    @property
    def higher(self) -> bool:
        return bool(self.problem.metric.higher_is_better)

    @property
    def course(self) -> Course:
        return Course(self.problem.epochs, self.problem.steps_per_epoch, self.packing.batch)

    def value(self, score: float) -> float:
        """A score, turned so that higher is better; -inf for who has none."""
        return -math.inf if math.isnan(score) else score if self.higher else -score


def unit_name(number: int) -> str:
    return f"batch {number}"


def run_batch(scene: Scene, number: int, count: int, left: Mapping[str, Any], tell: Tell) -> int:
    """Train a batch to its end; how many configurations it held. left: what a worker that died has left, or nothing.

    The record holds what was asked, how many rungs are done, the packs of every rung so far, the folder of the weights,
    and the scores of those who still run. The others are trials.
    """
    folder = scene.folder / unit_name(number)
    record = dict(left) or _begun(scene, number, count)
    asked = [Asked(values, scene.space.choose(Known(values))) for values in record["asked"]]
    members = members_of(scene, asked, with_presets=number == 0)
    ends, first = scene.course.rungs(len(asked)), record["rung"]
    seen = {int(i): {int(epoch): read_number(v) for epoch, v in of.items()} for i, of in record["seen"].items()}
    race = _taken_up(scene, members, record, ends, folder, tell)
    for rung, end in enumerate(ends[first:], first):

        def arrived(scores: Mapping[int, Mapping[str, float]], end: int = end) -> None:
            for index, of in scores.items():
                if not _diverged(race, index):  # it came no farther than the rung before
                    seen.setdefault(index, {})[end] = of["metric"]
            tell.standings([_standing(members[i], of) for i, of in seen.items()])

        race.to(end, tell.epochs, arrived)
        gone = {**race.leave_done(), **race.leave(_cut(scene, race, seen, end, len(asked)))}
        trials = [_trial(scene, asked, members, number, i, history, seen.pop(i, {})) for i, history in gone.items()]
        last = [_last(trial) for trial in trials if trial.intermediate_values]
        tell.standings([_standing(members[i], of) for i, of in seen.items()] or last)
        best_first = sorted(race.running, key=lambda i: -scene.value(seen[i][end]))
        packs = scene.packing.packs(scene.problem, members, best_first)
        race.regroup(packs)
        standing = {i: {epoch: plain_number(value) for epoch, value in of.items()} for i, of in seen.items()}
        with saved(race, folder, record["weights"]) as weights:
            record |= {"rung": rung + 1, "weights": weights, "seen": standing}
            record["packs"] = [*record["packs"], as_records(packs)]
            _put(scene, number, record, trials, done=end == ends[-1])
    forget(folder)
    return len(asked)


def _taken_up(
    scene: Scene,
    members: Sequence[Member],
    record: Mapping[str, Any],
    ends: Sequence[int],
    folder: Path,
    tell: Tell,
) -> Race:
    """A race as its record says: with the weights on disk, or, where this worker has none (they are on another
    machine, or deleted), trained once more, with the packs and survivors of then."""
    packs = [packs_from(of_rung) for of_rung in record["packs"]]
    race = Race(scene.problem, members, packs[-1])
    if not record["rung"] or race.restore(folder / record["weights"], ends[record["rung"] - 1]):
        return race
    race = Race(scene.problem, members, packs[0])
    for end, following in zip(ends, packs[1:], strict=False):
        race.repeat(end, following, tell.epochs)
    return race


def members_of(scene: Scene, asked: Sequence[Asked], *, with_presets: bool) -> list[Member]:
    """The configurations, all under the study's seed; baseline and default behind them, who are never cut."""
    members = [Member(CONFIGURATION, each.recipe, scene.seed) for each in asked]
    if with_presets:
        presets = {BASELINE: baseline(), DEFAULT: default(scene.problem.epochs, scene.problem.words)}
        members += [Member(name, recipe, scene.seed) for name, recipe in presets.items()]
    return members


def as_records(packs: Sequence[PackPlan]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(pack) for pack in packs]


def packs_from(records: Sequence[Mapping[str, Any]]) -> tuple[PackPlan, ...]:
    return Plan.from_record({"packs": records}).packs


def told(scene: Scene) -> list[FrozenTrial]:
    """The configurations whose races are over, in the order of their numbers."""
    trials = [t for t in scene.store.trials(scene.study) if t.user_attrs.get("kind") == CONFIGURATION]
    return sorted(trials, key=lambda trial: trial.number)


# ------------------------------------------------------------------ parts of it


def _begun(scene: Scene, number: int, count: int) -> dict[str, Any]:
    before = number * scene.course.batch
    asked = ask(
        scene.space, scene.sampler, told(scene), count, before,
        seed=scene.seed, batch=number, higher=scene.higher,
    )  # fmt: skip
    members = members_of(scene, asked, with_presets=number == 0)
    packs = scene.packing.packs(scene.problem, members, range(len(members))) if members else []
    record = {
        "asked": [each.values for each in asked],
        "rung": 0,
        "packs": [as_records(packs)],
        "weights": "",
        "seen": {},
    }
    _put(scene, number, record)
    return record


def _cut(scene: Scene, race: Race, seen: Mapping[int, Mapping[int, float]], end: int, asked: int) -> list[int]:
    """Who trains no further: of the configurations still running all but the survivors."""
    running = [i for i in race.running if i < asked]
    values = {i: scene.value(seen[i][end]) for i in running}
    stay = survivors(values, [i for i in running if acts_late(race.members[i].recipe)]) if running else []
    return [i for i in running if i not in stay]


def _diverged(race: Race, index: int) -> bool:
    return index in race.done and race.done[index].history.outcome == "diverged"


def _put(
    scene: Scene, number: int, record: Mapping[str, Any], trials: Sequence[FrozenTrial] = (), done: bool = False
) -> None:
    scene.store.put(
        scene.study, unit_name(number), scene.owner, record=record, trials=trials, seconds=scene.lease, done=done
    )


def _trial(
    scene: Scene,
    asked: Sequence[Asked],
    members: Sequence[Member],
    number: int,
    index: int,
    history: History,
    seen: Mapping[int, float],
) -> FrozenTrial:
    """A member that has left, as Optuna keeps it: complete where it trained to its end, pruned where it was cut or
    diverged."""
    values = asked[index].values if index < len(asked) else {}
    finite = {epoch: value for epoch, value in seen.items() if not math.isnan(value)}
    complete = history.outcome in ("finished", "stopped") and bool(finite)
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE if complete else TrialState.PRUNED,
        value=finite[max(finite)] if complete else None,
        params=values,
        distributions=scene.space.distributions(values),
        intermediate_values=dict(seen),
        user_attrs={
            "kind": members[index].label,
            "recipe": members[index].recipe.to_dict(),
            "in words": str(members[index].recipe),
            "batch": number,
            "place": index,
            "seed": members[index].seed,
            "outcome": history.outcome,
            "seconds": history.seconds,
            "history": history.to_record(),
        },
    )


def _standing(member: Member, seen: Mapping[int, float]) -> Standing:
    name = str(member.recipe) if member.label == CONFIGURATION else member.label
    return Standing(name, max(seen), seen[max(seen)])


def _last(trial: FrozenTrial) -> Standing:
    epoch = max(trial.intermediate_values)
    name = trial.user_attrs["in words"] if trial.user_attrs["kind"] == CONFIGURATION else trial.user_attrs["kind"]
    return Standing(name, epoch, trial.intermediate_values[epoch])
