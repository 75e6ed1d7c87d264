"""What one training's curves tell: each question a function that finds something or, where it is unclear, None."""

from __future__ import annotations

import math

import numpy as np

from ..history import History
from .curves import Curves, curves_of
from .finding import Finding, Severity
from .series import ending, lowest, noise, rises, slope_at_end, smooth

LOSSES = ("train_loss", "val_loss")
FEWEST_EPOCHS = 5
"""Of fewer epochs only divergence is told."""
EXPLODED = 20.0
"""A loss that ends so many times as high as it began has blown up."""
FEWEST_JUMPS, JUMPS, MANY_JUMPS = 2, 0.1, 0.2
"""So often at least, and in so large a share of the epochs, a training loss must rise for steps to be too large."""
LEARNED_LITTLE, LEARNED_NOTHING, HELD_BACK = 0.3, 0.02, 0.5
"""A network that has learned takes away more than this share of its first loss: a little; anything at all, where
nothing but the loss is known; and where a penalty rules."""
PENALTY_RULES = 0.5
"""A penalty that makes up more than this share of what is minimised rules."""
EXPLAINED = frozenset(("r2", "r2_score", "explained_variance"))
"""Metrics of which 0 is guessing the mean and 1 perfect."""
MEMORISED, FAR_BEHIND, WORSE_BY = 0.95, 0.08, 3.0
"""A training part of which more than the one share is right is learned by heart; validation is far behind that by the
second, where its loss is also so many times that of training."""
NEAR_GUESSING, FAR_FROM_TRUE = 0.05, 0.3
"""What is right no more often than the first above exp(-loss), and by the second less often than training, is a
guess."""
NEVER_FELL = 0.9
"""A validation loss whose lowest is more than this share of its first one has not fallen."""
ANNEALED = 0.05
"""A learning rate that ends below this share of its greatest has been led to 0: what falls then would fall no more."""
CLEAR = 4.0
"""Standard deviations that a difference must have to be told of."""


def training_findings(history: History) -> list[Finding]:
    """Everything that the curves of one training tell."""
    curves = curves_of(history)
    if found := diverged(history, curves):
        return [found]
    if curves.epochs < FEWEST_EPOCHS or not len(curves.train):
        return []
    if found := unstable(history, curves):
        return [found]
    if found := labels_unrelated(history, curves):
        return [found]
    too_well = overfitting(history, curves)
    if too_well is None or (too_well.kind, too_well.severity) == ("overfitting of the loss", "low"):
        too_well = memorised(history, curves) or too_well
    others = [leaking(history, curves), not_learning(history, curves), noisy_labels(history, curves)]
    others.append(too_well or unfinished(history, curves))
    return [found for found in others if found is not None]


# ------------------------------------------------------------------ does it train at all?


def diverged(history: History, curves: Curves) -> Finding | None:
    """The loss is no number any more, or ends far above where it began."""
    if history.epochs and (history.outcome == "diverged" or curves.epochs < curves.whole):
        epoch = min(curves.epochs + 1, curves.whole)
        if history.outcome != "diverged" and all(
            math.isfinite(value) for name in LOSSES if (value := history.epochs[-1].get(name)) is not None
        ):
            said = f"The loss was no finite number in epoch {epoch} and came back: look at the rows and the step there."
            return Finding("divergence", "medium", said, {"epoch": epoch})
        said = f"The loss blew up in epoch {epoch}: it grew beyond all bounds, and the network is lost."
        return Finding("divergence", "high", said, {"epoch": epoch})
    if len(curves.train) < 2:
        return None
    start, end = float(np.median(curves.train[:3])), float(np.median(curves.train[-3:]))
    if start > 0 and end > EXPLODED * start:
        above = np.flatnonzero(curves.train > EXPLODED * start)
        epoch = int(above[0]) + 1
        said = f"The training loss blew up in epoch {epoch}: it ends at {end:.3g}, {end / start:.0f} times its start."
        return Finding("divergence", "high", said, {"epoch": epoch, "first_loss": start, "last_loss": end})
    return None


def unstable(history: History, curves: Curves) -> Finding | None:
    """The training loss jumps about from epoch to epoch. (A validation loss that does may have few rows.)"""
    restarted = np.diff(curves.lr, prepend=curves.lr[:1]) > 0 if len(curves.lr) == len(curves.train) else None
    jumps = rises(curves.train, restarted)  # a schedule that starts anew may throw the loss back
    share = jumps / (len(curves.train) - 1)
    if jumps < FEWEST_JUMPS or share < JUMPS:
        return None
    said = (
        f"The training loss rose by more than 15 % in {jumps} of {len(curves.train)} epochs: the steps are too "
        "large for it to settle."
    )
    severity: Severity = "high" if share > MANY_JUMPS else "medium"
    return Finding("unstable learning rate", severity, said, {"share_of_epochs": share, "rises": jumps})


def not_learning(history: History, curves: Curves) -> Finding | None:
    """The training part itself is hardly learned, and it has stopped getting better."""
    start, end = float(curves.train[0]), float(np.mean(curves.train[-3:]))
    gone = (start - end) / abs(start) if start else 0.0
    known = [share for share in history.column("penalty_share")[-3:] if not math.isnan(share)]
    penalty = float(np.median(known)) if known else 0.0
    held_back = penalty > PENALTY_RULES
    change, error = slope_at_end(curves.train)
    still = change < -max(CLEAR * error, 0.02 * abs(end))
    if (
        still
        or gone > (HELD_BACK if held_back else LEARNED_LITTLE)
        or not _near_chance(history, curves, gone, held_back)
    ):
        return None
    evidence = {"first_loss": start, "last_loss": end, "loss_fell_by": gone}
    if len(curves.train_metric):
        evidence["train_metric"] = float(np.mean(history.column("train_metric")[-3:]))
    if held_back:
        said = (
            f"The penalty makes up {100 * penalty:.0f} % of what is minimised, and the training loss stands at "
            f"{end:.3g} (it began at {start:.3g}): the regularization is so strong that the network cannot learn."
        )
        return Finding("too strong", "high", said, {**evidence, "penalty_share": penalty})
    severity: Severity = "high" if len(curves.train_metric) and gone < LEARNED_LITTLE / 2 else "medium"
    said = (
        f"Even on the training part the loss only went from {start:.3g} to {end:.3g} and has stopped falling: the "
        "network is too small, learns too slowly or is held back."
    )
    return Finding("underfitting", severity, said, evidence)


def _near_chance(history: History, curves: Curves, gone: float, held_back: bool) -> bool:
    """Whether training is hardly better than guessing. Of classes: exp(-loss) is how often a guesser with that loss
    would be right; who knows something is right far more often, however hard the task."""
    room = 0.5 if held_back else 0.3
    metric = float(np.mean(curves.train_metric[-3:])) if len(curves.train_metric) else math.nan
    if curves.accuracy:
        guessed = math.exp(-float(np.mean(curves.train[-3:])))
        return metric < guessed + room * (1 - guessed)
    if history.metric.lower() in EXPLAINED:
        return metric < room
    return gone < LEARNED_NOTHING


def unfinished(history: History, curves: Curves) -> Finding | None:
    """Validation still got better when it ended."""
    watched = curves.val if len(curves.val) else curves.train
    if history.outcome in ("stopped", "running") or len(watched) < FEWEST_EPOCHS:
        return None
    if len(curves.lr) and curves.lr[-1] < ANNEALED * np.max(curves.lr):
        return None
    change, error = slope_at_end(watched)
    fell = -change / max(abs(float(np.mean(watched[-3:]))), 1e-12)
    if change > -CLEAR * error or fell < 0.05:
        return None
    part = "validation" if len(curves.val) else "training"
    said = (
        f"In the last {len(ending(watched))} epochs the {part} loss still fell by {100 * fell:.0f} %: "
        f"train longer before you compare anything."
    )
    severity: Severity = "medium" if fell > 0.1 else "low"
    return Finding("not converged", severity, said, {"fell_by": fell, "error": error})


# ------------------------------------------------------------------ training against validation


def leaking(history: History, curves: Curves) -> Finding | None:
    """Validation is better than clean training, throughout."""
    if not curves.clean or not len(curves.val):
        return None
    later = slice(len(curves.val) // 3, None)
    train, val = curves.train[later], curves.val[later]
    gap = float(np.median(train - val))
    error = math.hypot(curves.error, noise(train - val))
    always = float(np.mean(train > val))
    if always < 0.95 or gap < CLEAR * error or gap < 0.1 * float(np.median(train)):
        return None
    evidence = {
        "train_loss": float(np.median(train)),
        "val_loss": float(np.median(val)),
        "times": gap / max(error, 1e-12),
    }
    if len(curves.val_metric):
        better = float(np.median(curves.val_metric[later] - curves.train_metric[later]))
        if better <= 0:
            return None
        evidence["metric_better_by"] = better
    said = (
        f"Validation ({evidence['val_loss']:.3g}) is better than training ({evidence['train_loss']:.3g}), measured "
        "without noise, in nearly every epoch. Validation rows may stand in the training part, or be easier."
    )
    return Finding("leakage", "high", said, evidence)


def noisy_labels(history: History, curves: Curves) -> Finding | None:
    """The validation metric is best early and then falls far, while training goes on to learn everything by heart."""
    if not (curves.share and len(curves.val_metric) and len(curves.train_metric)):
        return None
    best = lowest(-curves.val_metric)
    fell = best.depth
    at_best = float(smooth(curves.train_metric, 3)[best.epoch - 1])
    end = float(np.mean(curves.train_metric[-3:]))
    peak, climbed, gap = -best.lowest, end - at_best, end + best.last
    if fell < max(0.05, CLEAR * math.hypot(best.error, noise(curves.val_metric))) or climbed < 0.12 or gap < 0.2:
        return None
    if best.epoch > 0.6 * len(curves.val_metric):
        return None
    said = (
        f"The validation {_name(history)} was best in epoch {best.epoch} ({_share(peak)}) and has fallen to "
        f"{_share(-best.last)}, while training climbed from {_share(at_best)} to {_share(end)}: that is what learning "
        "wrong labels by heart looks like."
    )
    return Finding(
        "label noise",
        "medium",
        said,
        {"best_epoch": best.epoch, "best": peak, "last": -best.last, "train_at_best": at_best, "train_last": end},
    )


def labels_unrelated(history: History, curves: Curves) -> Finding | None:
    """Training is learned by heart, and validation has never been better than guessing."""
    if not (curves.accuracy and len(curves.val_metric) and len(curves.train_metric)):
        return None
    if float(np.min(curves.val)) < NEVER_FELL * float(curves.val[0]):
        return None
    learned = float(np.mean(curves.train_metric[-3:]))
    best = float(np.max(smooth(curves.val_metric, 3)))
    guessed = math.exp(-float(np.min(curves.val)))
    if learned < MEMORISED or learned - best < FAR_FROM_TRUE or best > guessed + NEAR_GUESSING:
        return None
    said = (
        f"Training is learned by heart ({_name(history)} {_share(learned)}), validation never got beyond "
        f"{_share(best)}, which is guessing: the labels have nothing to do with the inputs, or the two parts nothing "
        "with each other."
    )
    return Finding("label noise", "high", said, {"train_metric": learned, "best_val_metric": best, "guessing": guessed})


def memorised(history: History, curves: Curves) -> Finding | None:
    """Training is learned by heart and validation stays far behind, though it does not get worse."""
    if not (curves.share and len(curves.val_metric) and len(curves.train_metric)):
        return None
    learned, val = float(np.mean(curves.train_metric[-3:])), float(np.mean(curves.val_metric[-3:]))
    score = float(np.mean(curves.val[-3:]) / max(np.mean(curves.train[-3:]), 1e-12))
    if learned < MEMORISED or learned - val < FAR_BEHIND or score < WORSE_BY:
        return None
    said = (
        f"It has learned the training rows by heart ({_name(history)} {_share(learned)}) and is "
        f"{_points(learned - val, curves)} worse on validation ({_share(val)}): regularization, or more data, may help."
    )
    return Finding(
        "overfitting",
        "medium",
        said,
        {"train_metric": learned, "val_metric": val, "metric_gap": learned - val, "overfitting_score": score},
    )


def overfitting(history: History, curves: Curves) -> Finding | None:
    """The validation loss has risen since its lowest epoch, and training has gone on to fall."""
    if len(curves.val) < FEWEST_EPOCHS:
        return None
    turn = lowest(curves.val)
    fallen = float(curves.train[min(turn.epoch, len(curves.train)) - 1] - np.mean(curves.train[-3:]))
    error = turn.error
    relative = turn.depth / max(abs(turn.lowest), 1e-12)
    evidence = {
        "onset": turn.epoch,
        "onset_low": turn.low,
        "onset_high": turn.high,
        "lowest_val_loss": turn.lowest,
        "last_val_loss": turn.last,
        "risen_by": relative,
        "train_fell_by": fallen,
    }
    if relative < 0.04 or turn.depth < CLEAR * error or fallen <= noise(curves.train):
        return None
    worse = 0.0
    if len(curves.val_metric):
        best = lowest(-curves.val_metric)
        significant = best.depth > CLEAR * best.error
        worse = best.depth if significant else 0.0
        evidence["metric_fell_by"] = best.depth
    when = f"since epoch {turn.epoch}" + (f" (between {turn.low} and {turn.high})" if turn.high > turn.low else "")
    rise = f"The validation loss has risen from {turn.lowest:.3g} to {turn.last:.3g} {when}, while training fell on"
    if history.served_epoch is not None and history.served_epoch <= turn.high:
        said = f"{rise}; the weights of epoch {history.served_epoch} serve, so nothing is lost."
        return Finding(
            "overfitting", "low", said, evidence, ("Dropout(rate=0.3)", "WeightDecay(strength=0.05)", "MixUp")
        )
    if curves.share and len(curves.val_metric) and worse < 0.01:
        severity: Severity = "medium" if relative > 0.1 else "low"
        said = f"{rise}; the {_name(history)} has not fallen: the network grows too sure of itself where it errs."
        return Finding("overfitting of the loss", severity, said, evidence)
    fell = f"; the {_name(history)} has fallen by {_points(worse, curves)}" if len(curves.val_metric) else ""
    severity = "high" if relative > 0.1 else "medium"
    return Finding("overfitting", severity, f"{rise}{fell}: it learns the training rows by heart.", evidence)


def _name(history: History) -> str:
    return history.metric.replace("_", " ") or "metric"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _points(value: float, curves: Curves) -> str:
    return f"{100 * value:.1f} points" if curves.share else f"{value:.3g}"
