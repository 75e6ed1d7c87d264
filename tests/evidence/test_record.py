"""What `judge` puts into the record, what it refuses, and the way to JSON and back."""

import json
import math
from dataclasses import fields

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dampen.evidence import Evidence, judge, verdict
from dampen.evidence.maxt import simultaneous_interval

GENERATOR = np.random.default_rng(3)
BASELINE = GENERATOR.normal(0.9, 0.02, size=12)
SCORES = {
    "baseline": BASELINE,
    "worse": BASELINE - 0.03 + GENERATOR.normal(0, 0.01, size=12),
    "better": BASELINE + 0.03 + GENERATOR.normal(0, 0.01, size=12),
}
ASKED = {"baseline": "baseline", "metric": "accuracy", "higher_is_better": True, "test_over_train": 0.25}


def rows_whose_mean_is(scores, num_rows=50):
    noise = GENERATOR.normal(size=(len(scores), num_rows))
    return np.asarray(scores)[:, None] + noise - noise.mean(axis=1, keepdims=True)


def test_the_record_survives_strict_json():
    for evidence in judge(SCORES, **ASKED, costs={"baseline": 2.0, "better": 3.0, "worse": 2.0}):
        text = json.dumps(evidence.to_record(), allow_nan=False)

        assert Evidence.from_record(json.loads(text)) == evidence


def test_infinity_is_a_word_and_a_missing_number_is_null():
    evidence = judge({"baseline": [0.5], "inf": [0.6]}, **ASKED)[0]

    record = json.loads(json.dumps(evidence.to_record(), allow_nan=False))

    assert (record["low"], record["high"], record["detectable"]) == ("-inf", "inf", "inf")
    assert (record["score_sd"], record["cost"]) == (None, None)
    assert record["recipe"] == "inf"  # a name stays a name
    assert Evidence.from_record(record) == evidence


def test_the_record_holds_no_verdict():
    assert "verdict" not in {field.name for field in fields(Evidence)}


def test_turned_round_it_is_what_the_other_side_is_worth():
    for evidence in judge(SCORES, **ASKED):
        turned = evidence.turned("having it")
        (other,) = judge({"baseline": SCORES[evidence.recipe], "having it": BASELINE}, **ASKED)

        assert (turned.recipe, turned.baseline) == ("having it", evidence.recipe)
        assert_allclose(
            [turned.effect, turned.score, turned.baseline_score], [other.effect, other.score, other.baseline_score]
        )
        assert_allclose([turned.low, turned.high], [-evidence.high, -evidence.low])
        assert_allclose([turned.new_low, turned.new_high], [-evidence.new_high, -evidence.new_low])
        assert verdict(turned) == {"better": "harmful", "worse": "real gain"}[evidence.recipe]
        assert_allclose(turned.turned(evidence.recipe).effect, evidence.effect)


def test_nothing_turned_round_is_not_minus_nothing():
    (evidence,) = judge({"baseline": BASELINE, "same": BASELINE}, **ASKED)

    turned = evidence.turned("having it")

    assert "-" not in "".join(map(str, (turned.effect, turned.low, turned.high, turned.new_low)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"effect": None}, r"Evidence\.effect must be a number"),
        ({"effect": "much"}, r"Evidence\.effect must be a number, .* got 'much'"),
        ({"recipe": 3}, r"Evidence\.recipe must be text; got 3"),
        ({"colour": "red"}, r"unknown \['colour'\]"),
    ],
)
def test_a_damaged_record_is_refused(changes, message):
    record = judge(SCORES, **ASKED)[0].to_record()

    with pytest.raises(ValueError, match=message):
        Evidence.from_record(record | changes)


def test_the_best_recipe_comes_first_and_the_baseline_is_not_judged_against_itself():
    assert [evidence.recipe for evidence in judge(SCORES, **ASKED)] == ["better", "worse"]
    assert judge({"baseline": BASELINE}, **ASKED) == ()


def test_the_numbers_are_those_of_the_paired_differences():
    differences = [b - a for a, b in zip(SCORES["baseline"], SCORES["better"], strict=True)]
    both = np.stack([SCORES["better"] - BASELINE, SCORES["worse"] - BASELINE])
    low, high = simultaneous_interval(both)

    found = judge(SCORES, **ASKED, costs={"baseline": 2.0, "better": 3.0, "worse": 2.0})[0]

    error = np.std(differences, ddof=1) / math.sqrt(12)
    assert_allclose(found.effect, sum(differences) / 12)
    assert_allclose([found.low, found.high], [low[0], high[0]])
    reach = (high[0] - low[0]) / 2
    wobble = 1 + (reach / error) ** 2 / (2 * (found.seeds - 1))
    assert_allclose(found.detectable, reach + 0.84 * error * wobble**0.5)
    assert_allclose([found.score, found.baseline_score], [SCORES["better"].mean(), BASELINE.mean()])
    assert_allclose(found.score_sd, np.std(SCORES["better"], ddof=1))
    assert_allclose(found.cost, 1.5)
    assert (found.seeds, found.protocol) == (12, "resampled")


def test_where_lower_is_better_the_effect_changes_its_sign():
    higher = {evidence.recipe: evidence for evidence in judge(SCORES, **ASKED)}
    lower = {evidence.recipe: evidence for evidence in judge(SCORES, **ASKED | {"higher_is_better": False})}

    for name in ("better", "worse"):
        up, down = higher[name], lower[name]
        assert_allclose([down.effect, down.low, down.high], [-up.effect, -up.high, -up.low])
        assert_allclose([down.p, down.score, down.detectable], [up.p, up.score, up.detectable])


def test_nadeau_and_bengio_double_the_interval_at_twelve_seeds_and_a_fifth_for_the_test():
    # 1 + 12 * 0.25 = 4, and its root is 2.
    found = judge(SCORES, **ASKED)[0]

    assert found.new_kind == "nadeau-bengio"
    assert_allclose(found.new_low, found.effect - 2 * (found.effect - found.low))
    assert_allclose(found.new_high, found.effect + 2 * (found.high - found.effect))


def test_a_fixed_test_gets_a_bootstrap_over_its_rows():
    rows = {name: rows_whose_mean_is(scores, 400) for name, scores in SCORES.items()}
    found = judge(SCORES, **ASKED, protocol="fixed test", row_scores=rows)[0]

    per_row = (rows["better"] - rows["baseline"]).mean(axis=0)
    half_width = 1.96 * per_row.std() / math.sqrt(400)

    assert found.new_kind == "bootstrap over test rows"
    # The bootstrap's normal approximation; 2,000 draws know it to a few per cent.
    assert_allclose(found.new_low, per_row.mean() - half_width, atol=0.1 * half_width)
    assert_allclose(found.new_high, per_row.mean() + half_width, atol=0.1 * half_width)


def test_a_fixed_test_without_rows_says_nothing_about_new_data():
    found = judge(SCORES, **ASKED, protocol="fixed test")[0]

    assert (found.new_low, found.new_high, found.new_kind) == (None, None, None)


def test_a_difference_in_the_last_bit_is_rounding():
    found = judge({"baseline": BASELINE, "same": BASELINE * (1 + 2e-16)}, **ASKED)[0]

    assert_allclose([found.p, found.effect, found.low, found.high, found.detectable], [1, 0, 0, 0, 0], atol=0)


def test_the_result_is_the_same_on_every_call():
    many_seeds = {name: np.tile(scores, 2) + GENERATOR.normal(0, 0.01, 24) for name, scores in SCORES.items()}
    rows = {name: rows_whose_mean_is(scores) for name, scores in many_seeds.items()}
    asked = ASKED | {"protocol": "fixed test", "row_scores": rows}

    assert judge(many_seeds, **asked) == judge(many_seeds, **asked)


@pytest.mark.parametrize(
    ("scores", "changes", "message"),
    [
        (
            {"baseline": BASELINE, "Dropout": BASELINE[:11]},
            {},
            "judge needs the same seeds for every recipe; 'Dropout' has 11 scores and 'baseline' has 12",
        ),
        ({"Dropout": BASELINE}, {}, r"judge needs scores of the baseline 'baseline'; got \['Dropout'\]"),
        ({"baseline": [], "Dropout": []}, {}, "judge needs at least one seed; 'baseline' has no scores"),
        (
            {"baseline": [0.5, 0.5], "SAM": [0.5, math.nan]},
            {},
            "judge needs finite scores; 'SAM' has nan at index 1",
        ),
        ({"baseline": [[0.5]], "SAM": [[0.5]]}, {}, r"one score per seed; 'baseline' has shape \(1, 1\)"),
        (SCORES, {"protocol": "cross"}, "judge needs protocol 'resampled' or 'fixed test'; got 'cross'"),
        (SCORES, {"test_over_train": None}, "judge needs test_over_train above 0; got None"),
        (SCORES, {"test_over_train": 0.0}, r"judge needs test_over_train above 0; got 0\.0"),
        (SCORES, {"costs": {"baseline": 1.0}}, "judge needs costs of every recipe; 'worse' has none"),
        (SCORES, {"row_scores": SCORES}, "judge takes row_scores with a fixed test only"),
        (
            SCORES,
            {"protocol": "fixed test", "row_scores": SCORES},
            r"judge needs row_scores of one shape \(seeds, rows\) for all recipes; 'baseline' has \(12,\)",
        ),
        (
            SCORES,
            {"protocol": "fixed test", "row_scores": dict.fromkeys(SCORES, np.zeros((12, 5)))},
            "judge needs row_scores whose mean over the rows is the score; those of 'baseline' have another",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_sentence(scores, changes, message):
    with pytest.raises(ValueError, match=message):
        judge(scores, **ASKED | changes)
