"""How much a search may take, and what of it goes to searching and to confirming what was found."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any, NamedTuple

from ..errors import DampenError
from .halving import Course, epochs_of

CONFIRMATION_SHARE = 0.4
"""Of a budget in seconds or trainings, so much is kept for confirming what was found."""
FINALISTS = 4
"""At most so many of the best configurations are confirmed, besides baseline and default."""
USUAL_SEEDS_OF_A_FINALIST = 8
"""Another finalist is worth having where each still gets so many seeds."""
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
LARGEST = 1_000_000
"""Of any unit: more is a slip of the finger."""
ALWAYS = 2
"""Baseline and default, which run to the end of the first batch and in every confirmation."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """seconds: of the whole, from the command's start. trainings: epochs, in trainings' worth of them.
    configurations: how many are searched; confirming comes on top."""

    kind: str
    amount: float

    def __str__(self) -> str:
        if self.kind == "seconds":
            return duration(self.amount)
        return f"{self.amount:g} {self.kind}" if self.kind == "configurations" else f"{self.amount:g} trainings' worth"


def duration(seconds: float) -> str:
    """As a person says it: 45 s, 5 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def parse_budget(text: Any) -> Budget:
    """A budget from 64 (configurations), "40x" (trainings' worth of epochs), "90s", "5m" or "2h"."""
    if isinstance(text, Budget):
        return text
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|x|)\s*", str(text))
    if isinstance(text, bool) or found is None:
        raise DampenError(f"A budget must read like 5m (time), 64 (configurations) or 40x (trainings); got {text!r}.")
    amount, unit = float(found[1]), found[2]
    kind = "configurations" if not unit else "trainings" if unit == "x" else "seconds"
    if not 0 < amount <= LARGEST or (kind == "configurations" and amount != int(amount)):
        whole = " a whole number" if kind == "configurations" else ""
        raise DampenError(f"A budget must be{whole} above 0 and at most {LARGEST:,}; got {text!r}.")
    return Budget(kind, amount * UNITS.get(unit, 1.0))


def batches(count: int, size: int) -> list[int]:
    """How many configurations are asked together: batches of `size`, the last one takes what is left if that is less
    than half a batch."""
    sizes = [size] * (count // size)
    rest = count - sum(sizes)
    if not sizes or rest >= size / 2:
        return [*sizes, rest] if rest else sizes
    return [*sizes[:-1], sizes[-1] + rest]


def search_epochs(count: int, course: Course) -> int:
    """Epochs that a search of so many configurations trains, baseline and default included."""
    return ALWAYS * course.epochs + sum(epochs_of(course.rungs(size), size) for size in batches(count, course.batch))


def affordable(total_epochs: float, course: Course) -> int:
    """The most configurations whose search trains at most so many epochs. Looked for among all counts: a whole batch
    has a rung more than a smaller one, and may train fewer epochs."""
    always = ALWAYS * course.epochs
    size, batch = course.batch, search_epochs(course.batch, course) - always
    whole = max(0, int((total_epochs - always) // batch))
    before = max(0, whole - 1)  # the last one may take a small rest
    left, first = total_epochs - before * batch, size * (whole - before)
    fitting = [count for count in range(first, first + size) if search_epochs(count, course) <= left]
    return size * before + max(fitting, default=0)


class Allotment(NamedTuple):
    """finalists: how many configurations are confirmed. seeds: of each, and of baseline and default."""

    finalists: int
    seeds: int


def allot(trainings: int, seeds: int, found: int) -> Allotment:
    """What a confirmation of so many trainings holds; at least one finalist with one seed. found: how many
    configurations there are to confirm."""
    most = max(1, min(FINALISTS, found))
    for finalists in range(most, 1, -1):
        if trainings // (finalists + ALWAYS) >= min(seeds, USUAL_SEEDS_OF_A_FINALIST):
            return Allotment(finalists, min(seeds, trainings // (finalists + ALWAYS)))
    return Allotment(1, max(1, min(seeds, trainings // (1 + ALWAYS))))


def too_small(given: str, enough: str) -> DampenError:
    return DampenError(
        "The budget must hold one configuration, the baseline and the default, searched and confirmed; "
        f"{given} do not. Give it {enough}."
    )


def smallest_trainings() -> int:
    """The fewest trainings' worth that hold one configuration, baseline and default, once to search and once to
    confirm."""
    once = 1 + ALWAYS
    return math.ceil(max(once / (1 - CONFIRMATION_SHARE), once / CONFIRMATION_SHARE))
