"""Which configurations are asked: repeatable, all different, and steered by what was told."""

from __future__ import annotations

import dataclasses
import math
import random

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState
from searches import space

from dampen import ClassWeights, DampenError
from dampen.recipe import parse
from dampen.study.halving import BATCH
from dampen.study.sampling import GRID_POINTS, SAMPLERS, ask, check_sampler, grid_size

QUICK = space()
SMALL = space(
    without=("MixUp", "Cutout", "BatchNorm", "InputDropout", "EarlyStopping", "RandomAffine", "OneCycle", "EMA"),
    ranges={"WeightDecay.strength": (0.01, 0.01)},
)


def planted(values):
    """Best, 0, at a learning rate of 0.003 with dropout of 0.2 and no label smoothing."""
    off = abs(math.log10(values["optimizer.lr"] / 3e-3))
    off += abs(values["Dropout.rate"] - 0.2) if values.get("Dropout") else 1.0
    return -off - (0.5 if values.get("LabelSmoothing") else 0.0)


def told(space, asked, value=planted, state=TrialState.COMPLETE):
    return [
        optuna.trial.create_trial(
            state=state,
            value=value(values) if state == TrialState.COMPLETE else None,
            params=values,
            distributions=space.distributions(values),
            intermediate_values={4: value(values)},
        )
        for values, _ in asked
    ]


def batch(sampler="tpe", trials=(), count=BATCH, seed=0, number=0, of=QUICK, higher=True):
    return ask(of, sampler, trials, count, number * BATCH, seed=seed, batch=number, higher=higher)


def values_of(asked):
    return [values for values, _ in asked]


HISTORY = told(QUICK, batch())


def test_a_third_of_the_first_batch_is_what_is_usual():
    usual, rest = batch(count=27)[:9], batch(count=27)[9:]

    at_first = usual[0]
    assert {name for name, on in at_first.values.items() if on is True} == {"OneCycle", "LabelSmoothing"}
    assert at_first.recipe == parse("LabelSmoothing + OneCycle + Adam(lr=0.003)")
    assert len({str(recipe) for _, recipe in usual}) == 9
    for other in (batch(count=27, seed=1), batch(count=27, seed=2)):
        assert [recipe for _, recipe in other[:9]] == [recipe for _, recipe in usual]
        assert not [recipe for _, recipe in other[9:] if recipe in [mine for _, mine in rest]]
    assert len([1 for _, recipe in batch(count=9) if recipe in [known for _, known in usual]]) == 3


@pytest.mark.parametrize("how", [{"sampler": "random"}, {"number": 1}], ids=["at random", "a later batch"])
def test_only_a_first_batch_that_tpe_learns_from_begins_there(how):
    assert not [recipe for _, recipe in batch(count=27, **how) if recipe in [known for _, known in batch(count=27)[:9]]]


def test_what_a_space_lacks_is_left_out_of_a_start_and_what_is_given_is_kept():
    given = space(always=("L2",), without=("LabelSmoothing", "EMA"), ranges={"optimizer.lr": (1e-4, 2e-3)})

    starts = [recipe for _, recipe in batch(of=given, count=27)[: len(given.starts)]]

    assert len(starts) == 8, "two learning rates are one now"
    assert starts[0] == parse("L2 + OneCycle + Adam(lr=0.002)")
    assert len({str(recipe) for recipe in starts}) == len(starts)
    assert not any({"LabelSmoothing", "EMA"} & {*recipe.named} for recipe in starts)


def test_classes_count_alike_where_the_metric_says_so():
    rare = dataclasses.replace(QUICK, balanced=True, techniques={**QUICK.techniques, "ClassWeights": ClassWeights()})

    assert all("ClassWeights" in on for on, _ in rare.starts)
    assert not any("ClassWeights" in on for on, _ in QUICK.starts)


@pytest.mark.parametrize("trials", [[], HISTORY], ids=["first", "later"])
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_seed_batch_and_what_was_told_decide_what_is_asked(sampler, trials):
    once = values_of(batch(sampler, trials, count=4, number=1))

    assert values_of(batch(sampler, trials, count=4, number=1)) == once
    for other in (batch(sampler, trials, 4, number=2), batch(sampler, trials, 4, seed=1, number=1)):
        assert not [values for values in values_of(other) if values in once]


def test_what_was_told_changes_what_tpe_asks():
    once = values_of(batch(trials=HISTORY, count=3, number=1))

    assert values_of(batch(trials=HISTORY[:20], count=3, number=1)) != once
    assert values_of(batch(trials=HISTORY, count=3, number=1, higher=False)) != once
    worse = told(QUICK, batch(), lambda values: -planted(values))
    assert values_of(batch(trials=worse, count=3, number=1)) != once


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_recipe_is_the_one_of_the_values(sampler):
    of = SMALL if sampler == "grid" else QUICK
    for values, recipe in batch(sampler, HISTORY if of is QUICK else [], of=of, number=1):
        assert {name for name, on in values.items() if on is True} == {*recipe.named} - of.always
        for name, value in values.items():
            if name in of.ranges:
                np.testing.assert_allclose(recipe.strengths[name], value, rtol=6e-3, atol=1e-12)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_batch_is_not_one_point_many_times(sampler):
    """Constant liar: what was asked and not answered counts as bad; the best place known does not draw everybody."""
    asked = values_of(batch(sampler, HISTORY, number=1))
    switched = {frozenset(name for name, on in values.items() if on is True) for values in asked}
    rates = np.log10([values["optimizer.lr"] for values in asked])

    assert len({tuple(values.items()) for values in asked}) == BATCH
    assert len(switched) > BATCH / 3
    assert rates.std() > 0.2


def test_the_sampler_is_told_that_others_are_under_way(monkeypatch):
    """A batch asked at once spreads wider than one whose sampler forgets what it has just asked."""
    made = optuna.samplers.TPESampler
    few = [trial for trial in HISTORY if trial.value > -1.2]
    spread = np.std(np.log10([v["optimizer.lr"] for v in values_of(batch(trials=few, of=QUICK, number=1))]))

    monkeypatch.setattr(optuna.samplers, "TPESampler", lambda **options: made(**{**options, "constant_liar": False}))
    forgetful = np.std(np.log10([v["optimizer.lr"] for v in values_of(batch(trials=few, of=QUICK, number=1))]))

    assert spread > forgetful


@pytest.mark.parametrize("pruned", [False, True], ids=["complete", "pruned"])
def test_what_was_told_steers_to_a_planted_optimum(pruned):
    """The later batch of TPE is nearer to the optimum than one at random, seed for seed (fixed here); most trials of a
    search are pruned, and teach as well."""
    gains = []
    for seed in range(4):
        state = TrialState.PRUNED if pruned else TrialState.COMPLETE
        trials = told(QUICK, batch("random", seed=seed), state=state)
        later = {name: batch(name, trials, count=8, seed=seed, number=1) for name in ("tpe", "random")}
        scores = {name: np.mean([planted(values) for values in values_of(asked)]) for name, asked in later.items()}
        gains.append(scores["tpe"] - scores["random"])

    assert np.mean(gains) > 0.3
    assert min(gains) > 0


def test_lower_is_better_where_the_metric_says_so():
    trials = told(QUICK, batch("random"), lambda values: -planted(values))

    later = values_of(batch(trials=trials, count=12, number=1, higher=False))

    assert (
        np.mean([planted(v) for v in later]) > np.mean([planted(v) for v in values_of(batch("random", number=1))]) + 0.1
    )


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_global_generators_neither_decide_nor_are_disturbed(sampler):
    of, trials = (SMALL, []) if sampler == "grid" else (QUICK, HISTORY)
    seed_everything(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist()

    once = values_of(batch(sampler, trials, count=5, number=1, of=of))

    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist()) == before
    seed_everything(2)
    assert values_of(batch(sampler, trials, count=5, number=1, of=of)) == once


# ------------------------------------------------------------------ grid


@pytest.fixture(scope="module")
def grid():
    """Every batch of the grid of a small space until it ends."""
    batches = []
    while not batches or len(batches[-1]) == BATCH:
        batches.append(batch("grid", of=SMALL, number=len(batches)))
    return batches


def test_a_grid_holds_every_configuration_once_and_ends(grid):
    """Counted by hand: 3 learning rates times, for each technique, off or its values."""
    asked = [values for each in grid for values in values_of(each)]
    ways = [
        1 + math.prod(GRID_POINTS if r.high > r.low else 1 for r in SMALL.ranges_of(n).values()) for n in SMALL.optional
    ]

    assert len(asked) == 3 * math.prod(ways)
    assert len({tuple(sorted(values.items())) for values in asked}) == len(asked)
    assert len(asked) <= grid_size(SMALL)
    assert batch("grid", of=SMALL, number=len(grid)) == []


def test_a_grid_is_the_same_whatever_was_told_so_that_two_processes_share_it(grid):
    """The second batch may begin before anything of the first is told."""
    one = values_of(batch("grid", of=SMALL, number=1))

    assert one == values_of(grid[1]) == values_of(batch("grid", told(SMALL, grid[0][:5]), of=SMALL, number=1))


def test_a_grid_touches_both_ends_of_every_range_and_its_middle(grid):
    asked = [values for each in grid for values in values_of(each)]

    for name, range_ in SMALL.ranges.items():
        found = sorted({values[name] for values in asked if name in values})
        expected = sorted({range_.point(0.0), range_.point(0.5), range_.point(1.0)})
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_an_early_end_has_seen_all_of_the_grid_a_little(grid):
    first = values_of(grid[0])

    assert len({values["optimizer.lr"] for values in first}) == 3
    for name in SMALL.optional:
        assert {values.get(name, False) for values in first} == {False, True}


def test_an_unknown_sampler_and_too_large_a_grid_are_refused():
    with pytest.raises(
        DampenError, match=r"^Unknown sampler 'tep'. Did you mean 'tpe'\? There are tpe, random, grid.$"
    ):
        check_sampler("tep", SMALL)
    with pytest.raises(
        DampenError, match=r"^A grid must have at most 100,000 points; this space has about .*Narrow it"
    ):
        check_sampler("grid", QUICK)
    check_sampler("grid", SMALL)


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
