"""What things are expected to take, by hand."""

from __future__ import annotations

import numpy as np

from dampen.study.halving import Course
from dampen.study.pace import Pace


def pace(**how):
    """An epoch of a pack of k takes 1 + 2 k seconds, beginning with one 10."""
    return Pace(0.0, [(1, 3.0), (4, 9.0)], packs=2, setup=10.0, **how)


def test_whole_trainings_stand_in_as_many_packs_as_before_or_everybody_alone():
    np.testing.assert_allclose(pace().trainings(6, 5, 3), 5 * (2 * 6 + 2) + 2 * 10)
    np.testing.assert_allclose(pace().trainings(6, 5, 1), 5 * (2 * 6 + 1) + 10)
    np.testing.assert_allclose(pace(apart=True).trainings(6, 5, 3), 5 * (2 * 6 + 6) + 6 * 10)


def test_a_race_begins_anew_at_every_rung():
    """Three configurations beside two for 20 epochs, then two (a late one beside the best) for 40."""
    course = Course(60, 10)
    np.testing.assert_allclose(pace().race(3, course, 2), 20 * (2 * 5 + 2) + 20 + 40 * (2 * 4 + 2) + 20)
    np.testing.assert_allclose(pace(apart=True).race(3, course, 2), 20 * (2 * 5 + 5) + 50 + 40 * (2 * 4 + 4) + 40)
