"""One verdict, one sentence about a recipe, one sentence about a table. All rooms call these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from dampen.evidence.maxt import ALPHA
from dampen.evidence.record import Evidence
from dampen.words import counted

Verdict = Literal["real gain", "harmful", "no evidence"]

SHARES = ("accuracy", "balanced_accuracy", "label_accuracy", "balanced_label_accuracy")  # in points, 0.012 -> 1.2
ERRORS = {
    "accuracy": "test error",
    "balanced_accuracy": "test error, every class counted alike,",
    "label_accuracy": "share of wrong labels",
    "balanced_label_accuracy": "share of wrong labels, having and lacking each counted alike,",
}
"""What is left of a share, in words."""
FEWEST_SEEDS = 6  # 2 of 2^5 flips are already more than 5 %
USUAL_SEEDS = 12


def verdict(evidence: Evidence) -> Verdict:
    """p <= 0.05 and effect > 0: real gain; p <= 0.05 and effect < 0: harmful; else no evidence."""
    if evidence.p > ALPHA:
        return "no evidence"
    return "real gain" if evidence.effect > 0 else "harmful"


def verdict_in_table(evidence: Evidence) -> str:
    """The verdict, or why there can be none."""
    return verdict(evidence) if evidence.seeds >= FEWEST_SEEDS else "too few seeds"


def sentence(evidence: Evidence) -> str:
    """The verdict in plain words, with the size of the effect or the size that could not have been missed."""
    if verdict(evidence) != "no evidence":
        return f"{evidence.recipe} {_change(evidence)}; that is more than luck."
    if evidence.low == evidence.high == 0:
        return f"{evidence.recipe} scored the same as {evidence.baseline} on all {evidence.seeds} seeds."
    sharpness = would_have_been_noticed([evidence])
    return f"no evidence that {evidence.recipe} changes {_metric(evidence)}; {sharpness}."


def plain_sentence(evidence: Evidence) -> str:
    """The same for somebody who has never heard of points and intervals, as in: LabelSmoothing cut the test error from
    4.1 % to 2.9 %, give or take 0.4 points. What is given or taken is the longer side of the interval, rounded up;
    where luck is not ruled out, no size is told at all."""
    if evidence.seeds < FEWEST_SEEDS:
        return f"With {counted(evidence.seeds, 'seed')} nothing can be told of {evidence.recipe}."
    if evidence.low == evidence.high == 0:
        return f"{evidence.recipe} changed nothing: it scored the same as {evidence.baseline} with every seed."
    if verdict(evidence) == "no evidence":
        sharpness = would_have_been_noticed([evidence])
        return f"Whether {evidence.recipe} helps cannot be told from luck; {sharpness}."
    share = evidence.metric in SHARES
    before, after = (100 * (1 - s) if share else s for s in (evidence.baseline_score, evidence.score))
    slack = max(evidence.effect - evidence.low, evidence.high - evidence.effect) * (100 if share else 1)
    if share:
        decimals = _decimals(min(abs(after - before), slack), 1)
    else:  # two or three digits of the smallest, so that a small loss stays one
        smallest = min(value for value in (abs(before), abs(after), abs(after - before)) if value > 0)
        decimals = max(0, _decimals(smallest, -9) + (1 if smallest < 1 else 2))
    slack = math.ceil(round(slack * 10**decimals, 6)) / 10**decimals
    what = ERRORS.get(evidence.metric, _metric(evidence))
    unit, taken = (" %", " points") if share else ("", "")
    did = ("cut" if share else "lowered") if after < before else "raised"
    worse = "" if verdict(evidence) == "real gain" else ": it makes things worse"
    return (
        f"{evidence.recipe} {did} the {what} from {before:.{decimals}f}{unit} to {after:.{decimals}f}{unit}, "
        f"give or take {slack:.{decimals}f}{taken}{worse}."
    )


def _decimals(smallest: float, least: int) -> int:
    """How many show at least one digit of the smallest number that is not 0."""
    return least if smallest <= 0 else max(least, -math.floor(math.log10(smallest)))


def on_new_data(evidence: Evidence) -> str:
    """What of the gain is to be expected where other rows are drawn; "" where that is not known."""
    low, high = evidence.new_low, evidence.new_high
    if low is None or high is None:
        return ""
    ends = [("-" if end < 0 else "+") + _number(evidence, end) for end in (low, high)]
    unit = " points" if evidence.metric in SHARES else ""
    none = ", so it may be none at all" if low <= 0 <= high else ""
    return f"On new data of the same kind the gain may lie anywhere from {ends[0]} to {ends[1]}{unit}{none}."


def conclusion(table: Sequence[Evidence]) -> str:
    """The whole table in one sentence, for somebody who has never heard of any of its recipes."""
    if not table:
        return "Only the baseline was run, so there is nothing to compare."
    if table[0].seeds < FEWEST_SEEDS:
        return f"Nothing can be concluded yet: {would_have_been_noticed(table)}."
    gains = [evidence for evidence in table if verdict(evidence) == "real gain"]
    if gains:
        return _best_of(gains, len(table)) + _harm_clause(table)
    return _nothing_helped(table) + _harm_clause(table)


def _best_of(gains: Sequence[Evidence], num_tried: int) -> str:
    best = max(gains, key=lambda evidence: evidence.effect)
    before, after = _level(best, best.baseline_score), _level(best, best.score)
    if num_tried == 1:
        start = f"The one change tried, {best.recipe}, helped by more than luck: it"
    else:
        start = f"Of the {num_tried} changes tried, {len(gains)} helped by more than luck"
        start += f"; the best, {best.recipe},"
    size = f"a gain of {_amount(best, best.effect)}, {_range(best)}"
    return f"{start} takes {_metric(best)} from {before} to {after} ({size})"


def _nothing_helped(table: Sequence[Evidence]) -> str:
    if len(table) == 1:
        start = f"The one change tried, {table[0].recipe}, has not improved"
    else:
        start = f"None of the {len(table)} changes tried has improved"
    start += f" {_metric(table[0])} by more than luck"
    # Harmful recipes are settled, and so is a recipe that equals the baseline on every seed.
    unsettled = [e for e in table if verdict(e) == "no evidence" and e.detectable > 0]
    return f"{start}; {would_have_been_noticed(unsettled)}" if unsettled else start


def _harm_clause(table: Sequence[Evidence]) -> str:
    num_harmful = sum(verdict(evidence) == "harmful" for evidence in table)
    if num_harmful == 0:
        return "."
    return "; it made things worse." if len(table) == 1 else f"; {num_harmful} made things worse."


def would_have_been_noticed(unsettled: Sequence[Evidence]) -> str:
    bluntest = max(unsettled, key=lambda evidence: evidence.detectable)
    seeds = bluntest.seeds
    if seeds < FEWEST_SEEDS:
        advice = f"use at least {FEWEST_SEEDS}, better {USUAL_SEEDS}"
        return f"with {counted(seeds, 'seed')} no difference of any size can be told from luck; {advice}"
    if math.isinf(bluntest.detectable):
        return f"with {seeds} seeds and so many recipes no gain can be told from luck; use more seeds"
    size = _amount(bluntest, bluntest.detectable)
    return f"a gain of {size} or more would have been noticed"


def _change(evidence: Evidence) -> str:
    """As in: raises test accuracy by 1.2 points (between 0.4 and 2.0); a loss adds: which is better."""
    raises = evidence.score > evidence.baseline_score
    lower_is_better = raises != (evidence.effect > 0)
    quality = "better" if evidence.effect > 0 else "worse"
    size = f"{_amount(evidence, evidence.effect)} ({_range(evidence)})"
    change = f"{'raises' if raises else 'lowers'} {_metric(evidence)} by {size}"
    return f"{change}, which is {quality}" if lower_is_better else change


def _range(evidence: Evidence) -> str:
    nearest, farthest = sorted((abs(evidence.low), abs(evidence.high)))
    return f"between {_number(evidence, nearest)} and {_number(evidence, farthest)}"


def _metric(evidence: Evidence) -> str:
    return "test " + evidence.metric.replace("_", " ")


def _amount(evidence: Evidence, value: float) -> str:
    return _number(evidence, value) + (" points" if evidence.metric in SHARES else "")


def _level(evidence: Evidence, score: float) -> str:
    return f"{100 * score:.1f} %" if evidence.metric in SHARES else _digits(score, 3)


def _number(evidence: Evidence, value: float) -> str:
    """Size without sign: points with one decimal for shares, else three digits; never a 0.0 that is not 0."""
    if evidence.metric not in SHARES:
        return _digits(abs(value), 3)
    points = 100 * abs(value)
    return f"{points:.1f}" if points >= 0.1 or points == 0 else _digits(points, 1)


def _digits(value: float, num_digits: int) -> str:
    return np.format_float_positional(value, precision=num_digits, fractional=False, trim="-")
