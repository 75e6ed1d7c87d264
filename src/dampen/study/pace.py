"""How long things take: learned from what ran, used to keep a budget in seconds and to say how long is left."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import numpy as np

from .halving import Course, stages

MOST_SEEN = 400
"""Epochs that the pace remembers: machines drift."""


@dataclasses.dataclass
class Pace:
    """An epoch of a pack of k members takes a + b * k seconds; beginning with a new pack takes some on top.

    began: when the budget's time began, by time.perf_counter. packs: how many packs the members of a rung stood in.
    apart: whether everybody trains alone."""

    began: float
    seen: list[tuple[int, float]] = dataclasses.field(default_factory=list)
    packs: int = 1
    setup: float = 0.0
    apart: bool = False

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.began

    def learn(self, members: int, seconds: float) -> None:
        """An epoch of a pack of so many members took so long."""
        self.seen = [*self.seen[-MOST_SEEN:], (members, seconds)]

    def epoch(self, members: int, packs: float = 1.0) -> float:
        """Seconds of an epoch of so many members in so many packs."""
        if not self.seen:
            return 0.0
        sizes, seconds = np.array(self.seen, dtype=float).T
        if np.ptp(sizes) == 0:
            return float(seconds.mean() * members / sizes[0])
        slope, start = np.polyfit(sizes, seconds, 1)
        slope = max(slope, seconds.sum() / sizes.sum() / 10)
        start = max(0.0, float((seconds - slope * sizes).mean()))
        return float(slope * members + start * packs)

    def race(self, configurations: int, course: Course, always: int = 0) -> float:
        """Seconds of a race of so many configurations, beside `always` members that run to its end."""
        total = 0.0
        for stretch, count in stages(course.rungs(configurations), configurations):
            packs = self._packs(count + always, count + always)
            total += stretch * self.epoch(count + always, packs) + self.setup * packs
        return total

    def trainings(self, count: int, epochs: int, recipes: int) -> float:
        """Seconds of so many whole trainings of so many recipes."""
        packs = self._packs(count, recipes)
        return epochs * self.epoch(count, packs) + self.setup * packs

    def _packs(self, members: int, recipes: int) -> int:
        return members if self.apart else min(self.packs, recipes)

    def most_trainings(self, seconds: float, epochs: int, recipes: int) -> int:
        """How many of them fit in so many seconds."""
        count = 0
        while count < 5000 and self.trainings(count + recipes, epochs, recipes) <= seconds:
            count += recipes
        return count

    def largest_race(self, seconds: float, course: Course, most: int, always: int) -> int:
        """The most configurations, up to `most`, whose race fits in so many seconds; 0 where none does."""
        fitting: Sequence[int] = [n for n in range(1, most + 1) if self.race(n, course, always) <= seconds]
        return max(fitting, default=0)
