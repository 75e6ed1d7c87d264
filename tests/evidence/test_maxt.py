"""The max-T test against an oracle in exact fractions that loops over every flip."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from dampen.evidence import judge
from dampen.evidence.maxt import ALPHA, corrected_p, sign_flips, simultaneous_interval

INFINITE = Fraction(10**30)


def t_squared(row):
    n, mean = len(row), sum(row) / Fraction(len(row))
    variance = sum((x - mean) ** 2 for x in row) / (n - 1)
    if variance == 0:
        return INFINITE if mean != 0 else Fraction(0)
    return n * mean**2 / variance


def p_by_enumeration(table, j):
    """Westfall and Young's p of recipe j as a plain loop; table holds Fractions, so ties are exact."""
    observed, count, num_flips = t_squared(table[j]), 0, 0
    for flip in product((1, -1), repeat=len(table[0])):
        largest = max(t_squared([s * x for s, x in zip(flip, row, strict=True)]) for row in table)
        count, num_flips = count + (largest >= observed), num_flips + 1
    return count / num_flips


def exact(table):
    return [[Fraction(float(x)) for x in row] for row in table]


def shifted(table, j, delta):
    return [[x - Fraction(float(delta)) for x in row] if k == j else row for k, row in enumerate(table)]


def random_tables(count, *, rows_of_test=None, seed=0):
    """Tables of small sizes, with and without effects; with rows_of_test full of ties, like accuracies."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        m, n = generator.integers(1, 5), generator.integers(6, 9)
        table = generator.normal(size=(m, n)) + generator.normal(size=(m, 1)) * generator.integers(0, 3)
        yield table if rows_of_test is None else np.round(2 * table) / rows_of_test


@pytest.mark.parametrize("seed", range(4))
def test_p_equals_a_loop_over_all_flips(seed):
    generator = np.random.default_rng(seed)
    table = generator.normal(size=(3, 6)) + np.array([[0.0], [0.8], [2.0]])

    expected = [p_by_enumeration(exact(table), j) for j in range(3)]

    assert_allclose(corrected_p(table), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_ties_count_although_the_scores_are_rounded(seed):
    hits = np.random.default_rng(seed).integers(-2, 4, size=(3, 6))
    table = [[Fraction(int(x)) for x in row] for row in hits]

    expected = [p_by_enumeration(table, j) for j in range(3)]

    # Through two accuracies over 360 rows, as a comparison gets them: no difference is exact any more.
    assert_allclose(corrected_p((301 + hits) / 360 - 301 / 360), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("num_seeds", [6, 9, 12])
def test_a_single_recipe_gets_the_exact_sign_flip_test(num_seeds):
    row = np.random.default_rng(num_seeds).normal(0.4, 1.0, size=num_seeds)

    reference = stats.permutation_test((row,), np.mean, permutation_type="samples", n_resamples=np.inf)

    assert_allclose(corrected_p(row[None]), [reference.pvalue], rtol=0, atol=1e-12)


def test_beyond_twelve_seeds_the_sampled_flips_come_close_to_all_flips():
    row = np.random.default_rng(5).normal(0.5, 1.0, size=14)

    reference = stats.permutation_test((row,), np.mean, permutation_type="samples", n_resamples=np.inf)

    assert sign_flips(14).shape == (10_000, 14)
    assert_allclose(sign_flips(14)[0], np.ones(14))
    assert_allclose(corrected_p(row[None]), [reference.pvalue], rtol=0, atol=0.01)


def test_the_sampled_flips_are_the_same_in_every_run():
    first = sign_flips(15).copy()
    sign_flips.cache_clear()

    assert_allclose(sign_flips(15), first)


def test_the_same_seeds_are_flipped_in_all_recipes():
    # Two copies of one recipe are one hypothesis: a joint flip charges nothing for the second.
    row = np.random.default_rng(2).normal(0.6, 1.0, size=10)

    assert_allclose(corrected_p(np.stack([row, row])), np.repeat(corrected_p(row[None]), 2))


def test_the_interval_excludes_zero_exactly_when_p_is_at_most_five_percent():
    tables = [*random_tables(200), *random_tables(200, rows_of_test=360, seed=1)]

    excluded, significant = [], []
    for table in tables:
        low, high = simultaneous_interval(table)
        excluded.extend((low > 0) | (high < 0))
        significant.extend(corrected_p(table) <= ALPHA)

    assert 50 < sum(significant) < len(significant) - 50
    assert_allclose(excluded, significant)


@pytest.mark.parametrize("seed", range(3))
def test_the_test_keeps_what_lies_inside_the_interval_and_rejects_what_lies_outside(seed):
    table = np.random.default_rng(seed).normal(0.5, 1.0, size=(2, 6))
    low, high = simultaneous_interval(table)

    for j in range(2):
        for inside, outside in ((low[j] + 1e-6, low[j] - 1e-6), (high[j] - 1e-6, high[j] + 1e-6)):
            assert p_by_enumeration(shifted(exact(table), j, inside), j) > ALPHA
            assert p_by_enumeration(shifted(exact(table), j, outside), j) <= ALPHA


def test_a_recipe_that_changes_nothing_gets_p_one_and_the_interval_zero():
    # 0/0 counts as 0: as infinity it would be the surest gain of the table.
    noise = np.random.default_rng(0).normal(size=12)

    for table in (np.zeros((1, 12)), np.stack([np.zeros(12), noise]), np.stack([np.zeros(12), np.ones(12)])):
        low, high = simultaneous_interval(table)
        assert_allclose(corrected_p(table)[0], 1.0)
        assert_allclose([low[0], high[0]], [0.0, 0.0], atol=0)


def test_a_difference_that_never_varies_gets_the_smallest_p_and_an_interval_of_no_width():
    table = np.full((1, 12), 0.013)
    low, high = simultaneous_interval(table)

    assert_allclose(corrected_p(table), 2 / 2**12)
    assert_allclose([low[0], high[0]], [0.013, 0.013])


@pytest.mark.parametrize("num_seeds", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_fewer_than_six_seeds_exclude_nothing(num_seeds, value):
    table = np.stack([np.full(num_seeds, value), np.arange(1.0, num_seeds + 1)])
    low, high = simultaneous_interval(table)

    assert (corrected_p(table) > ALPHA).all()
    assert_allclose(low, [-np.inf, -np.inf])
    assert_allclose(high, [np.inf, np.inf])


def test_a_rival_that_flips_to_a_constant_takes_the_last_of_six_seeds():
    # Its |t| is infinite under two more flips: 4 of 64 always count, and that is above five percent.
    table = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, -1.0, 1.0, 1.0, -1.0, 1.0]])
    low, high = simultaneous_interval(table)

    assert_allclose(corrected_p(table)[0], 4 / 2**6)
    assert_allclose([low[0], high[0]], [-np.inf, np.inf])


def test_six_seeds_that_agree_are_enough():
    assert_allclose(corrected_p(np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])), 2 / 2**6)


def test_under_the_null_hypothesis_five_tables_in_a_hundred_are_rejected():
    generator = np.random.default_rng(7)
    baseline, recipes = generator.normal(size=(600, 1, 9)), generator.normal(size=(600, 6, 9))

    rejected = [corrected_p(table).min() <= ALPHA for table in recipes - baseline]

    assert_allclose(np.mean(rejected), ALPHA, atol=3 * np.sqrt(0.05 * 0.95 / 600))


def test_all_intervals_of_a_table_hold_the_truth_at_once_in_ninety_five_of_a_hundred_tables():
    generator = np.random.default_rng(8)
    truth = np.array([0.0, 1.0, -0.5, 3.0])
    baseline, recipes = generator.normal(size=(400, 1, 8)), generator.normal(size=(400, 4, 8))

    held = []
    for table in recipes - baseline + truth[:, None]:
        low, high = simultaneous_interval(table)
        held.append(((low <= truth) & (truth <= high)).all())

    assert np.mean(held) > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 400)


def test_scaling_the_differences_scales_the_interval_and_keeps_p():
    table = np.random.default_rng(9).normal(0.5, 1.0, size=(3, 8))

    assert_allclose(corrected_p(1e-7 * table), corrected_p(table))
    assert_allclose(simultaneous_interval(1e-7 * table), 1e-7 * np.array(simultaneous_interval(table)))


@pytest.mark.parametrize("shift", [-0.7, 0.03, 2.0])
def test_a_constant_added_to_the_only_recipe_moves_effect_and_interval_by_it(shift):
    generator = np.random.default_rng(10)
    baseline, recipe = generator.normal(size=(2, 12))

    def find(scores):
        table = {"baseline": baseline, "recipe": scores}
        return judge(table, baseline="baseline", metric="R2", higher_is_better=True, test_over_train=0.25)[0]

    before, after = find(recipe), find(recipe + shift)

    assert_allclose(
        [after.effect, after.low, after.high, after.new_low, after.new_high],
        np.array([before.effect, before.low, before.high, before.new_low, before.new_high]) + shift,
    )
    assert_allclose(after.detectable, before.detectable)
