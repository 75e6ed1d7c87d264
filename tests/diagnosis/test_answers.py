"""What comparisons and searches tell beside their curves, from records made by hand and one real comparison."""

import dataclasses
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dampen
from dampen import DampenError, History
from dampen.diagnosis import diagnose_answer
from dampen.evidence import judge
from dampen.study.comparison import Comparison


def made(scores, metric="accuracy", train=None, **protocol):
    """A comparison: scores per recipe, one per seed; train: the training metric of each recipe's histories."""
    evidence = judge(
        scores, baseline="baseline", metric=metric, higher_is_better=True, protocol="resampled", test_over_train=0.25
    )
    seeds = len(scores["baseline"])

    def history(level):
        losses = 0.5 + 1.8 * np.exp(-0.3 * np.arange(30))
        return History([{"train_loss": v, "val_loss": v + 0.05, "train_metric": level} for v in losses], "finished")

    levels = {name: 0.9 for name in scores} | (train or {})
    recipes = {name: dampen.Recipe().to_dict() for name in scores}
    recipes |= {name: dampen.Recipe((dampen.Dropout(0.6),)).to_dict() for name in scores if name == "Dropout"}
    return Comparison(
        evidence=evidence,
        scores={name: {"metric": list(values)} for name, values in scores.items()},
        recipes=recipes,
        histories={name: [history(levels[name])] * seeds for name in scores},
        notes={},
        protocol={"baseline": "baseline", "metric": metric, **protocol},
        plan={},
        versions={},
    )


def kinds(diagnosis):
    return [(finding.kind, finding.severity) for finding in diagnosis.findings]


BASE = np.array([0.90, 0.91, 0.89, 0.92, 0.90, 0.91, 0.88, 0.90])
JITTER = np.array([1, -1, 1, -1, 1, 1, -1, -1]) * 0.001


def test_with_three_seeds_nothing_can_be_told():
    found = diagnose_answer(made({"baseline": BASE[:3], "Dropout": BASE[:3] + 0.05}))

    assert kinds(found[""]) == [("few seeds", "high")]
    assert found["Dropout"].healthy


def test_a_technique_that_changes_no_score_may_not_act_at_all():
    found = diagnose_answer(made({"baseline": BASE, "Dropout": BASE}))

    assert kinds(found["Dropout"]) == [("no effect", "medium")]


def test_a_technique_that_certainly_changes_next_to_nothing_has_no_effect():
    found = diagnose_answer(made({"baseline": BASE, "Dropout": BASE + JITTER}))

    assert kinds(found["Dropout"]) == [("no effect", "low")]
    assert "0.5 points" in found["Dropout"].findings[0].said


def test_a_technique_that_may_do_a_lot_or_nothing_is_not_called_without_effect():
    assert diagnose_answer(made({"baseline": BASE, "Dropout": BASE + 30 * JITTER}))["Dropout"].healthy


def test_a_harmful_technique_that_keeps_training_down_is_too_strong_and_its_third_is_proposed():
    answer = made({"baseline": BASE, "Dropout": BASE - 0.1 + JITTER}, train={"baseline": 0.99, "Dropout": 0.8})

    (finding,) = diagnose_answer(answer, "digits")["Dropout"].findings

    assert finding.kind == "too strong"
    assert finding.recipes == ("Dropout(rate=0.2)",)
    assert_allclose([finding.evidence["train_metric"], finding.evidence["baseline_train_metric"]], [0.8, 0.99])


def test_of_somebody_s_own_technique_no_weaker_one_is_proposed():
    answer = made({"baseline": BASE, "Dropout": BASE - 0.1 + JITTER}, train={"baseline": 0.99, "Dropout": 0.8})
    answer.recipes["Dropout"]["techniques"] = [{"technique": "Mine", "strength": 3.0}]

    (finding,) = diagnose_answer(answer, "digits")["Dropout"].findings

    assert (finding.kind, finding.recipes) == ("too strong", ())


def test_a_harmful_technique_that_trains_as_well_is_not_called_too_strong():
    answer = made({"baseline": BASE, "Dropout": BASE - 0.1 + JITTER}, train={"baseline": 0.99, "Dropout": 0.99})

    assert diagnose_answer(answer)["Dropout"].healthy


def test_more_seeds_are_advised_where_they_would_settle_it():
    gains = np.array([0.03, -0.005, 0.025, 0.01, -0.008, 0.02, 0.028, 0.001])

    (finding,) = diagnose_answer(made({"baseline": BASE, "Dropout": BASE + gains}), "digits")[""].findings

    assert (finding.kind, finding.severity) == ("few seeds", "low")
    needed, effect, detectable = (finding.evidence[name] for name in ("needed", "effect", "detectable"))
    assert needed == max(12, math.ceil(8 * (detectable / effect) ** 2))
    told = str(diagnose_answer(made({"baseline": BASE, "Dropout": BASE + gains}), "digits")[""])
    assert f"dampen compare digits --recipe 'Dropout(rate=0.6)' --epochs 30 --seeds {needed}" in told


def test_rows_in_two_parts_are_leakage():
    part = {"num_rows": 100, "exact": 3, "near": 1, "other_label": 0, "pairs": []}
    none = {**part, "exact": 0, "near": 0}
    answer = made(
        {"baseline": BASE, "Dropout": BASE + JITTER},
        overlap={"test": part, "validation": none},
        duplicates="4 of 100 test rows ...",
    )

    (finding,) = diagnose_answer(answer)[""].findings

    assert (finding.kind, finding.severity) == ("leakage", "high")
    assert_allclose(finding.evidence["share"], 0.04)
    assert finding.evidence["test_exact"] == 3


def test_a_real_comparison_with_rows_that_stand_twice():
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((150, 5)).astype("float32")
    twice = np.concatenate([inputs, inputs])
    labels = (twice[:, 0] > 0).astype(int)
    answer = dampen.compare(dampen.MLP((8,)), (twice, labels), ["Dropout"], seeds=3, epochs=6)

    found = diagnose_answer(answer)

    assert ("leakage", "high") in kinds(found[""])
    assert ("few seeds", "high") in kinds(found[""])
    assert set(found) == {"", "baseline", "default", "Dropout"}
    assert answer.protocol["overlap"]["test"]["exact"] > 0


def test_a_real_search_over_rows_that_stand_twice(tmp_path):
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((150, 5)).astype("float32")
    twice = np.concatenate([inputs, inputs])
    data = (twice, (twice[:, 0] > 0).astype(int))
    storage = tmp_path / "studies.db"

    answer = dampen.search(dampen.MLP((8,)), data, budget=2, epochs=2, seeds=2, storage=storage, ablation=False)

    assert ("leakage", "high") in kinds(diagnose_answer(answer)[""])
    assert f"Note: {answer.protocol['duplicates'][:20]}" in str(answer)


def test_something_else_is_refused():
    with pytest.raises(DampenError, match="takes a Comparison or a SearchResult; got dict"):
        diagnose_answer({"kind": "dampen diagnosis"})


def test_diagnoses_are_frozen_records():
    found = diagnose_answer(made({"baseline": BASE, "Dropout": BASE}))["Dropout"]

    with pytest.raises(dataclasses.FrozenInstanceError):
        found.epochs = 3
