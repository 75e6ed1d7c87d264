"""A batch of configurations, raced on real wines: what becomes a trial, who stays, and what nobody may look at."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from searches import PACKING, WINE, scene, wine

from dampen.data.dataset import from_arrays
from dampen.history import History
from dampen.study.answer import importance
from dampen.study.batch import Tell, run_batch, told
from dampen.study.halving import Course
from dampen.study.sampling import ask
from dampen.study.space import Known

COUNT = 9
QUIET = Tell(lambda members, seconds: None, lambda standings: None)
TEST_ROWS = np.arange(0, 178, 5)
LATE_SEED = 1
"""Of a search whose one-cycles all look bad at the first rung."""


def ran(at, numbers=(0,), count=COUNT, tell=QUIET):
    for number in numbers:
        assert at.store.claim(at.study, f"batch {number}", at.owner, seconds=60) is not None
        run_batch(at, number, count, {}, tell)
    return at.store.trials(at.study)


def plain(trials):
    """Everything but the machine's seconds."""
    records = []
    for trial in trials:
        attrs = {name: value for name, value in trial.user_attrs.items() if name != "seconds"}
        history = {**attrs.pop("history"), "seconds": 0}
        history["epochs"] = [{k: v for k, v in e.items() if k != "seconds"} for e in history["epochs"]]
        records.append(
            (trial.number, trial.state, trial.values, trial.params, trial.intermediate_values, attrs, history)
        )
    return records


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """(scene, trials, what was told of every rung)."""
    at, rung = scene(tmp_path_factory.mktemp("batch")), []
    trials = ran(at, tell=Tell(lambda members, seconds: None, rung.append))
    return at, trials, rung


def test_every_member_is_a_trial_with_recipe_history_seconds_and_outcome(batch):
    at, trials, _ = batch

    assert [trial.number for trial in trials] == list(range(COUNT + 2))
    assert sorted(t.user_attrs["place"] for t in trials) == list(range(COUNT + 2))
    for trial in trials:
        about = trial.user_attrs
        history = History.from_record(about["history"])
        assert len(history.epochs) == max(trial.intermediate_values)
        assert about["outcome"] == history.outcome
        assert about["seconds"] > 0
        json.dumps(about, allow_nan=False)
        if about["kind"] == "configuration":
            assert str(at.space.choose(Known(trial.params))) == about["in words"]


def test_rungs_cut_the_worst_and_who_trained_on_scored_better(batch):
    _, trials, _ = batch
    ends = Course(6, 10).rungs(COUNT)
    raced = [t for t in trials if t.user_attrs["kind"] == "configuration"]

    assert ends == (2, 6)
    came = {end: [t for t in raced if max(t.intermediate_values) == end] for end in ends}
    assert [len(came[end]) for end in ends] == [6, 3]
    late = [t for t in came[6] if t.params.get("OneCycle")]
    best = [t.intermediate_values[2] for t in came[6] if t not in late]
    assert min(best) >= max(t.intermediate_values[2] for t in came[2]) or late
    assert {t.user_attrs["outcome"] for t in came[2]} == {"cut"}


def test_who_trained_to_the_end_is_complete_with_its_last_score_and_who_was_cut_is_pruned(batch):
    for trial in batch[1]:
        whole = trial.user_attrs["outcome"] in ("finished", "stopped")
        assert trial.state == (TrialState.COMPLETE if whole else TrialState.PRUNED)
        assert trial.value == (trial.intermediate_values[max(trial.intermediate_values)] if whole else None)


def test_baseline_and_default_stay_to_the_end_and_are_in_the_first_batch_only(batch, tmp_path):
    kinds = {t.user_attrs["kind"]: t for t in batch[1]}
    at = scene(tmp_path)

    later = ran(at, numbers=(1,), count=3)

    for name in ("baseline", "default"):
        assert kinds[name].state == TrialState.COMPLETE
        assert len(kinds[name].user_attrs["history"]["epochs"]) == 6
        assert kinds[name].params == {}
    assert [t.user_attrs["kind"] for t in later] == ["configuration"] * 3
    assert len(told(batch[0])) == COUNT, "the sampler learns from configurations"


def test_who_is_still_there_is_told_whenever_a_pack_has_come_to_a_rung(batch):
    """Of a rung that all have come to, everybody who goes on; before that, the others as they were."""
    _, _, told = batch
    after_two = next(s for s in told if len(s) == 3 + 2)

    assert {standing.name for standing in after_two} >= {"baseline", "default"}
    assert {standing.epoch for standing in after_two} == {2}
    assert len(told[-1]) == 3 + 2
    assert {standing.epoch for standing in told[-1]} == {6}
    for before, after in itertools.pairwise(told):
        epochs = {standing.name: standing.epoch for standing in before}
        assert all(standing.epoch >= epochs.get(standing.name, 0) for standing in after)


def test_where_packs_do_not_pay_everybody_trains_alone_the_best_first(tmp_path):
    at = dataclasses.replace(scene(tmp_path), packing=dataclasses.replace(PACKING, gain=1.0))
    trials = ran(at)

    _, second, *_ = at.store.units(at.study)["batch 0"].record["packs"]
    alone = [pack["members"] for pack in second]
    scores = {t.user_attrs["place"]: t.intermediate_values[2] for t in trials}
    assert [len(members) for members in alone] == [1] * (3 + 2)
    np.testing.assert_allclose(
        [scores[place] for (place,) in alone], sorted((scores[place] for (place,) in alone), reverse=True)
    )


def test_weights_between_rungs_are_cleared_away(batch):
    at, *_ = batch

    assert list(at.folder.glob("batch*")) == []
    assert at.store.units(at.study)["batch 0"].done


def test_the_same_batch_again_is_the_same_trials(batch, tmp_path):
    assert plain(ran(scene(tmp_path))) == plain(batch[1])


def test_another_seed_is_another_search(batch, tmp_path):
    assert [t.params for t in ran(scene(tmp_path, seed=1))] != [t.params for t in batch[1]]


def test_late_techniques_are_carried_on_however_they_look(tmp_path):
    """A search in which no one-cycle is among the best third at the first rung; the best of them goes on all the
    same, in the place of the third."""
    trials = [t for t in ran(scene(tmp_path, epochs=18, seed=LATE_SEED)) if t.user_attrs["kind"] == "configuration"]

    first = {t.number: t.intermediate_values[min(t.intermediate_values)] for t in trials}
    late = {t.number for t in trials if t.params.get("OneCycle")}
    went_on = {t.number for t in trials if len(t.intermediate_values) > 1}
    best = sorted(first.values(), reverse=True)[:3]

    assert late
    assert max(first[n] for n in late) < min(best), "else this shows nothing"
    assert len(went_on) == 3
    assert len(went_on & late) == 1
    assert [first[n] for n in went_on & late] == [max(first[n] for n in late)]


# ------------------------------------------------------------------ diverged


@pytest.fixture(scope="module")
def wild(tmp_path_factory):
    at = scene(tmp_path_factory.mktemp("wild"), ranges={"optimizer.lr": (1e-3, 1e12)})
    return ran(at, count=12)


def test_who_diverges_never_survives_and_came_no_farther_than_the_rung_before(wild):
    gone = [t for t in wild if t.user_attrs["outcome"] == "diverged"]

    assert 3 <= len(gone) <= 11, "some of either kind, else this shows nothing"
    for trial in gone:
        assert trial.state == TrialState.PRUNED
        assert trial.value is None
        epochs = len(trial.user_attrs["history"]["epochs"])
        assert all(epoch < epochs for epoch in trial.intermediate_values)
    assert any(not t.intermediate_values for t in gone)


def test_the_sampler_and_the_importance_live_with_who_diverged(wild, tmp_path):
    at = scene(tmp_path, ranges={"optimizer.lr": (1e-3, 1e12)})
    raced = [t for t in wild if t.user_attrs["kind"] == "configuration"]

    shares = importance(wild, higher=True)
    asked = ask(at.space, "tpe", raced, 8, 9, seed=0, batch=1, higher=True)

    np.testing.assert_allclose(sum(s for n, s in shares.items() if "." not in n or n == "optimizer.lr"), 1.0)
    rates = np.log10([values["optimizer.lr"] for values, _ in asked])
    first = np.log10([t.params["optimizer.lr"] for t in raced])
    assert rates.mean() < first.mean()


def test_importance_is_of_what_decides():
    """Ranks that the learning rate alone explains: planted."""
    source = np.random.default_rng(0)
    space = {"optimizer.lr": FloatDistribution(1e-4, 1e-1, log=True), "EMA": CategoricalDistribution((False, True))}
    trials = []
    for _ in range(40):
        values = {"optimizer.lr": 10 ** source.uniform(-4, -1), "EMA": bool(source.random() < 0.5)}
        score = -abs(np.log10(values["optimizer.lr"]) + 2)
        trial = create_trial(
            state=TrialState.PRUNED, params=values, distributions=space, intermediate_values={2: score}
        )
        trial.set_user_attr("kind", "configuration")
        trials.append(trial)

    shares = importance(trials, higher=True)

    assert shares["optimizer.lr"] > 0.8
    assert importance(trials[:9], higher=True) == {}, "too few to say"


def test_a_strength_counts_among_those_that_have_it():
    """What half of the configurations use hangs on its strength alone; the others on the learning rate: planted."""
    source = np.random.default_rng(0)
    trials = []
    for _ in range(80):
        on, lr = bool(source.random() < 0.5), 10 ** source.uniform(-4, -1)
        values = {"optimizer.lr": lr, "MixUp": on} | ({"MixUp.alpha": source.uniform(0.1, 0.5)} if on else {})
        space = {
            "optimizer.lr": FloatDistribution(1e-4, 1e-1, log=True),
            "MixUp": CategoricalDistribution((False, True)),
            "MixUp.alpha": FloatDistribution(0.1, 0.5),
        }
        trial = create_trial(
            state=TrialState.PRUNED,
            params=values,
            distributions={name: space[name] for name in values},
            intermediate_values={2: 10 * values["MixUp.alpha"] if on else -abs(np.log10(lr) + 2)},
        )
        trial.set_user_attr("kind", "configuration")
        trials.append(trial)

    shares = importance(trials, higher=True)

    assert shares["MixUp.alpha"] > 0.8
    np.testing.assert_allclose(shares["MixUp"] + shares["optimizer.lr"], 1.0)
    few = [t for t in trials if "MixUp.alpha" not in t.params] + [t for t in trials if "MixUp.alpha" in t.params][:9]
    assert "MixUp.alpha" not in importance(few, higher=True), "nine are too few to say"


def test_a_batch_in_which_all_diverge_ends(tmp_path):
    at, rung = scene(tmp_path, ranges={"optimizer.lr": (1e30, 1e30)}, without=("EarlyStopping",)), []

    trials = ran(at, numbers=(1,), count=3, tell=Tell(lambda members, seconds: None, rung.append))

    assert {t.user_attrs["outcome"] for t in trials} == {"diverged"}
    assert rung[-1] == []
    assert at.store.units(at.study)["batch 1"].done


# ------------------------------------------------------------------ the test part stays closed


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_no_test_row_touches_a_bit_of_the_search(tmp_path, task):
    """Every test input and every test label changed: the same trials, number for number."""
    rest = np.setdiff1d(np.arange(178), TEST_ROWS)
    targets = WINE.target if task == "classes" else WINE.data[:, 0]
    inputs = WINE.data if task == "classes" else WINE.data[:, 1:]
    others = (100 * np.random.default_rng(0).normal(size=inputs[TEST_ROWS].shape), np.roll(targets[TEST_ROWS], 17))
    found = {}
    for name, test in (("own", (inputs[TEST_ROWS], targets[TEST_ROWS])), ("others", others)):
        (tmp_path / name).mkdir()
        data = from_arrays(inputs[rest], targets[rest], *test, name="wine")
        at = scene(tmp_path / name, data)
        found[name] = plain(ran(at))

    assert found["own"] == found["others"]


def test_a_change_among_the_other_rows_does_change_the_search(tmp_path):
    """Else the test above would show nothing."""
    moved = wine(TEST_ROWS)
    row = 3
    moved.inputs[row] += 1
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert plain(ran(scene(tmp_path / "a", wine(TEST_ROWS)))) != plain(ran(scene(tmp_path / "b", moved)))


def test_trainings_of_a_search_have_no_test_part(tmp_path):
    at = scene(tmp_path)

    for seed in range(3):
        parts = at.problem.split(seed)
        assert len(parts.test) == 0
        outer = set(at.problem.data.test_rows.tolist())
        assert not outer & set(torch.cat(parts).tolist())
