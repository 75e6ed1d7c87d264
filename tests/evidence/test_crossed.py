"""Evidence where seeds and test rows are both samples, held against simulations of just that."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dampen.evidence import verdict
from dampen.evidence.crossed import confirm

ACCURACY = {"metric": "accuracy", "higher_is_better": True}


def differences(generator, seeds, rows, sd_seeds, sd_rows, sd_both, effect):
    """A two-way model: what a seed, a row and both together add to the difference."""
    of_seeds = generator.normal(0, sd_seeds, (seeds, 1))
    of_rows = generator.normal(0, sd_rows, (1, rows))
    return effect + of_seeds + of_rows + generator.normal(0, sd_both, (seeds, rows))


def against_zeros(values, **options):
    """Evidence of scores that are these differences, the other recipe's all 0."""
    rows = {"a": values, "b": np.zeros_like(values)}
    return confirm(rows, ["a"], against="b", **{**ACCURACY, **options})[0]


@pytest.mark.parametrize(
    ("seeds", "rows", "sd_seeds", "sd_rows", "sd_both"),
    [
        (12, 300, 0.01, 0.2, 0.3),
        (6, 50, 0.1, 0.1, 0.1),
        (12, 40, 0.2, 0.0, 0.5),
        (8, 100, 0.0, 0.5, 0.1),
        (6, 30, 0, 0, 1),
    ],
    ids=["digits", "even", "seeds differ", "rows differ", "neither"],
)
def test_the_interval_holds_the_truth_95_times_in_100_and_p_is_no_smaller_than_chance(
    seeds, rows, sd_seeds, sd_rows, sd_both
):
    generator, effect = np.random.default_rng(0), 0.1
    held, p_values = 0, []
    for _ in range(2000):
        noise = differences(generator, seeds, rows, sd_seeds, sd_rows, sd_both, 0.0)
        evidence = against_zeros(noise + effect)
        held += evidence.low <= effect <= evidence.high
        p_values.append(against_zeros(noise).p)

    assert held >= 0.94 * 2000
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(p_values) <= level) <= level + 3 * math.sqrt(level * (1 - level) / 2000)


def test_an_interval_over_seeds_alone_would_be_too_narrow():
    """Where rows differ, more seeds do not help: else the test above would show little."""
    generator, held = np.random.default_rng(0), {1.0: 0, 0.3: 0}
    for _ in range(300):
        evidence = against_zeros(differences(generator, 12, 30, 0.01, 0.3, 0.1, 0.1))
        for share in held:
            held[share] += abs(evidence.effect - 0.1) <= share * (evidence.high - evidence.effect)

    assert held[1.0] >= 0.93 * 300
    assert held[0.3] < 0.6 * 300


def test_a_large_gain_is_seen_and_its_size_is_the_mean_difference():
    generator = np.random.default_rng(1)
    base = generator.random((8, 60))
    better = base + differences(generator, 8, 60, 0.01, 0.02, 0.05, 0.1)

    (evidence,) = confirm({"a": better, "b": base}, ["a"], against="b", **ACCURACY)

    assert verdict(evidence) == "real gain"
    np.testing.assert_allclose(evidence.effect, (better - base).mean())
    np.testing.assert_allclose([evidence.score, evidence.baseline_score], [better.mean(), base.mean()])
    np.testing.assert_allclose(evidence.score_sd, better.mean(1).std(ddof=1))
    assert 0 < evidence.low < evidence.effect < evidence.high
    assert evidence.detectable > evidence.high - evidence.effect
    assert (evidence.seeds, evidence.protocol, evidence.baseline) == (8, "confirmed", "b")


def test_lower_is_better_turns_the_effect_round():
    values = differences(np.random.default_rng(1), 8, 60, 0.01, 0.02, 0.05, 0.3)

    up = against_zeros(values, metric="mse")
    down = against_zeros(values, metric="mse", higher_is_better=False)

    np.testing.assert_allclose([down.effect, down.low, down.high], [-up.effect, -up.high, -up.low])
    assert down.p == up.p
    assert (verdict(up), verdict(down)) == ("real gain", "harmful")
    assert down.score == up.score


def test_the_formula_by_hand():
    """Two seeds, two rows: seeds' means -1, 3 and rows' means 0, 2; half the variance of each, 4 and 1, on 1 degree of
    freedom each: 25 / (16 + 1) together."""
    from scipy import stats

    evidence = against_zeros(np.array([[-2.0, 0.0], [2.0, 4.0]]))

    freedom, error = 25 / 17, math.sqrt(5)
    np.testing.assert_allclose(evidence.effect, 1.0)
    np.testing.assert_allclose(evidence.p, 2 * stats.t.sf(1 / error, freedom))
    np.testing.assert_allclose(evidence.high - 1.0, stats.t.ppf(0.975, freedom) * error)


def test_no_difference_gives_p_1():
    same = np.random.default_rng(0).random((6, 20))

    (evidence,) = confirm({"a": same, "b": same.copy()}, ["a"], against="b", **ACCURACY)

    assert (evidence.p, evidence.effect, evidence.low, evidence.high, evidence.detectable) == (1, 0, 0, 0, 0)
    assert verdict(evidence) == "no evidence"


@pytest.mark.parametrize("shape", [(1, 50), (1, 1), (6, 1)])
def test_one_seed_or_one_row_says_nothing(shape):
    evidence = against_zeros(np.full(shape, 0.5))

    assert (evidence.p, evidence.low, evidence.high, evidence.detectable) == (1.0, -math.inf, math.inf, math.inf)
    assert evidence.effect == 0.5
    assert verdict(evidence) == "no evidence"


def test_p_is_corrected_by_holm_and_intervals_are_wider_for_more_recipes():
    generator = np.random.default_rng(3)
    rows = {
        name: differences(generator, 8, 40, 0.02, 0.1, 0.1, e) for name, e in zip("abc", (0.03, 0.0, 0.1), strict=True)
    }
    rows["base"] = np.zeros((8, 40))
    alone = {name: confirm(rows, [name], against="base", **ACCURACY)[0] for name in "abc"}

    together = confirm(rows, ["a", "b", "c"], against="base", **ACCURACY)

    assert [e.recipe for e in together] == ["a", "b", "c"]
    ranked = sorted("abc", key=lambda name: alone[name].p)
    expected, largest = {}, 0.0
    for place, name in enumerate(ranked):
        largest = max(largest, min(1.0, (3 - place) * alone[name].p))
        expected[name] = largest
    np.testing.assert_allclose([e.p for e in together], [expected[name] for name in "abc"])
    for e in together:
        assert e.high - e.low > alone[e.recipe].high - alone[e.recipe].low
        assert e.effect == alone[e.recipe].effect


def test_holm_keeps_the_error_of_a_family_under_5_percent():
    generator, wrong = np.random.default_rng(4), 0
    for _ in range(500):
        rows = {str(n): differences(generator, 8, 40, 0.05, 0.1, 0.2, 0.0) for n in range(5)} | {
            "base": np.zeros((8, 40))
        }
        found = confirm(rows, [str(n) for n in range(5)], against="base", **ACCURACY)
        wrong += any(verdict(e) != "no evidence" for e in found)

    assert wrong <= 0.05 * 500 + 3 * math.sqrt(0.05 * 0.95 * 500)


@pytest.mark.parametrize("other", [np.zeros((3, 4)), np.zeros((2, 5)), np.zeros(8), np.zeros((0, 4))])
def test_rows_of_another_shape_are_refused(other):
    with pytest.raises(
        ValueError, match=r"^confirm needs rows of one shape \(seeds, rows\); got .*; score the same rows"
    ):
        confirm({"a": np.zeros((2, 4)), "b": other}, ["a"], against="b", **ACCURACY)
