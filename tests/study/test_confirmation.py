"""What was found is put to the test under fresh seeds: who is, who wins, and what each ingredient is worth."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState
from searches import scene

from dampen import (
    EMA,
    L2,
    Adam,
    BatchNorm,
    DampenError,
    Dropout,
    MixUp,
    OneCycle,
    RDrop,
    Recipe,
    Scheduled,
    WeightDecay,
)
from dampen.presets import baseline, default
from dampen.study.batch import Tell
from dampen.study.confirmation import (
    ablated,
    best_found,
    best_member,
    candidates,
    judged,
    train,
    winner,
    without_each,
)
from dampen.training.fit import fit_pack
from dampen.training.plan import make_plan
from dampen.training.problem import Member

QUIET = Tell(lambda members, seconds: None, lambda standings: None)


# ------------------------------------------------------------------ who is confirmed


def trial(recipe, value, kind="configuration", state=TrialState.COMPLETE):
    told = {"kind": kind, "recipe": recipe.to_dict()}
    return optuna.trial.create_trial(state=state, value=value, params={}, distributions={}, user_attrs=told)


def numbered(*trials):
    for number, each in enumerate(trials):
        each.number = number
    return trials


def test_the_best_that_trained_to_their_end_each_once():
    one, two, three = (Recipe((Dropout(rate),)) for rate in (0.1, 0.2, 0.3))
    trials = numbered(
        trial(one, 0.8),
        trial(two, 0.9),
        trial(three, None, state=TrialState.PRUNED),
        trial(two, 0.7),
        trial(baseline(), 0.99, kind="baseline"),
        trial(three, 0.8),
    )

    assert best_found(trials, True, 3) == [two, one, three]
    assert best_found(trials, True, 1) == [two]
    assert best_found(trials, False, 3) == [two, one, three], "lower is better: 0.7, 0.8, 0.8"
    assert best_found([], True, 3) == []


def test_baseline_and_default_are_always_candidates_and_never_twice(tmp_path):
    at = scene(tmp_path)
    usual = default(at.problem.epochs, at.problem.words)

    named = candidates(at, [Recipe(), Recipe((L2(),)), usual, Recipe((EMA(),))])

    assert list(named) == ["baseline", "default", "found 1", "found 2"]
    assert named["found 2"] == Recipe((EMA(),))
    assert named["default"] == usual


def test_without_each_ingredient_in_turn():
    recipe = Recipe((MixUp(0.2), Dropout(0.3), WeightDecay(0.02)), Adam(lr=0.01))

    lesser = without_each(recipe)

    assert {name: str(r) for name, r in lesser.items()} == {
        "without MixUp": "Dropout(rate=0.3) + WeightDecay(strength=0.02) + Adam(lr=0.01)",
        "without Dropout": "MixUp + WeightDecay(strength=0.02) + Adam(lr=0.01)",
        "without WeightDecay": "MixUp + Dropout(rate=0.3) + Adam(lr=0.01)",
        "without its learning rate": "MixUp + Dropout(rate=0.3) + WeightDecay(strength=0.02)",
    }
    assert without_each(Recipe()) == {}
    assert list(without_each(Recipe((L2(),)))) == ["without L2"]


def test_what_only_works_with_an_ingredient_goes_with_it_and_nothing_else():
    """Without dropout R-Drop has no noise and the schedule no strength; the average behind them stays."""
    schedule = Scheduled(of="Dropout.rate")
    recipe = Recipe((Dropout(0.3), RDrop(), EMA(), schedule))

    lesser = without_each(recipe)

    assert list(lesser["without Dropout"].named) == ["EMA"]
    assert list(lesser["without RDrop"].named) == ["Dropout", "EMA", "Scheduled"]
    assert list(lesser["without EMA"].named) == ["Dropout", "RDrop", "Scheduled"]


# ------------------------------------------------------------------ who wins


def fitted(validation, test=0.0, loss=0.0):
    return SimpleNamespace(validation={"metric": validation, "loss": loss}, test={"metric": test, "loss": 0.0})


def test_validation_alone_chooses_the_winner(tmp_path):
    """A planted difference: what is best on the test part is worst on validation."""
    at = scene(tmp_path)
    trained = {
        "baseline": [fitted(0.7, 0.9), fitted(0.7, 0.9)],
        "default": [fitted(0.8, 0.5), fitted(0.7, 0.5)],
        "found 1": [fitted(0.9, 0.1), fitted(0.9, 0.1)],
        "found 2": [fitted(0.6, 1.0), fitted(0.6, 1.0)],
    }

    assert winner(at, trained) == "found 1"


def test_the_winner_is_the_best_on_average_and_of_equals_the_plainer(tmp_path):
    at = scene(tmp_path)

    assert winner(at, {"baseline": [fitted(0.5)], "found 1": [fitted(0.5)], "found 2": [fitted(0.4)]}) == "baseline"
    # as float32 gives them: 6/28 and 8/28 against twice 7/28
    thirds = [fitted(torch.tensor(n / 28, dtype=torch.float32).item()) for n in (6, 8)]
    assert winner(at, {"baseline": [fitted(0.25), fitted(0.25)], "found 1": thirds}) == "baseline"
    assert winner(at, {"baseline": [fitted(0.9), fitted(0.1)], "found 1": [fitted(0.5), fitted(0.6)]}) == "found 1"


def test_where_lower_is_better_the_lowest_wins(tmp_path):
    at = scene(tmp_path, metric="log_loss")

    assert winner(at, {"baseline": [fitted(0.5)], "found 1": [fitted(0.4)], "found 2": [fitted(0.6)]}) == "found 1"
    members = [fitted(0.4, loss=0.4), fitted(0.3, loss=0.3)]
    assert best_member(at, members) is members[1]


def test_the_network_to_hand_over_is_the_best_on_validation_then_by_loss(tmp_path):
    members = [fitted(0.8, 0.9, 0.1), fitted(0.9, 0.1, 0.5), fitted(0.9, 0.0, 0.4)]

    assert best_member(scene(tmp_path), members) is members[2]


# ------------------------------------------------------------------ trained


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    at = scene(tmp_path_factory.mktemp("confirmed"))
    named = {"baseline": baseline(), "default": default(6), "found 1": Recipe((BatchNorm(), OneCycle()), Adam(lr=0.05))}
    at.store.claim(at.study, "confirmation", at.owner, seconds=60)
    record = {}
    return at, named, train(at, record, "finalists", named, [1, 2, 3], QUIET), record


def test_every_recipe_is_trained_under_every_fresh_seed_with_the_test_part_open(trained):
    at, named, found, _ = trained

    assert {name: [f.member.seed for f in all_] for name, all_ in found.items()} == {name: [1, 2, 3] for name in named}
    for name, members in found.items():
        for one in members:
            assert one.member.recipe == named[name]
            assert len(one.test_rows) == len(at.problem.data.test_rows)
            np.testing.assert_allclose(one.test_rows.double().mean(), one.test["metric"], rtol=1e-6)
            assert len(one.history.epochs) == 6


def test_a_confirmed_member_is_the_one_that_trains_alone(trained):
    at, named, found, _ = trained
    problem = dataclasses.replace(at.problem, blind=False)
    members = [Member("", named["found 1"], 2)]
    (plan,) = make_plan(problem, members, at.packing.ability).packs
    (alone,) = fit_pack(problem, members, plan)

    np.testing.assert_allclose(found["found 1"][1].test["loss"], alone.test["loss"], rtol=1e-3)


def test_a_part_that_is_done_is_not_trained_again(trained):
    at, named, found, record = trained
    heard = []

    again = train(at, record, "finalists", named, [1, 2, 3], Tell(lambda *told: heard.append(told), lambda _: None))

    assert heard == []
    for name, members in found.items():
        for mine, its in zip(again[name], members, strict=True):
            torch.testing.assert_close(mine.params, its.params, rtol=0, atol=0)
            assert mine.test == its.test


def test_the_winner_is_judged_against_baseline_and_default_row_by_row(trained):
    at, _, found, _ = trained

    evidence = judged(at, found, "found 1", ["baseline", "default"])

    assert [(e.recipe, e.baseline) for e in evidence] == [("found 1", "baseline"), ("found 1", "default")]
    assert [e.seeds for e in evidence] == [3, 3]
    scores = {name: np.mean([f.test["metric"] for f in all_]) for name, all_ in found.items()}
    for e in evidence:
        np.testing.assert_allclose(e.effect, scores["found 1"] - scores[e.baseline], atol=1e-6)
    assert [e.baseline for e in judged(at, found, "default", ["baseline", "default"])] == ["baseline"]


def test_an_ablation_is_against_the_winner_and_of_what_is_without_only(trained):
    at, _, found, _ = trained
    lesser = {**found, "without BatchNorm": found["baseline"], "without OneCycle": found["found 1"]}

    first, second = ablated(at, lesser, "found 1")

    assert [e.recipe for e in (first, second)] == ["without BatchNorm", "without OneCycle"]
    assert (second.effect, second.p) == (0.0, 1.0)
    assert first.baseline == "found 1"
    assert ablated(at, found, "found 1") == ()


def test_a_recipe_that_does_not_fit_together_is_no_ablation():
    with pytest.raises(DampenError):
        Recipe((RDrop(),))
    assert list(without_each(Recipe((Dropout(0.2), RDrop())))["without Dropout"].named) == []
