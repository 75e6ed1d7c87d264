"""What a synthetic training has beside its kind: a task, epochs, a learning rate; and how its curves are observed.

* sampling: the validation part has 60 to 10,000 rows. Its error is nearly the same in every epoch, as its rows are; 3 %
  of its variance drifts while the network changes, evenly over the logarithm of the epochs. Accuracy errs with it.
* jitter: independent from epoch to epoch, in shares of the loss, smaller at chance level and at low learning rates, in
  training half of that in validation and correlated with it.
* a quarter is not `clean`: the training curve is the mean over the epoch, noise of techniques included. Half of these
  have nothing but losses and metrics, as foreign logs do, unless it is the penalty that tells.

A noise level is a range of the jitter and one of the rows, as small data sets are rough in both ways.

Every number is drawn from every other one of eight bins, so that what is tuned on one half never saw the other.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dampen.history import History

BINS = 8
MARGIN = 0.05
"""Share of a bin at either end from which nothing is drawn."""

CLASSES = (2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 80, 100)
NOISE = {
    "smooth": {"jitter": (0.002, 0.006), "rows": (1500, 10000)},
    "slight": {"jitter": (0.007, 0.017), "rows": (500, 5000)},
    "rough": {"jitter": (0.02, 0.045), "rows": (150, 1500)},
    "wild": {"jitter": (0.05, 0.1), "rows": (60, 500)},
}
"""Per noise level the jitter of the validation loss, a share of it, and the rows that it is a mean of."""

DRIFT = 0.03
"""Share of the sampling error's variance that changes in the course of training."""


class Drawn(NamedTuple):
    """A number and the bin that it was drawn from."""

    value: float
    low: float
    high: float


@dataclasses.dataclass
class Draws:
    """Numbers from the tuning half or the held-out half of every range."""

    random: np.random.Generator
    held_out: bool
    drawn: dict[str, Drawn] = dataclasses.field(default_factory=dict)

    def number(self, name: str, low: float, high: float, log: bool = False) -> float:
        start, end = (math.log(low), math.log(high)) if log else (low, high)
        number, width = 2 * self.random.integers(BINS // 2) + self.held_out, (end - start) / BINS
        within = self.random.uniform(MARGIN, 1 - MARGIN)
        ends = (start + number * width, start + (number + 1) * width)
        value, *edges = (math.exp(at) if log else at for at in (start + (number + within) * width, *ends))
        self.drawn[name] = Drawn(float(value), *map(float, edges))
        return float(value)

    def one_of(self, name: str, options: Sequence[int]) -> int:
        value = int(self.random.choice(options[self.held_out :: 2]))
        self.drawn[name] = Drawn(value, value, value)
        return value

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)


class World:
    """What a case has before it has a kind: a task, epochs, a learning rate and noise. `at` is the progress at every
    epoch's end: the share of the training's learning rates that was spent."""

    def __init__(self, draws: Draws, noise: str, schedules: Sequence[str], tasks: Sequence[str]) -> None:
        self.draws, self.random, self.noise = draws, draws.random, noise
        self.epochs = round(draws.number("epochs", 10, 200, log=True))
        self.jitter = draws.number("jitter", *NOISE[noise]["jitter"], log=True)
        self.rows = round(draws.number("rows", *NOISE[noise]["rows"], log=True))
        self.train_rows = max(2 * self.rows, 1000)
        self.spread = draws.number("spread of losses", 0.8, 1.2)
        self.task = str(self.random.choice(tasks))
        self.classes = draws.one_of("classes", CLASSES) if self.task == "accuracy" else 0
        self.link = draws.number("link", 0.5, 0.7) if self.classes == 2 else draws.number("link of many", 0.75, 1.05)
        self.chance = math.log(self.classes) if self.classes else draws.number("variance", 0.1, 10, log=True)
        self.start = draws.number("start", 0.99, 1.03)
        self.schedule = str(self.random.choice(schedules))
        self.rate = self._rate()
        self.at = np.cumsum(self.rate) / self.rate.sum()

    def _rate(self) -> np.ndarray:
        """The learning rate per epoch, its peak 1."""
        part = np.arange(self.epochs) / self.epochs
        if self.schedule == "cosine":
            return np.maximum(0.5 * (1 + np.cos(np.pi * part)), 0.01)
        if self.schedule == "steps":
            first, second = self.draws.number("first drop", 0.4, 0.6), self.draws.number("second drop", 0.65, 0.8)
            return 0.1 ** ((part >= first).astype(float) + (part >= second))
        if self.schedule == "warm-up":
            return np.minimum(1, (part + 1 / self.epochs) / self.draws.number("warm-up", 0.03, 0.15))
        return np.ones(self.epochs)

    def decline(self, time: float, tail: float) -> np.ndarray:
        """From 1 at the start towards 0; a power law is the tail."""
        return (1 - tail) * np.exp(-self.at / time) + tail * (1 + self.at / time) ** -2

    def metric(self, share: np.ndarray) -> np.ndarray:
        """The accuracy, or r2, that goes with a loss that is this share of chance."""
        if not self.classes:
            return 1 - share
        return 1 / self.classes + (1 - 1 / self.classes) * (1 - np.clip(share, 0, 1)) ** self.link

    # What the noise will be, for a true curve's share of chance.

    def damping(self, share: np.ndarray) -> np.ndarray:
        calm = np.sqrt(1 - np.clip(share, 0, 0.96))
        return calm * (0.3 + 0.7 * np.sqrt(self.rate / self.rate.max()))[: len(share)]

    def standard_error(self, loss: np.ndarray, core: np.ndarray, rows: int) -> np.ndarray:
        """Of a loss, in shares of chance: rows that it is unsure of spread it, mistakes made with confidence more."""
        unsure = np.clip(core, 0, 0.98)
        spread = np.sqrt(unsure * (1 - unsure)) + 2 * (loss - core) if self.classes else 1.5 * loss
        return self.spread * spread / math.sqrt(rows)

    def metric_noise(self, metric: np.ndarray, core: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standard error of the validation accuracy, and its jitter."""
        error = np.sqrt(np.clip(metric * (1 - metric), 1e-4, None) / self.rows)
        return error, np.hypot(0.5 * self.jitter * self.damping(core) * (1 - metric), 0.2 * error)


@dataclasses.dataclass
class Truth:
    """Expected curves, one number per epoch; losses in shares of chance. core: validation loss without what false
    confidence adds, which the noise goes with; without it, `val`. scale: what observed losses are multiplied with."""

    train: np.ndarray
    val: np.ndarray
    core: np.ndarray | None = None
    train_metric: np.ndarray | None = None
    val_metric: np.ndarray | None = None
    scale: np.ndarray | None = None
    penalty_share: np.ndarray | None = None
    outcome: str = "finished"
    accepted: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.core = self.val if self.core is None else self.core
        self.scale = np.ones(len(self.val)) if self.scale is None else self.scale


# ------------------------------------------------------------------ what is seen of it


def smooth_walk(world: World) -> np.ndarray:
    """Unit variance, as alike at two epochs as their logarithms are near (a Gaussian kernel of width 1)."""
    waves, phases = world.random.normal(size=32), world.random.uniform(0, 2 * np.pi, 32)
    return math.sqrt(2 / 32) * np.cos(np.log(np.cumsum(world.rate))[:, None] * waves + phases).sum(-1)


def heavy(world: World) -> np.ndarray:
    """Unit variance, with somewhat heavier tails than the normal distribution's."""
    return world.random.standard_t(8, world.epochs) * math.sqrt(6 / 8)


def sampled(world: World, truth: Truth, deviation: np.ndarray) -> dict[str, np.ndarray]:
    """What the rows that happen to be in a part do to the logarithm of its loss."""
    away = {}
    for part, loss, core, rows, by in (
        ("train", truth.train, truth.train, world.train_rows, world.random.normal()),
        ("val", truth.val, truth.core, world.rows, deviation),
    ):
        spread = np.sqrt(np.log1p((world.standard_error(loss, core, rows) / loss) ** 2))
        away[part] = spread * by - spread**2 / 2
    return away


def observed_losses(world: World, truth: Truth, away: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """In shares of chance."""
    shared, own = heavy(world), heavy(world)
    jitter = world.jitter * world.damping(truth.core)
    return {
        "train_loss": truth.train * np.exp(away["train"] + 0.5 * jitter * (0.6 * shared + 0.8 * own)),
        "val_loss": truth.val * np.exp(away["val"] + jitter * shared),
    }


def observed_r2(truth: Truth, seen: dict[str, np.ndarray], away: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rows that are hard to predict vary more, too: near chance level r2 knows nothing of the sample."""
    variance = {part: np.exp(np.minimum(getattr(truth, part), 1) * away[part]) for part in away}
    return {f"{part}_metric": 1 - seen[f"{part}_loss"] * truth.scale / variance[part] for part in away}


def observed_accuracies(world: World, truth: Truth, deviation: np.ndarray) -> dict[str, np.ndarray]:
    """Whole numbers of rows that are right."""
    seen = {}
    for part, rows, calm in (("train", world.train_rows, 0.5), ("val", world.rows, 1.0)):
        given = getattr(truth, f"{part}_metric")
        metric = world.metric(getattr(truth, part)) if given is None else given
        error, jitter = world.metric_noise(metric, truth.core)
        away = -deviation * error if part == "val" else error * math.sqrt(world.rows / rows) * world.random.normal()
        noisy = metric + away + calm * jitter * heavy(world)
        seen[f"{part}_metric"] = np.round(np.clip(noisy, 0, 1) * rows) / rows
    return seen


def as_logged_by_most(world: World, seen: dict[str, np.ndarray]) -> None:
    """The training curve as a mean over the epoch's steps, with the noise of techniques in it: in place."""
    for name, first in (("train_loss", 1.0), ("train_metric", world.metric(1.0))):
        seen[name] = 0.5 * (np.array([first, *seen[name][:-1]]) + seen[name])
    excess = world.draws.number("noise of techniques", 0, 0.4) * (1 - np.clip(seen["train_loss"], 0, 1))
    seen["train_loss"] = seen["train_loss"] * (1 + excess)
    with np.errstate(invalid="ignore"):  # what has diverged
        seen["train_metric"] = seen["train_metric"] - (1 - seen["train_metric"]) * excess


def other_columns(world: World, truth: Truth, seen: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What else a training of ours remembers."""
    draws, size = world.draws, world.epochs
    noise = world.random.normal(size=(2, size))
    share = truth.penalty_share
    if share is None:
        end = draws.number("penalty", 0.01, 0.4) if draws.chance(0.5) else 0.0
        penalty = end / (1 - end) * truth.train[-1]
        share = penalty / (penalty + truth.train)
    estimate = 1 + world.random.normal() / math.sqrt(2 * world.rows)
    error = world.standard_error(truth.val, truth.core, world.rows) * estimate * seen["val_loss"] / truth.val
    growth = np.log1p(world.at / 0.05) * (-0.25 if truth.penalty_share is not None else draws.number("growth", 0.1, 1))
    return {
        "val_loss_error": error * world.chance * truth.scale,
        "objective": truth.train * world.chance * truth.scale / (1 - share) * np.exp(0.02 * noise[0]),
        "penalty_share": share * np.ones(size),
        "gradient_norm": draws.number("gradient", 0.1, 3, log=True) * np.sqrt(truth.train) * np.exp(0.3 * noise[1]),
        "weight_norm": draws.number("weights", 3, 60, log=True) * (1 + growth),
        "lr": world.rate * draws.number("learning rate", 1e-4, 1e-1, log=True),
        "epochs": np.full(size, size),
        "seconds": draws.number("seconds", 0.05, 60, log=True) * world.random.uniform(0.95, 1.1, size),
    }


def observed(world: World, truth: Truth, clean: bool) -> History:
    """The history that somebody would have of it."""
    draws, size = world.draws, world.epochs
    deviation = math.sqrt(1 - DRIFT) * world.random.normal() + math.sqrt(DRIFT) * smooth_walk(world)
    away = sampled(world, truth, deviation)
    seen = observed_losses(world, truth, away)
    more = other_columns(world, truth, seen)
    seen |= observed_accuracies(world, truth, deviation) if world.classes else observed_r2(truth, seen, away)
    if not clean:
        as_logged_by_most(world, seen)
    seen |= {name: seen[name] * world.chance * truth.scale for name in ("train_loss", "val_loss")}
    if world.task == "none":
        del seen["train_metric"], seen["val_metric"]
    if clean or truth.penalty_share is not None or draws.chance(0.5):
        seen |= more
    if truth.outcome == "diverged" and clean:  # ours leaves; others' go on
        size = 1 + int(np.argmax(~(truth.scale <= 1)))
    records = [{name: float(column[epoch]) for name, column in seen.items()} for epoch in range(size)]
    outcome = truth.outcome if clean else "unknown"
    return History(records, outcome, metric="" if world.task == "none" else world.task, clean=clean)
