"""One recipe against another where every seed is judged by the same test rows: seeds and rows are both samples.

The variance of the mean difference is the sum of two: of the seeds' means over the number of seeds, and of the rows'
means over the number of rows. What seeds and rows do together is counted in both: never too narrow. Degrees of freedom
by Satterthwaite. Art B. Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1, 2007, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from dampen.evidence import POWER_QUANTILE
from dampen.evidence.maxt import ALPHA, Array
from dampen.evidence.record import Evidence


def confirm(
    rows: Mapping[str, ArrayLike], recipes: Sequence[str], *, against: str, metric: str, higher_is_better: bool
) -> tuple[Evidence, ...]:
    """Each of the recipes against another one, in the order given.

    rows: per recipe (seeds, rows), what each test row adds to the score under each seed; the mean is the score. Seeds
    and rows in the same order for all. p is corrected for the number of recipes (Holm), the interval likewise
    (Bonferroni).
    """
    table = {name: np.asarray(rows[name], dtype=np.float64) for name in (against, *recipes)}
    shapes = {values.shape for values in table.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2 or 0 in next(iter(shapes)):
        raise ValueError(f"confirm needs rows of one shape (seeds, rows); got {sorted(shapes)}; score the same rows.")
    sign = 1.0 if higher_is_better else -1.0
    measured = [_measured(sign * (table[name] - table[against])) for name in recipes]
    p_values = holm([_p(*each) for each in measured])
    return tuple(
        _evidence(name, against, metric, each, p, len(recipes), table)
        for name, each, p in zip(recipes, measured, p_values, strict=True)
    )


def _measured(differences: Array) -> tuple[float, float, float]:
    """(mean, standard error, degrees of freedom) of differences (seeds, rows)."""
    num_seeds, num_rows = differences.shape
    if num_seeds < 2 or num_rows < 2:
        return float(differences.mean()), math.inf, 1.0
    of_seeds = float(differences.mean(1).var(ddof=1)) / num_seeds
    of_rows = float(differences.mean(0).var(ddof=1)) / num_rows
    variance = of_seeds + of_rows
    if variance == 0:
        return float(differences.mean()), 0.0, float(num_seeds - 1)
    freedom = variance**2 / (of_seeds**2 / (num_seeds - 1) + of_rows**2 / (num_rows - 1))
    return float(differences.mean()), math.sqrt(variance), freedom


def _p(effect: float, error: float, freedom: float) -> float:
    if effect == 0:
        return 1.0
    return float(2 * stdtr(freedom, -abs(effect) / error)) if error else 0.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm 1979: the smallest p times m, the next times m - 1, ..., never falling."""
    order = np.argsort(p_values)
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = largest
    return corrected


def _evidence(
    name: str,
    against: str,
    metric: str,
    measured: tuple[float, float, float],
    p: float,
    m: int,
    table: Mapping[str, Array],
) -> Evidence:
    effect, error, freedom = measured
    reach = float(stdtrit(freedom, 1 - ALPHA / (2 * m))) * error if error else 0.0
    scores = table[name].mean(1)
    return Evidence(
        recipe=name,
        baseline=against,
        metric=metric,
        effect=effect,
        low=effect - reach,
        high=effect + reach,
        p=p,
        new_low=None,
        new_high=None,
        new_kind=None,
        detectable=reach + POWER_QUANTILE * error,
        score=float(scores.mean()),
        score_sd=float(scores.std(ddof=1)) if len(scores) > 1 else None,
        baseline_score=float(table[against].mean()),
        seeds=len(scores),
        cost=None,
        protocol="confirmed",
    )
