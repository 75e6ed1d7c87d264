"""The words, one case of each."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from dampen.evidence import Evidence, conclusion, judge, plain_sentence, sentence, verdict

GAIN = Evidence(
    recipe="Dropout (rate 0.5)",
    baseline="baseline",
    metric="accuracy",
    effect=0.012,
    low=0.004,
    high=0.02,
    p=0.01,
    new_low=-0.004,
    new_high=0.028,
    new_kind="nadeau-bengio",
    detectable=0.011,
    score=0.943,
    score_sd=0.006,
    baseline_score=0.931,
    seeds=12,
    cost=1.1,
    protocol="resampled",
)
HARM = replace(GAIN, recipe="SAM", effect=-0.012, low=-0.02, high=-0.004, score=0.919)
NOTHING = replace(GAIN, recipe="MixUp", p=0.4, effect=0.002, low=-0.006, high=0.01, score=0.933)
SAME = replace(NOTHING, recipe="EMA", p=1.0, effect=0.0, low=0.0, high=0.0, detectable=0.0, score=0.931)
TOO_FEW = replace(NOTHING, seeds=4, low=-math.inf, high=math.inf, detectable=math.inf)
LOSS_GAIN = replace(GAIN, metric="log_loss", effect=0.01234, low=0.0041, high=0.0207, score=0.2, baseline_score=0.21234)
LOSS_HARM = replace(LOSS_GAIN, effect=-0.01234, low=-0.0207, high=-0.0041, score=0.21234, baseline_score=0.2)


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (GAIN, "real gain"),
        (HARM, "harmful"),
        (NOTHING, "no evidence"),
        (replace(NOTHING, effect=-0.002), "no evidence"),
        (replace(GAIN, p=0.05), "real gain"),
        (replace(GAIN, p=0.0501), "no evidence"),
    ],
)
def test_the_verdict_is_the_corrected_p_and_the_sign_of_the_effect(evidence, expected):
    assert verdict(evidence) == expected


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (
            GAIN,
            "Dropout (rate 0.5) raises test accuracy by 1.2 points (between 0.4 and 2.0); that is more than luck.",
        ),
        (HARM, "SAM lowers test accuracy by 1.2 points (between 0.4 and 2.0); that is more than luck."),
        (
            NOTHING,
            "no evidence that MixUp changes test accuracy; a gain of 1.1 points or more would have been noticed.",
        ),
        (SAME, "EMA scored the same as baseline on all 12 seeds."),
        (
            TOO_FEW,
            "no evidence that MixUp changes test accuracy; "
            "with 4 seeds no difference of any size can be told from luck; use at least 6, better 12.",
        ),
        (
            replace(TOO_FEW, seeds=6),
            "no evidence that MixUp changes test accuracy; "
            "with 6 seeds and so many recipes no gain can be told from luck; use more seeds.",
        ),
        (
            LOSS_GAIN,
            "Dropout (rate 0.5) lowers test log loss by 0.0123 (between 0.0041 and 0.0207), which is better; "
            "that is more than luck.",
        ),
        (
            LOSS_HARM,
            "Dropout (rate 0.5) raises test log loss by 0.0123 (between 0.0041 and 0.0207), which is worse; "
            "that is more than luck.",
        ),
    ],
)
def test_the_sentence_says_what_the_numbers_say(evidence, expected):
    assert sentence(evidence) == expected


def test_a_small_bound_is_never_written_as_zero():
    assert "(between 0.003 and 2.0)" in sentence(replace(GAIN, low=0.00003))


def test_large_numbers_are_written_without_an_exponent():
    evidence = replace(NOTHING, metric="mean_squared_error", detectable=1234.5)

    assert "a gain of 1230 or more" in sentence(evidence)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([], "Only the baseline was run, so there is nothing to compare."),
        (
            [GAIN, NOTHING, HARM],
            "Of the 3 changes tried, 1 helped by more than luck; the best, Dropout (rate 0.5), takes "
            "test accuracy from 93.1 % to 94.3 % (a gain of 1.2 points, between 0.4 and 2.0); "
            "1 made things worse.",
        ),
        (
            [GAIN],
            "The one change tried, Dropout (rate 0.5), helped by more than luck: it takes test accuracy "
            "from 93.1 % to 94.3 % (a gain of 1.2 points, between 0.4 and 2.0).",
        ),
        (
            [NOTHING, replace(NOTHING, detectable=0.015), SAME],
            "None of the 3 changes tried has improved test accuracy by more than luck; "
            "a gain of 1.5 points or more would have been noticed.",
        ),
        (
            [HARM],
            "The one change tried, SAM, has not improved test accuracy by more than luck; it made things worse.",
        ),
        (
            [TOO_FEW, TOO_FEW],
            "Nothing can be concluded yet: with 4 seeds no difference of any size can be told from luck; "
            "use at least 6, better 12.",
        ),
    ],
)
def test_the_conclusion_sums_up_the_table(table, expected):
    assert conclusion(table) == expected


def test_the_best_gain_has_the_largest_effect_and_not_the_smallest_p():
    better = replace(GAIN, recipe="WeightDecay", effect=0.03, p=0.04)

    assert "2 helped by more than luck; the best, WeightDecay," in conclusion([GAIN, better])


def test_a_gain_in_a_loss_is_told_as_a_fall_of_the_loss():
    generator = np.random.default_rng(0)
    baseline = generator.normal(0.3, 0.02, size=12)
    scores = {"baseline": baseline, "Dropout": baseline - 0.05 + generator.normal(0, 0.01, size=12)}

    asked = {"metric": "log_loss", "higher_is_better": False, "test_over_train": 0.25}
    found = judge(scores, baseline="baseline", **asked)

    assert verdict(found[0]) == "real gain"
    assert sentence(found[0]).startswith("Dropout lowers test log loss by 0.0")


# ------------------------------------------------------------------ for people who have never heard of points


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (GAIN, "Dropout (rate 0.5) cut the test error from 6.9 % to 5.7 %, give or take 0.8 points."),
        (HARM, "SAM raised the test error from 6.9 % to 8.1 %, give or take 0.8 points: it makes things worse."),
        (
            NOTHING,
            "Whether MixUp helps cannot be told from luck; a gain of 1.1 points or more would have been noticed.",
        ),
        (SAME, "EMA changed nothing: it scored the same as baseline with every seed."),
        (TOO_FEW, "With 4 seeds nothing can be told of MixUp."),
        (LOSS_GAIN, "Dropout (rate 0.5) lowered the test log loss from 0.212 to 0.200, give or take 0.009."),
        (
            LOSS_HARM,
            "Dropout (rate 0.5) raised the test log loss from 0.200 to 0.212, give or take 0.009: "
            "it makes things worse.",
        ),
        (
            replace(GAIN, metric="r2", baseline_score=0.5, score=0.512),
            "Dropout (rate 0.5) raised the test r2 from 0.500 to 0.512, give or take 0.008.",
        ),
        (
            replace(GAIN, metric="balanced_accuracy"),
            "Dropout (rate 0.5) cut the test error, every class counted alike, from 6.9 % to 5.7 %, "
            "give or take 0.8 points.",
        ),
        (
            replace(GAIN, effect=0.0004, low=0.00011, high=0.00069, score=0.9314),
            "Dropout (rate 0.5) cut the test error from 6.90 % to 6.86 %, give or take 0.03 points.",
        ),
    ],
)
def test_the_plain_sentence_says_what_the_numbers_say(evidence, expected):
    assert plain_sentence(evidence) == expected


@pytest.mark.parametrize(
    ("metric", "before", "after", "low", "high", "expected"),
    [
        ("log_loss", 2.3, 0.5, 1.2, 2.4, "lowered the test log loss from 2.30 to 0.50, give or take 0.60."),
        ("mse", 3.4, 1.6, 0.6, 3.0, "lowered the test mse from 3.40 to 1.60, give or take 1.20."),
        ("r2", -2.0, 0.6, 2.0, 3.2, "raised the test r2 from -2.00 to 0.60, give or take 0.60."),
        ("mse", 3400.0, 3100.0, 250.0, 350.0, "lowered the test mse from 3400 to 3100, give or take 50."),
    ],
)
def test_large_and_small_losses_keep_their_digits(metric, before, after, low, high, expected):
    effect = abs(after - before)
    made = replace(GAIN, metric=metric, baseline_score=before, score=after, effect=effect, low=low, high=high)

    assert plain_sentence(made) == f"Dropout (rate 0.5) {expected}"


def numbers_of(told):
    return [float(number) for number in re.findall(r"\d+\.\d+", told)]


def test_the_plain_sentence_never_promises_more_than_the_interval():
    """What is given or taken is rounded up and is the longer side; a size is told only where luck is ruled out."""
    generator = np.random.default_rng(0)
    for _ in range(500):
        base = generator.uniform(0.5, 0.95)
        effect, left, right = generator.uniform(0.001, 0.05), *generator.uniform(0.0003, 0.03, 2)
        made = replace(
            GAIN,
            recipe="X",
            effect=effect,
            low=effect - left,
            high=effect + right,
            p=generator.choice([0.01, 0.2]),
            baseline_score=base,
            score=base + effect,
        )
        told = plain_sentence(made)
        if made.p > 0.05:
            assert not re.search("cut|raised|lowered", told)
            continue
        before, after, slack = numbers_of(told)
        step = 10 ** -len(re.findall(r"take \d+\.(\d+)", told)[0])
        assert slack >= 100 * max(left, right) - 1e-6
        assert slack <= 100 * max(left, right) + step
        assert abs(before - 100 * (1 - base)) <= step / 2 + 1e-9
        assert abs(after - 100 * (1 - base - effect)) <= step / 2 + 1e-9
