"""Scores per recipe and seed in, one `Evidence` per recipe out; one verdict, one sentence. NumPy only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from dampen.evidence.maxt import Array, corrected_p, simultaneous_interval, standard_error
from dampen.evidence.record import Evidence
from dampen.evidence.verdict import conclusion, on_new_data, plain_sentence, sentence, verdict

__all__ = ["Evidence", "conclusion", "judge", "on_new_data", "plain_sentence", "sentence", "verdict"]

Protocol = Literal["resampled", "fixed test"]
Intervals = tuple[Array, Array] | None

POWER_QUANTILE = 0.84  # of the normal distribution: 80 % of it lies below
NUM_BOOTSTRAP_DRAWS = 2_000
BOOTSTRAP_SEED = 20_250_102
SAME_SCORE = 1e-12  # relative; a difference in the last bits is rounding and counts as none


def judge(
    scores: Mapping[str, ArrayLike],
    *,
    baseline: str,
    metric: str,
    higher_is_better: bool,
    test_over_train: float | None = None,
    protocol: Protocol = "resampled",
    costs: Mapping[str, float] | None = None,
    row_scores: Mapping[str, ArrayLike] | None = None,
) -> tuple[Evidence, ...]:
    """Each recipe against the baseline: differences on the same seed, best effect first.

    scores: one score per seed and recipe, every recipe in the same order of seeds.
    test_over_train: rows of the test part / rows of the training part; needed by the protocol "resampled".
    costs: training time per recipe, the baseline included, in any one unit.
    row_scores: protocol "fixed test" only; (seeds, rows) per recipe, on the same test rows in the same order,
        and in the metric's units: the mean over the rows is the score.
    """
    _check_protocol(protocol, test_over_train, row_scores)
    table = _checked_table(scores, baseline)
    _check_names("costs", costs, table)
    sign = 1.0 if higher_is_better else -1.0
    recipes = [name for name in table if name != baseline]
    if not recipes:
        return ()
    differences = sign * np.stack([_difference(table[name], table[baseline]) for name in recipes])
    effects, p_values = differences.mean(axis=1), corrected_p(differences)
    low, high = simultaneous_interval(differences)
    detectable = _detectable((high - low) / 2, standard_error(differences), differences.shape[1])
    if protocol == "resampled":
        assert test_over_train is not None  # _check_protocol
        new = _nadeau_bengio(effects, low, high, differences.shape[1], test_over_train)
    else:
        new = _bootstrap_over_rows(_row_differences(row_scores, table, recipes, baseline, sign))
    found = [
        Evidence(
            recipe=name,
            baseline=baseline,
            metric=metric,
            effect=float(effects[j]),
            low=float(low[j]),
            high=float(high[j]),
            p=float(p_values[j]),
            new_low=None if new is None else float(new[0][j]),
            new_high=None if new is None else float(new[1][j]),
            new_kind=None if new is None else _new_kind(protocol),
            detectable=float(detectable[j]),
            score=float(table[name].mean()),
            score_sd=float(table[name].std(ddof=1)) if len(table[name]) > 1 else None,
            baseline_score=float(table[baseline].mean()),
            seeds=len(table[name]),
            cost=None if costs is None else float(costs[name] / costs[baseline]),
            protocol=protocol,
        )
        for j, name in enumerate(recipes)
    ]
    return tuple(sorted(found, key=lambda evidence: -evidence.effect))


def _detectable(reach: Array, error: Array, seeds: int) -> Array:
    """The effect whose observed value passes the interval's reach four times in five. The reach is itself an
    estimate: its relative error is that of a standard deviation, 1 / sqrt(2 (n - 1))."""
    wobble = np.square(reach) / (2 * max(seeds - 1, 1))
    return np.asarray(reach + POWER_QUANTILE * np.sqrt(np.square(error) + wobble), dtype=np.float64)


def _new_kind(protocol: Protocol) -> str:
    return "nadeau-bengio" if protocol == "resampled" else "bootstrap over test rows"


def _difference(recipe: Array, baseline: Array) -> Array:
    rounding = SAME_SCORE * np.maximum(np.abs(recipe), np.abs(baseline))
    return np.where(np.abs(recipe - baseline) <= rounding, 0.0, recipe - baseline)


def _nadeau_bengio(effects: Array, low: Array, high: Array, seeds: int, test_over_train: float) -> Intervals:
    """variance sd^2 / n -> (1/n + n_test / n_train) sd^2: the splits of one data set overlap.

    C. Nadeau and Y. Bengio, Inference for the generalization error, Machine Learning 52, 2003, section 4.
    """
    widening = math.sqrt(1.0 + seeds * test_over_train)
    return effects - widening * (effects - low), effects + widening * (high - effects)


def _bootstrap_over_rows(row_differences: Array | None) -> Intervals:
    """2.5 % and 97.5 % points of the mean over test rows, drawn with replacement from (rows, m)."""
    if row_differences is None:
        return None
    num_rows = len(row_differences)
    generator = np.random.default_rng(np.random.SeedSequence(BOOTSTRAP_SEED))
    means = np.empty((NUM_BOOTSTRAP_DRAWS, row_differences.shape[1]))
    for draw in range(NUM_BOOTSTRAP_DRAWS):
        times_drawn = np.bincount(generator.integers(num_rows, size=num_rows), minlength=num_rows)
        means[draw] = times_drawn @ row_differences / num_rows
    low, high = np.quantile(means, (0.025, 0.975), axis=0)
    return low, high


def _row_differences(
    row_scores: Mapping[str, ArrayLike] | None,
    table: Mapping[str, Array],
    recipes: list[str],
    baseline: str,
    sign: float,
) -> Array | None:
    """Mean over the seeds of recipe minus baseline, one per test row and recipe: (rows, m)."""
    if row_scores is None:
        return None
    _check_names("row_scores", row_scores, table)
    rows = {name: np.asarray(row_scores[name], dtype=np.float64) for name in table}
    for name, values in rows.items():
        _check_rows(name, values, rows[baseline], table[name])
    return sign * np.stack([(rows[name] - rows[baseline]).mean(axis=0) for name in recipes], axis=1)


def _check_protocol(protocol: str, test_over_train: float | None, row_scores: object) -> None:
    if protocol not in ("resampled", "fixed test"):
        raise ValueError(f"judge needs protocol 'resampled' or 'fixed test'; got {protocol!r}; choose one.")
    if protocol == "fixed test":
        return
    if row_scores is not None:
        raise ValueError("judge takes row_scores with a fixed test only; got 'resampled'; leave them out.")
    if test_over_train is None or not 0 < test_over_train < math.inf:
        raise ValueError(
            f"judge needs test_over_train above 0; got {test_over_train!r}; "
            "give the rows of the test part over those of the training part."
        )


def _checked_table(scores: Mapping[str, ArrayLike], baseline: str) -> dict[str, Array]:
    if baseline not in scores:
        raise ValueError(f"judge needs scores of the baseline {baseline!r}; got {sorted(scores)}; add it.")
    table = {name: np.asarray(values, dtype=np.float64) for name, values in scores.items()}
    for name, values in table.items():
        _check_scores(name, values, baseline, table[baseline])
    return table


def _check_scores(name: str, values: Array, baseline: str, expected: Array) -> None:
    if values.ndim != 1:
        raise ValueError(f"judge needs one score per seed; {name!r} has shape {values.shape}; pass a list.")
    if values.size == 0:
        raise ValueError(f"judge needs at least one seed; {name!r} has no scores; run it first.")
    if values.shape != expected.shape:
        raise ValueError(
            f"judge needs the same seeds for every recipe; {name!r} has {values.size} scores "
            f"and {baseline!r} has {expected.size}; run the missing seeds."
        )
    if not np.isfinite(values).all():
        seed = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(
            f"judge needs finite scores; {name!r} has {float(values[seed])!r} at index {seed}; "
            "give a run that diverged its worst possible score, or leave the recipe out."
        )


def _check_names(argument: str, given: Mapping[str, object] | None, table: Mapping[str, Array]) -> None:
    missing = [] if given is None else [name for name in table if name not in given]
    if missing:
        raise ValueError(f"judge needs {argument} of every recipe; {missing[0]!r} has none; add it.")


def _check_rows(name: str, rows: Array, expected: Array, scores: Array) -> None:
    if rows.ndim != 2 or rows.shape != expected.shape or len(rows) != len(scores) or rows.shape[1] == 0:
        raise ValueError(
            f"judge needs row_scores of one shape (seeds, rows) for all recipes; {name!r} has {rows.shape} "
            f"with {len(scores)} seeds; score the same test rows with every seed."
        )
    if not np.allclose(rows.mean(axis=1), scores, rtol=1e-3, atol=1e-6):
        raise ValueError(
            f"judge needs row_scores whose mean over the rows is the score; those of {name!r} have another; "
            "give them in the metric's units and in the order of the seeds."
        )
