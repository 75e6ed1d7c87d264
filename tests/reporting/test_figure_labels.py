"""Where labels go, what lies on the front, and which colours letters may have."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from dampen.reporting.figures.comparison import pareto
from dampen.reporting.figures.effects import limits
from dampen.reporting.figures.labels import spread
from dampen.reporting.figures.style import CONTRAST, OKABE_ITO, PAPER, contrast, ink, number, percent, short


@pytest.mark.parametrize("seed", range(5))
def test_labels_are_moved_as_little_as_can_be(seed):
    """Against a general solver of the same problem: least squares, gaps of at least 10, from 0 to 100."""
    wanted = np.sort(np.random.default_rng(seed).uniform(0, 100, 6))
    gaps = {"type": "ineq", "fun": lambda y: np.diff(y) - 10}

    best = minimize(
        lambda y: ((y - wanted) ** 2).sum(), np.linspace(0, 100, 6), bounds=[(0, 100)] * 6, constraints=gaps
    )

    assert_allclose(spread(wanted, 10, 0, 100), best.x, atol=0.01)


def test_labels_keep_their_order_whatever_order_they_come_in():
    assert_allclose(spread([50, 10, 51], 10, 0, 100), [45.5, 10, 55.5])


def test_too_many_labels_for_the_room_start_at_its_lower_end():
    assert_allclose(spread([5, 5, 5], 10, 0, 15), [0, 10, 20])


def test_the_front_is_what_none_dominates():
    points = np.random.default_rng(0).normal(size=(60, 2))

    front = pareto(points)

    undominated = [i for i, (cost, gain) in enumerate(points) if not any(c <= cost and g > gain for c, g in points)]
    assert sorted(front) == undominated
    assert (np.diff(points[front, 0]) > 0).all()


def test_an_axis_holds_everything_unless_something_is_very_far_off():
    low, high = limits([(-1.0, 0.5, 2.0), (-2.0, 0.0, 1.0)])
    assert low < -2 < 2 < high

    low, high = limits([(-1.0, 0.5, 1.0)] * 5 + [(-60.0, -40.0, -10.0)])
    assert -2 < low < -1
    assert 1 < high < 2


@pytest.mark.parametrize("rows", [[(-np.inf, 0.0, np.inf)], [(0.0, 0.0, 0.0)], [(np.nan, 0.1, np.nan)]])
def test_an_axis_has_a_length_whatever_the_numbers(rows):
    low, high = limits(rows)

    assert np.isfinite([low, high]).all()
    assert low < 0 < high


@pytest.mark.parametrize("colour", OKABE_ITO)
def test_letters_in_the_colour_of_a_line_can_be_read(colour):
    assert contrast(ink(colour), PAPER) >= CONTRAST


def test_contrast_is_that_of_wcag():
    assert_allclose(contrast("#ffffff", "#000000"), 21)
    assert_allclose(contrast("#777777", "#ffffff"), 4.48, atol=0.005)


def test_numbers_are_short():
    assert [number(v) for v in (0.12345, -2.0, 1234.5, 0.0)] == ["0.123", "\N{MINUS SIGN}2", "1,230", "0"]
    assert [percent(v) for v in (0.1234, 0.9999, 1.0)] == ["12.3 %", "100 %", "100 %"]


def test_a_name_is_one_line_without_hidden_letters():
    assert short("a\n\tb\x00\u200bc\ud800") == "a b c"
    assert short("x" * 30) == "x" * 30
    assert short("a" * 20 + "b" * 20) == "a" * 20 + "…" + "b" * 9


def test_wide_letters_take_the_room_of_more():
    assert short("W" * 30) == "W" * 12 + "…" + "W" * 5
    assert short("W" * 18) == "W" * 18
