"""Synthetic trainings whose truth is known: ten kinds, four noise levels, for scoring `diagnose`.

A case begins with expected curves (no noise), in shares of the chance level: ln(classes), or the variance of what is
predicted. What is observed is then drawn by `synthetic_worlds`, which says how.

What counts as true, so that a careful person with this picture would say it, too (else the case is drawn again):

* overfitting, of both kinds: from its minimum to the end the expected validation loss rises by 3 times the jitter, by
  its standard error and by 5 %; where the metric falls, that by as much in its own noise, and by a point. At the two
  lower noise levels the curve is bent enough for its minimum to be placed with a standard error of one epoch.
* label noise: the validation metric falls by 3 times its jitter, twice its standard error and 6 points. Such a curve
  is one of overfitting, too, and both are accepted; only the wrong labels' name is where the training metric stands
  still at the share of right labels for a fifth of the training (3 epochs at least) before it climbs on.
* leakage: validation better by 3 standard errors of the difference and 3 times the jitter in nine of ten epochs.
* not converged: over the last quarter the expected validation loss falls by 4 times the jitter and by 5 %.
* unstable learning rate: in a fifth of the epochs, three at least, training loss is 1.4 times that before;
  in a tenth, three at least, where it is a mean over the epoch.
* too strong: a penalty that is most of the objective, or much of it at chance level. It is underfitting as well, so
  that is accepted beside it.
* healthy: expected validation loss is never more than 0.3 % above an earlier one and falls by no more than 1 % over the
  last sixth; it lies below 45 % of chance and, against training, by at most 5 % of chance above.
* overfitting where no metric was logged: overfitting of the loss is accepted, too; nothing tells them apart.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from synthetic_worlds import DRIFT, NOISE, Drawn, Draws, Truth, World, observed

from dampen.history import History

STEADY, FALLING = ("constant", "warm-up"), ("cosine", "steps")


@dataclasses.dataclass(frozen=True)
class Case:
    """kind: "healthy" or one of `dampen.diagnosis.KINDS`. accepted: the kinds of finding that are right. noise: a name
    in NOISE. onset: of overfitting, the epoch (from 1) of the least expected validation loss, else None. expected: the
    validation loss without noise. parameters: what it was drawn from."""

    history: History
    kind: str
    accepted: frozenset[str]
    noise: str
    onset: int | None
    expected: tuple[float, ...]
    parameters: dict[str, Drawn]


# ------------------------------------------------------------------ what is fair


def last(values: np.ndarray, share: float) -> np.ndarray:
    return values[-max(3, round(share * len(values))) :]


def jitter_of(world: World, truth: Truth) -> np.ndarray:
    return world.jitter * world.damping(truth.core) * truth.val


def error_of(world: World, truth: Truth) -> np.ndarray:
    return world.standard_error(truth.val, truth.core, world.rows)


def is_calm(truth: Truth) -> bool:
    """It neither rises nor has still somewhere to go."""
    end = last(truth.val, 1 / 6)
    rises = (truth.val / np.minimum.accumulate(truth.val)).max() - 1
    return bool(rises <= 0.003 and 1 - end[-1] / end[0] <= 0.01)


def shows_rise(world: World, truth: Truth) -> bool:
    """The validation loss rises for all to see, after a minimum with something on either side."""
    least, size = int(truth.val.argmin()), len(truth.val)
    if not (1 <= least <= size - 4 and least < 0.75 * size):
        return False
    rise, jitter = last(truth.val, 0.1).mean() - truth.val[least], jitter_of(world, truth)
    seen = rise >= max(3 * jitter[-1], error_of(world, truth)[least], 0.05 * truth.val[least])
    return bool(seen) and (world.noise in ("rough", "wild") or error_of_onset(world, truth) <= 1)


def error_of_onset(world: World, truth: Truth) -> float:
    """Standard error, in epochs, of the minimum of the parabola through the best window around the true one."""
    least, size = int(truth.val.argmin()), len(truth.val)
    jitter, errors = jitter_of(world, truth)[least], []
    spent = np.cumsum(world.rate)
    slope = error_of(world, truth)[least] * math.sqrt(DRIFT) * world.rate[least] / spent[least]
    for half in range(1, min(least, size - 1 - least, 20) + 1):
        away = np.arange(-half, half + 1)
        bend, tilt, _ = np.polyfit(away, truth.val[least - half : least + half + 1], 2)
        if bend > 0:
            errors.append(math.hypot(tilt, jitter / math.sqrt((away**2).sum()), slope) / (2 * bend))
    return min(errors, default=math.inf)


def shows_fall(world: World, truth: Truth, errors: float, least: float) -> bool:
    """The validation metric falls for all to see."""
    best, end = int(truth.val_metric.argmax()), last(truth.val_metric, 0.1).mean()
    error, jitter = (noise[best] for noise in world.metric_noise(truth.val_metric, truth.core))
    return bool(truth.val_metric[best] - end >= max(errors * error, 3 * jitter, least))


# ------------------------------------------------------------------ the kinds: expected curves, None where unfair


def plain(world: World, floors: tuple[float, float], times: tuple[float, float]) -> Truth:
    """Down to a floor, training a bit below validation, both a bit lower at lower learning rates."""
    floor, gap = world.draws.number("floor", *floors), world.draws.number("gap", 0.001, 0.05)
    excess, tail = world.draws.number("excess", 0, 0.2), world.draws.number("tail", 0, 0.5)
    decline = world.decline(world.draws.number("time", *times, log=True), tail)
    low = np.array([[max(floor - gap, 0.4 * floor)], [floor]]) * (1 + excess * world.rate)
    return Truth(*(low + (world.start - low) * decline))


def healthy(world: World) -> Truth | None:
    truth = plain(world, (0.02, 0.4), (0.015, 0.12))
    return truth if is_calm(truth) and truth.val[-1] <= 0.45 else None


def underfitting(world: World) -> Truth | None:
    level, gap = world.draws.number("floor", 0.86, 0.985), world.draws.number("gap", 0, 0.01)
    decline = world.decline(world.draws.number("time", 0.02, 0.12, log=True), 0.0)
    truth = Truth(*(level * np.array([[1 - gap], [1]]) + (world.start - level) * decline))
    return truth if is_calm(truth) else None


def rising(world: World, highest: float) -> tuple[Truth, np.ndarray]:
    """Training goes on, validation turns. Also how far it has gone wrong, from 0 to 1 at the end."""
    draws = world.draws
    floor, turn = draws.number("floor", 0.08, 0.5), draws.number("turn", 0.05, 0.5, log=True)
    decline = world.decline(turn * draws.number("pace", 0.12, 0.45), draws.number("tail", 0, 0.3))
    width = turn * draws.number("width", 0.1, 0.5)
    bent = np.logaddexp(0, (np.array([0, *world.at]) - turn) / width)
    wrong = ((bent[1:] - bent[0]) / (bent[-1] - bent[0])) ** draws.number("power", 0.8, 1.1)
    core = floor + (world.start - floor) * decline
    val = core + floor * draws.number("rise", 0.08, highest, log=True) * wrong
    low, slow = floor * draws.number("memorised", 0.02, 0.3), np.exp(-world.at / draws.number("slow time", 0.1, 0.4))
    train = low + (0.97 * floor - low) * slow + (world.start - 0.97 * floor) * decline
    return Truth(np.minimum(train, 0.995 * val), val, core), wrong


def overfitting(world: World) -> Truth | None:
    truth, wrong = rising(world, 2.5)
    if world.classes:
        truth.val_metric = world.metric(truth.core) - world.draws.number("fall", 0.012, 0.09, log=True) * wrong
        if not shows_fall(world, truth, 1, 0.01):
            return None
    else:
        truth.core = truth.val
    truth.accepted = frozenset({"overfitting"} | ({"overfitting of the loss"} if world.task == "none" else set()))
    return truth if shows_rise(world, truth) else None


def overfitting_of_the_loss(world: World) -> Truth | None:
    truth, wrong = rising(world, 2.5)
    gain = world.draws.number("gain", 0, 0.1)
    truth.val_metric = world.metric(truth.core * (1 - gain * wrong))
    return truth if shows_rise(world, truth) else None


def divergence(world: World) -> Truth | None:
    """Fine until some epoch; then NaN, infinite, or many times the chance level and never back."""
    truth, epochs = plain(world, (0.02, 0.5), (0.03, 0.5)), np.arange(world.epochs)
    when = max(1, round(world.draws.number("when", 0.08, 0.95) * (world.epochs - 1)))
    ends = {"nan": math.nan, "inf": math.inf, "huge": 10 ** world.draws.number("decades", 1.2, 6)}
    end = ends[str(world.random.choice(list(ends)))]
    wander = np.exp(world.random.normal(0, 0.3, world.epochs))
    truth.scale = np.where(epochs < when, 1.0, end * wander / truth.val)
    for part in ("train", "val"):
        setattr(truth, f"{part}_metric", np.where(epochs < when, world.metric(getattr(truth, part)), world.metric(1.0)))
    truth.outcome = "diverged"
    return truth


def unstable(world: World) -> Truth | None:
    """Steps too large: again and again the loss is thrown up and recovers within some epochs."""
    truth, draws = plain(world, (0.05, 0.5), (0.03, 0.2)), world.draws
    often, far = draws.number("how often", 0.2, 0.45), draws.number("how far", 0.5, 1.2)
    recovery, level, levels = draws.number("recovery", 0.15, 0.5), 0.0, []
    for _ in range(world.epochs):
        level = level * recovery + draws.chance(often) * world.random.uniform(0.5, 1.5) * far
        levels.append(level)
    part = np.exp(world.random.normal(0, 0.05, world.epochs))  # validation is not thrown exactly as far
    thrown = np.stack([truth.train, truth.val * part]) * np.exp(levels)
    truth.train, truth.val = thrown / (1 + (thrown / 4) ** 2) ** 0.5  # mistakes cannot cost much more than that
    truth.core = np.minimum(truth.val, 1)
    logged = 0.5 * (truth.train[1:] + truth.train[:-1])
    jumps, told = ((curve[1:] >= 1.4 * curve[:-1]).sum() for curve in (truth.train, logged))
    return truth if jumps >= max(3, world.epochs / 5) and told >= max(3, world.epochs / 10) else None


def leakage(world: World) -> Truth | None:
    truth = plain(world, (0.08, 0.55), (0.015, 0.12))
    truth.train, decline = truth.val, world.decline(0.02, 0)
    better = world.draws.number("better", 0.15, 0.75)
    truth.val = truth.core = truth.train * (1 - better * (1 - decline))
    needed = 3 * np.maximum(math.sqrt(2) * error_of(world, truth), jitter_of(world, truth))
    return truth if np.mean(truth.train - truth.val >= needed) >= 0.9 else None


def label_noise(world: World) -> Truth | None:
    """First what the right labels teach, then the wrong ones by heart."""
    draws, classes = world.draws, world.classes
    wrong, skill = draws.number("wrong labels", 0.2, 0.5), draws.number("skill", 0.75, 0.98)
    if wrong > 0.8 * (1 - 1 / classes):
        return None
    seen = skill * (1 - wrong) + (1 - skill) * wrong / max(classes - 1, 1)
    peak = skill if draws.chance(0.25) else seen  # a validation part labelled with care, or as the rest
    quick = world.decline(draws.number("time", 0.01, 0.06, log=True), 0)
    turn, width = draws.number("turn", 0.12, 0.5), draws.number("width", 0.04, 0.12)
    heart = 1 / (1 + np.exp((turn - world.at) / width))
    top, low = draws.number("memorised", 0.85, 1.0), draws.number("floor", 0.01, 0.15)
    # What is said without wrong labels is one minus this share; the link gives the loss of such an accuracy.
    loss = [1 - ((accuracy - 1 / classes) / (1 - 1 / classes)) ** (1 / world.link) for accuracy in (seen, peak)]
    train = loss[0] - (loss[0] - min(low, 0.5 * loss[0])) * heart + (world.start - loss[0]) * quick
    core = loss[1] + (world.start - loss[1]) * quick
    val = core + max(loss[1], 0.1) * draws.number("rise", 0.3, 3, log=True) * heart
    first = 1 / classes + (np.array([[seen], [peak]]) - 1 / classes) * (1 - quick)
    fall = (peak - 1 / classes) * draws.number("fall", 0.12, 0.5)
    truth = Truth(train, val, core, first[0] + (top - seen) * heart, first[1] - fall * heart)
    shoulder = (np.abs(truth.train_metric - seen) <= 0.04).sum() >= max(3, world.epochs / 5)
    truth.accepted = frozenset({"label noise"} | (set() if shoulder else {"overfitting"}))
    return truth if shows_fall(world, truth, 2, 0.06) and top - seen >= 0.15 else None


def not_converged(world: World) -> Truth | None:
    truth = plain(world, (0.02, 0.3), (0.2, 0.9))
    end, jitter = last(truth.val, 0.25), jitter_of(world, truth)[-1]
    falls = end[0] - end[-1] >= max(4 * jitter, 0.05 * end[0])
    return truth if falls and truth.val[-1] <= 0.7 else None


def too_strong(world: World) -> Truth | None:
    """A penalty that is nearly all of the objective, or holds the network at chance."""
    draws, held = world.draws, world.draws.chance(0.5)
    level = draws.number("held", 0.97, 1.0) if held else draws.number("floor", 0.6, 0.97)
    end = draws.number("share where held", 0.5, 0.9) if held else draws.number("share", 0.8, 0.99)
    decline = world.decline(draws.number("time", 0.02, 0.1, log=True), 0)
    train = level + max(world.start - level, 0) * decline
    penalty = end / (1 - end) * level * (1 + draws.number("at first", 0.5, 5) * decline)
    truth = Truth(train, train * draws.number("gap", 1.0, 1.01), penalty_share=penalty / (penalty + train))
    truth.accepted = frozenset({"too strong", "underfitting"})
    return truth if is_calm(truth) else None


ANY, SCORED, NAMED = ("accuracy",) * 6 + ("r2", "none"), ("accuracy",) * 6 + ("r2",), ("accuracy",)
KINDS = {
    "healthy": (healthy, STEADY + FALLING, ANY),
    "underfitting": (underfitting, STEADY + FALLING, SCORED),
    "overfitting": (overfitting, (*STEADY, "cosine"), ANY),
    "overfitting of the loss": (overfitting_of_the_loss, (*STEADY, "cosine"), NAMED),
    "divergence": (divergence, STEADY + FALLING, ANY),
    "unstable learning rate": (unstable, STEADY, ANY),
    "leakage": (leakage, STEADY + FALLING, ANY),
    "label noise": (label_noise, STEADY, NAMED),
    "not converged": (not_converged, STEADY, ANY),
    "too strong": (too_strong, STEADY + FALLING, SCORED),
}
"""Per kind its curves, the schedules of the learning rate and the tasks; the first is a quarter of all cases."""


def make_case(kind: str, noise: str, held_out: bool, random: np.random.Generator) -> Case:
    """One case, drawn until it is fair."""
    curves, schedules, tasks = KINDS[kind]
    for _ in range(5000):
        draws = Draws(random, held_out)
        world = World(draws, noise, schedules, tasks)
        if (truth := curves(world)) is not None:
            break
    else:
        raise AssertionError(f"no fair case of {kind} at noise level {noise}")
    history = observed(world, truth, clean=kind == "leakage" or draws.chance(0.75))
    accepted = truth.accepted or frozenset({kind} - {"healthy"})
    onset = int(truth.val.argmin()) + 1 if kind.startswith("overfitting") else None
    expected = tuple((truth.val * world.chance).tolist())
    return Case(history, kind, accepted, noise, onset, expected, draws.drawn)


def make_cases(count: int, held_out: bool, seed: int) -> list[Case]:
    """`count` cases, a quarter of them healthy, the rest shared among the nine other kinds, noise levels in turn."""
    random, healthy_ones, others = np.random.default_rng([seed, held_out]), count // 4, [*KINDS][1:]
    kinds = ["healthy"] * healthy_ones + [others[number % 9] for number in range(count - healthy_ones)]
    turns = dict.fromkeys(KINDS, 0)
    cases = []
    for kind in kinds:
        cases.append(make_case(kind, [*NOISE][turns[kind] % len(NOISE)], held_out, random))
        turns[kind] += 1
    return cases
