"""Who trains on at the end of a rung."""

from __future__ import annotations

import math

import pytest

from dampen import EMA, L2, SWA, CosineAnnealing, Dropout, OneCycle, Recipe, SnapshotEnsemble
from dampen.study.halving import LATE_SHARE, Course, acts_late, epochs_of, places, survivors
from dampen.techniques import CATALOGUE

LATE = {
    "SWA": "averages the weights of the last part of a training: before that it serves the newest ones",
    "OneCycle": "large rates, which score badly, until the rate falls at the end",
    "CosineAnnealing": "the rate is small, and the scores good, at the end only",
    "SnapshotEnsemble": "predicts with the weights of several cycles: early there is one",
}


def test_techniques_that_act_late_are_these():
    """A new one is a decision, taken here with its reason."""
    assert {t.__name__ for t in CATALOGUE if getattr(t, "acts_late", False)} == set(LATE)


@pytest.mark.parametrize("technique", [SWA(), OneCycle(), CosineAnnealing(), SnapshotEnsemble()], ids=str)
def test_a_recipe_acts_late_where_one_of_its_active_techniques_does(technique):
    assert acts_late(Recipe((Dropout(0.2), technique)))
    assert not acts_late(Recipe((Dropout(0.2), EMA(), L2())))


@pytest.mark.parametrize(
    ("epochs", "count", "ends"),
    [
        (60, 27, (2, 7, 20, 60)),
        (60, 81, (2, 7, 20, 60)),
        (60, 9, (7, 20, 60)),
        (60, 26, (7, 20, 60)),
        (60, 3, (20, 60)),
        (60, 2, (60,)),
        (60, 1, (60,)),
        (60, 0, (60,)),
        (6, 27, (2, 6)),
        (5, 27, (2, 5)),
        (3, 27, (2, 3)),
        (2, 27, (2,)),
        (1, 27, (1,)),
    ],
)
def test_rungs_by_hand(epochs, count, ends):
    assert Course(epochs, 39).rungs(count) == ends


def test_an_epoch_of_many_steps_is_looked_at_at_once():
    assert Course(10, 39).rungs(32) == (2, 3, 10)
    assert Course(10, 40).rungs(32) == (1, 3, 10)
    assert Course(2, 40).rungs(32) == (1, 2)
    assert Course(1, 40).rungs(32) == (1,)
    assert Course(60, 40).rungs(27) == Course(60, 39).rungs(27)


@pytest.mark.parametrize("epochs", range(1, 200, 7))
def test_rungs_rise_from_2_to_the_last_epoch_and_every_cut_leaves_somebody(epochs):
    for count in range(90):
        ends = Course(epochs, 10).rungs(count)
        assert list(ends) == sorted(set(ends))
        assert ends[-1] == epochs
        assert ends[0] >= min(2, epochs)
        assert 3 ** (len(ends) - 1) <= max(count, 1), "at least one of three goes on at every cut"


def test_a_third_goes_on():
    assert [places(n) for n in (1, 2, 3, 4, 9, 10, 27, 28)] == [1, 1, 1, 2, 3, 4, 9, 10]


def test_the_best_go_on_and_of_equals_the_first():
    assert survivors({0: 0.1, 1: 0.9, 2: 0.5, 3: 0.9, 4: 0.2, 5: 0.3, 6: 0.0, 7: 0.0, 8: 0.0}, []) == [1, 2, 3]
    assert survivors(dict.fromkeys(range(9), 0.5), []) == [0, 1, 2]


@pytest.mark.parametrize("count", [4, 9, 27, 30, 81])
def test_those_that_act_late_get_their_share_of_the_places_however_bad_they_look(count):
    """Numbers ascend, the worst act late."""
    late = range(count // 2)

    on = survivors({i: float(i) for i in range(count)}, late)

    assert len(on) == places(count)
    kept = [i for i in on if i in late]
    assert len(kept) == math.floor(LATE_SHARE * places(count) + 0.5) > 0
    assert kept == [*late][-len(kept) :], "of these the best"
    assert [i for i in on if i not in late] == [*range(count)][-(places(count) - len(kept)) :]


def test_a_share_that_nobody_needs_is_everybody_s():
    assert survivors({i: float(i) for i in range(9)}, []) == [6, 7, 8]
    assert survivors({i: float(i) for i in range(9)}, [8]) == [6, 7, 8]
    assert survivors({i: float(i) for i in range(9)}, range(9)) == [6, 7, 8]
    assert survivors({i: float(i) for i in range(9)}, range(8)) == [6, 7, 8]


def test_who_has_no_score_never_goes_on():
    assert survivors({0: -math.inf, 1: 0.2, 2: -math.inf}, [0]) == [1]
    assert survivors({0: -math.inf, 1: -math.inf, 2: -math.inf}, [0]) == []
    assert survivors({i: -math.inf if i else 1.0 for i in range(9)}, [3, 4]) == [0]
    assert survivors({}, []) == []


def test_where_there_is_one_place_the_best_late_one_goes_on_beside_the_best():
    values = {0: 0.5, 1: 0.9, 2: 0.4}

    assert survivors(values, late=[0, 2]) == [0, 1]
    assert survivors(values, late=[1]) == [1]
    assert survivors(values, late=[]) == [1]


def test_the_epochs_of_a_race_by_hand():
    """At the end a late one may run beside the best."""
    assert epochs_of((2, 7, 20, 60), 27) == 27 * 2 + 9 * 5 + 3 * 13 + 2 * 40
    assert epochs_of((60,), 2) == 120
