"""How much a search may take, and how that is divided."""

from __future__ import annotations

import itertools

import pytest

from dampen import DampenError
from dampen.study.budget import (
    ALWAYS,
    CONFIRMATION_SHARE,
    FINALISTS,
    Budget,
    affordable,
    allot,
    batches,
    duration,
    parse_budget,
    search_epochs,
    smallest_trainings,
)
from dampen.study.halving import BATCH, FEW, Course


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        (64, ("configurations", 64)),
        ("64", ("configurations", 64)),
        (64.0, ("configurations", 64)),
        ("40x", ("trainings", 40)),
        ("7.5x", ("trainings", 7.5)),
        ("90s", ("seconds", 90)),
        (" 5 m ", ("seconds", 300)),
        ("1.5h", ("seconds", 5400)),
    ],
)
def test_a_budget_is_read_as_a_person_says_it(text, budget):
    assert parse_budget(text) == Budget(*budget)
    assert parse_budget(parse_budget(text)) == Budget(*budget)


@pytest.mark.parametrize(
    "text", ["", "x", "5 minutes", "-3", "5m30s", "1e3", "nan", "inf", None, True, [], "5d", "0x10"]
)
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(DampenError, match=r"^A budget must read like 5m \(time\), 64 \(configurations\) or 40x"):
        parse_budget(text)


@pytest.mark.parametrize("text", [0, "0", "0s", "0.0m", "0x", 2.5, "2.5", "1000001", "9" * 400, "9" * 400 + "s"])
def test_nothing_half_of_one_and_a_slip_of_the_finger_are_refused(text):
    with pytest.raises(DampenError, match=r"^A budget must be( a whole number)? above 0 and at most 1,000,000; got "):
        parse_budget(text)


def test_budgets_and_durations_in_words():
    assert [str(parse_budget(b)) for b in ("64", "40x", "90s", "45s", "2h")] == [
        *("64 configurations", "40 trainings' worth", "2 min", "45 s", "2.0 h")
    ]
    assert [duration(s) for s in (0.4, 89, 90, 5399, 5400)] == ["0 s", "89 s", "2 min", "90 min", "1.5 h"]


def test_batches_hold_every_configuration_and_the_last_takes_a_small_rest():
    assert [batches(n, BATCH) for n in (1, 27, 28, 40, 41, 54, 64, 68)] == [
        *([1], [27], [28], [40], [27, 14], [27, 27], [27, 37], [27, 27, 14])
    ]
    assert [batches(n, FEW) for n in (8, 12, 14, 32)] == [[8], [12], [9, 5], [9, 9, 9, 5]]
    for count, whole in itertools.product(range(1, 300), (BATCH, FEW)):
        sizes = batches(count, whole)
        assert sum(sizes) == count
        assert all(size == whole for size in sizes[:-1]), "the n-th batch begins at n times as many"
        assert min(sizes) >= min(count, whole / 2)
    assert batches(0, BATCH) == []


@pytest.mark.parametrize("batch", [BATCH, FEW])
@pytest.mark.parametrize("epochs", [1, 2, 6, 40, 60])
def test_the_most_that_fit_are_afforded(epochs, batch):
    """Held against trying every count."""
    course = Course(epochs, 10, batch)
    costs = {count: search_epochs(count, course) for count in range(200)}

    for total in [*range(0, 90 * epochs, 7), 2.5 * epochs]:
        fitting = [count for count, cost in costs.items() if cost <= total]
        if max(fitting, default=0) < 150:
            assert affordable(total, course) == max(fitting, default=0)


def test_a_whole_batch_is_cheaper_than_one_nearly_whole():
    """It has a rung more; a budget between the two affords it."""
    assert search_epochs(27, Course(60, 10)) < search_epochs(26, Course(60, 10))
    assert affordable(search_epochs(27, Course(60, 10)), Course(60, 10)) == 27


def test_a_large_budget_is_divided_in_no_time():
    count = affordable(1e5 * 60, Course(60, 10))

    assert search_epochs(count, Course(60, 10)) <= 6e6
    assert count > 10_000


@pytest.mark.parametrize("seeds", [1, 2, 8, 12, 30])
@pytest.mark.parametrize("found", [0, 1, 3, 20])
def test_a_confirmation_holds_no_more_than_it_may(found, seeds):
    for trainings in range(3, 400):
        allotment = allot(trainings, seeds, found)
        assert (allotment.finalists + ALWAYS) * allotment.seeds <= trainings
        assert 1 <= allotment.finalists <= max(1, min(FINALISTS, found))
        assert 1 <= allotment.seeds <= seeds


def test_an_allotment_by_hand():
    assert allot(1000, 12, 20) == (4, 12)
    assert allot(48, 12, 20) == (4, 8)
    assert allot(47, 12, 20) == (3, 9)
    assert allot(31, 12, 20) == (1, 10)
    assert allot(3, 12, 20) == (1, 1)
    assert allot(0, 12, 20) == (1, 1)


@pytest.mark.parametrize("epochs", [1, 2, 3, 40])
def test_the_smallest_trainings_hold_one_configuration_searched_and_confirmed(epochs):
    least = smallest_trainings()

    course = Course(epochs, 10)
    assert affordable((1 - CONFIRMATION_SHARE) * least * epochs, course) >= 1
    assert int(CONFIRMATION_SHARE * least) >= 1 + ALWAYS
    fewer = least - 1
    assert affordable((1 - CONFIRMATION_SHARE) * fewer * epochs, course) < 1 or CONFIRMATION_SHARE * fewer < 1 + ALWAYS
