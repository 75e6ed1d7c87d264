"""What the figures of comparisons, searches and boundaries draw."""

from __future__ import annotations

import json

import numpy as np
import pytest
from figure_records import ABLATION, comparison, evidence, found, trials
from numpy.testing import assert_allclose

from dampen import DampenError
from dampen.reporting.figures import boundary_facts, comparison_facts, search_facts


def test_recipes_come_best_first_with_verdicts_and_notes():
    compared = comparison(["a", "b", "c"])

    facts = comparison_facts(compared)

    effects = [row["effect"] for row in facts["recipes"]]
    assert effects == sorted(effects, reverse=True)
    assert {row["recipe"]: row["notes"] for row in facts["recipes"]} == {"a": ["not yet converged"], "b": [], "c": []}
    assert_allclose(facts["baseline_score"], 0.9)
    assert facts["enough_seeds"] is True
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_few_seeds_are_told():
    assert comparison_facts(comparison(["a"], seeds=5))["enough_seeds"] is False


def test_what_an_ingredient_is_worth_is_what_leaving_it_out_costs():
    rows = search_facts(found(ABLATION))["ablation"]

    assert [row["ingredient"] for row in rows] == ["MixUp", "its learning rate", "Dropout"]
    assert_allclose([rows[0][name] for name in ("low", "worth", "high")], [0.005, 0.011, 0.017])
    assert [row["verdict"] for row in rows] == ["real gain", "no evidence", "harmful"]


def test_axes_are_one_per_technique_the_most_important_first():
    facts = search_facts(found(trials=trials(60)))

    assert [axis["name"] for axis in facts["axes"]] == ["optimizer.lr", "BatchNorm", "Dropout.rate", "MixUp.alpha"]
    assert [axis["kind"] for axis in facts["axes"]] == ["strength", "switch", "strength", "strength"]
    assert [axis["log"] for axis in facts["axes"]] == [True, False, False, False]
    assert_allclose([axis["importance"] for axis in facts["axes"]], [0.7, 0.2, 0.02, 0.01])


def test_a_strength_of_a_technique_that_is_off_has_no_place():
    values = [{"Dropout": False, "optimizer.lr": 0.01}, {"Dropout": True, "Dropout.rate": 0.3, "optimizer.lr": 0.001}]
    tried = [{"trial": i, "score": None, "epochs": 3, "values": v} for i, v in enumerate(values)]

    facts = search_facts(found(trials=tried))

    assert [axis["name"] for axis in facts["axes"]] == ["optimizer.lr", "Dropout.rate"]
    assert [trial["places"] for trial in facts["trials"]] == [[0.01, None], [0.001, 0.3]]


def test_a_technique_that_conflicts_with_another_and_was_not_asked_is_off():
    tried = [
        {"trial": 0, "score": 0.9, "epochs": 3, "values": {"BatchNorm": True, "optimizer.lr": 0.01}},
        {"trial": 1, "score": 0.8, "epochs": 3, "values": {"optimizer.lr": 0.02}},
    ]

    facts = search_facts(found(trials=tried))

    assert [trial["places"] for trial in facts["trials"]] == [[0.01, True], [0.02, False]]


def test_what_was_the_same_in_every_trial_and_what_had_no_values_is_not_drawn():
    tried = [{"trial": i, "score": 0.9, "epochs": 3, "values": {"L2": True, "optimizer.lr": i + 1.0}} for i in range(3)]

    facts = search_facts(found(trials=[*tried, {"trial": 3, "score": 0.9, "epochs": 3, "values": {}}]))

    assert [axis["name"] for axis in facts["axes"]] == ["optimizer.lr"]
    assert [trial["trial"] for trial in facts["trials"]] == [0, 1, 2]


def test_at_most_ten_axes_are_drawn():
    values = [{f"Technique{t}": bool((i + t) % 2) for t in range(30)} for i in range(4)]
    tried = [{"trial": i, "score": 0.9, "epochs": 3, "values": v} for i, v in enumerate(values)]

    assert len(search_facts(found(trials=tried))["axes"]) == 10


def test_trials_are_left_as_they_were_and_facts_are_strict_json():
    tried = trials(20)
    before = json.dumps(tried)

    facts = search_facts(found(ABLATION, trials=tried))

    assert json.dumps(tried) == before
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


@pytest.mark.parametrize(("metric", "higher"), [("accuracy", True), ("log_loss", False), ("mae", False), ("r2", True)])
def test_whether_higher_is_better_follows_from_the_metric(metric, higher):
    assert search_facts(found(metric=metric))["higher_is_better"] is higher


def test_an_effect_of_nothing_is_worth_nothing_without_a_minus():
    rows = search_facts(found([evidence("without L2", 0.0, 0.0, 1.0)]))["ablation"]

    assert str(rows[0]["worth"]) == str(rows[0]["low"]) == "0.0"


# ------------------------------------------------------------------ a boundary


def by_sign(points):
    """Class 1 where the first feature is above 0, the surer the farther."""
    right = 1 / (1 + np.exp(-points[:, 0]))
    return np.stack([1 - right, right], 1)


POINTS = np.array([[-1.0, 0.0], [-0.5, 2.0], [0.5, 1.0], [1.0, -2.0]])


def test_the_plane_is_asked_on_a_grid_a_little_larger_than_the_rows():
    facts = boundary_facts(by_sign, POINTS, [0, 1, 1, 1], ["x", "y"], steps=21)

    across = np.linspace(-1.12, 1.12, 21)
    assert_allclose([facts["x"]["low"], facts["x"]["high"], facts["y"]["low"]], [-1.12, 1.12, -2.24])
    assert np.shape(facts["predicted"]) == (21, 21)
    assert facts["predicted"][3] == [int(x > 0) for x in across]
    assert_allclose(facts["confidence"][20], [1 / (1 + np.exp(-abs(x))) for x in across], atol=0.0051)


def test_mistakes_are_counted_and_rows_keep_their_classes():
    facts = boundary_facts(by_sign, POINTS, [0, 1, 1, 1], ["x", "y"], steps=5)

    assert (facts["mistakes"], facts["all"]) == (1, 4)
    assert facts["rows"]["predicted"] == [0, 0, 1, 1]
    assert facts["classes"] == ["0", "1"]


def test_of_many_rows_some_are_kept_and_mistakes_are_counted_over_all():
    points = np.random.default_rng(0).normal(size=(5000, 2))

    facts = boundary_facts(by_sign, points, np.zeros(5000, dtype=int), ["x", "y"], steps=5)

    assert len(facts["rows"]["x"]) == 600
    assert facts["mistakes"] == int((points[:, 0] > 0).sum())


@pytest.mark.parametrize(
    ("inputs", "targets", "names", "said"),
    [
        (np.zeros((4, 3)), [0] * 4, ["x", "y"], "needs inputs"),
        (POINTS, [0] * 3, ["x", "y"], "needs inputs"),
        (POINTS, [0] * 4, ["x"], "names of two features"),
        (np.zeros((0, 2)), [], ["x", "y"], "needs inputs"),
    ],
)
def test_what_does_not_fit_is_told(inputs, targets, names, said):
    with pytest.raises(DampenError, match=said):
        boundary_facts(by_sign, inputs, targets, names)


def test_a_predict_that_returns_something_else_is_told():
    with pytest.raises(DampenError, match="must return shares of the classes"):
        boundary_facts(lambda points: points[:, 0], POINTS, [0] * 4, ["x", "y"])
    with pytest.raises(DampenError, match="classes must be 2 names"):
        boundary_facts(by_sign, POINTS, [0] * 4, ["x", "y"], classes=["a", "b", "c"])
