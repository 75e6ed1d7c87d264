"""Nothing is lost: a study that is killed at any moment, again and again, ends like one that never was."""

from __future__ import annotations

import datetime
import random

import pytest
from search_workers import killed_again_and_again, same, settings, undisturbed

KILLS = 5


@pytest.mark.parametrize("budget", [10, "16x"], ids=["configurations", "trainings"])
def test_a_study_that_is_killed_again_and_again_ends_like_one_that_never_was(budget, tmp_path):
    chosen = settings(budget)
    expected = undisturbed(tmp_path, chosen)
    seed = f"{datetime.date.today()} {budget}"
    print(f"moments drawn from {seed}")

    for folder, storage, killed in killed_again_and_again(expected, tmp_path, KILLS, random.Random(seed), chosen):
        print(*killed, sep="\n")
        same(storage, folder, expected)
