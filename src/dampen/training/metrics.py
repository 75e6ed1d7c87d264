"""Metrics of stacked predictions: outputs (K, N, C), targets (K, N, C) -> (K,)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import DampenError, NoSuchName
from ..tensors import binary_cross_entropy

RARE = 0.2
"""Where the smallest class (of a label: having it or not) has under this share of an even share, accuracy is balanced
by default."""


class Metric(NamedTuple):
    """rows: what each row adds to the score, (K, N), scaled so that the mean over these rows is the score."""

    name: str
    task: str
    higher_is_better: bool
    score: Callable[[Tensor, Tensor], Tensor]
    rows: Callable[[Tensor, Tensor], Tensor]


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of rows whose largest output is the target's class."""
    return right(outputs, targets).mean(-1)


def right(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 where a row is classified rightly, else 0: (K, N)."""
    return (outputs.argmax(-1) == targets.argmax(-1)).to(outputs.dtype)


def balanced_accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over the classes present of the share found (recall)."""
    members = torch.nn.functional.one_hot(targets.argmax(-1), targets.shape[-1]).to(outputs.dtype)
    counts = members.sum(-2)
    found = (members * right(outputs, targets).unsqueeze(-1)).sum(-2)
    return (found / counts.clamp(min=1)).sum(-1) / (counts > 0).sum(-1)


def right_in_balance(outputs: Tensor, targets: Tensor) -> Tensor:
    """Where a row is classified rightly, one over its class' share of the rows and the number of classes present."""
    counts = torch.nn.functional.one_hot(targets.argmax(-1), targets.shape[-1]).to(outputs.dtype).sum(-2)
    own = counts.gather(-1, targets.argmax(-1))
    return right(outputs, targets) * targets.shape[-2] / (own * (counts > 0).sum(-1, keepdim=True))


def cross_entropies(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each row in nats: (K, N)."""
    return -(targets * torch.log_softmax(outputs, -1)).sum(-1)


def log_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats."""
    return cross_entropies(outputs, targets).mean(-1)


def right_labels(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 where a label is rightly given or not given, else 0: (K, N, L)."""
    return ((outputs > 0) == (targets > 0.5)).to(outputs.dtype)


def right_by_row(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of each row's labels that are right: (K, N)."""
    return right_labels(outputs, targets).mean(-1)


def label_accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of all labels of all rows that are right: 1 - the Hamming loss."""
    return right_by_row(outputs, targets).mean(-1)


def right_by_row_in_balance(outputs: Tensor, targets: Tensor) -> Tensor:
    """As `right_by_row`, but of each label the rows that have it and those that lack it count alike: (K, N)."""
    has = targets > 0.5
    having = has.sum(-2, keepdim=True).to(outputs.dtype)
    own = torch.where(has, having, targets.shape[-2] - having)
    sides = (having > 0).to(outputs.dtype) + (having < targets.shape[-2])
    return (right_labels(outputs, targets) * targets.shape[-2] / (own * sides)).mean(-1)


def balanced_label_accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over the labels of the balanced accuracy of each: of the rows that have it, and of those that lack it."""
    return right_by_row_in_balance(outputs, targets).mean(-1)


def label_log_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of a label in nats."""
    return binary_cross_entropy(outputs, targets).mean(-1)


def squares(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error of each row in the target's units: (K, N)."""
    return (outputs - targets).square().mean(-1)


def squared(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error in the target's units."""
    return squares(outputs, targets).mean(-1)


def distances(outputs: Tensor, targets: Tensor) -> Tensor:
    """Absolute error of each row in the target's units: (K, N)."""
    return (outputs - targets).abs().mean(-1)


def absolute(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute error in the target's units."""
    return distances(outputs, targets).mean(-1)


def standard_error(rows: Tensor) -> Tensor:
    """How far the mean of these rows (K, N) is, typically, from that of as many others: (K,), 0 of a single row."""
    rows = rows.double()  # squares of small differences leave single precision
    scatter = (rows - rows.mean(-1, keepdim=True)).square().sum(-1)
    return (scatter / (rows.shape[-1] * max(rows.shape[-1] - 1, 1))).sqrt()


def r2(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 - residual sum of squares / total sum of squares, averaged over target columns; as in scikit-learn 1 for
    a column that never varies and is met exactly, 0 for one that is not."""
    outputs, targets = outputs.double(), targets.double()  # squares of small units leave single precision
    residual = (outputs - targets).square().sum(-2)
    total = (targets - targets.mean(-2, keepdim=True)).square().sum(-2)
    flat = torch.where(residual > 0, torch.zeros_like(total), torch.ones_like(total))
    return torch.where(total > 0, 1 - residual / total.clamp(min=torch.finfo(total.dtype).tiny), flat).mean(-1)


def explained(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 - squared error over the variance of the target among these rows, averaged over target columns: (K, N)."""
    outputs, targets = outputs.double(), targets.double()
    residual = (outputs - targets).square()
    variance = (targets - targets.mean(-2, keepdim=True)).square().mean(-2, keepdim=True)
    met = (residual.sum(-2, keepdim=True) == 0).to(residual.dtype)
    share = 1 - residual / variance.clamp(min=torch.finfo(variance.dtype).tiny)
    return torch.where(variance > 0, share, met).mean(-1)


CALIBRATION_BINS = 15


def calibration_bins(probabilities: Tensor, targets: Tensor, num_bins: int = CALIBRATION_BINS) -> dict[str, Tensor]:
    """Rows (K, N) by their largest probability: bin b holds those in ((b - 1) / num_bins, b / num_bins]. Per bin
    (K, num_bins) how many "rows", how many of them "right", and the sum of their "confidence".
    """
    confidence, guesses = probabilities.double().max(-1)
    hits = (guesses == targets.argmax(-1)).double()
    edges = torch.arange(1, num_bins + 1, dtype=torch.float64, device=confidence.device) / num_bins
    places = torch.bucketize(confidence, edges).clamp(max=num_bins - 1)  # rounding may leave 1 behind
    sums = {"rows": torch.ones_like(hits), "right": hits, "confidence": confidence}
    none = confidence.new_zeros((len(confidence), num_bins))
    return {name: none.scatter_add(1, places, values) for name, values in sums.items()}


def calibration(probabilities: Tensor, targets: Tensor) -> list[dict[str, Any]]:
    """For each of K members: rows, mistakes, the expected calibration "error", the Brier score (squared distance of
    the probabilities to the one-hot target, 0 to 2), the mean confidence_on_mistakes (NaN where there are none), and
    per "bins" that holds any row its confidence, the share right and rows."""
    bins = {name: sums.tolist() for name, sums in calibration_bins(probabilities, targets).items()}
    brier = (probabilities.double() - targets).square().sum(-1).mean(-1).tolist()
    hits = right(probabilities, targets).double()
    missed = ((1 - hits) * probabilities.max(-1).values.double()).sum(-1).tolist()
    num_rows, mistakes = targets.shape[1], (1 - hits).sum(-1).round().long().tolist()
    members = []
    for member, number in enumerate(mistakes):
        sums = [
            (bins["rows"][member][b], bins["right"][member][b], bins["confidence"][member][b])
            for b in range(CALIBRATION_BINS)
        ]
        members.append(
            {
                "rows": num_rows,
                "mistakes": number,
                "error": sum(abs(hit - sure) for _, hit, sure in sums) / num_rows,
                "brier": brier[member],
                "confidence_on_mistakes": missed[member] / number if number else math.nan,
                "bins": [{"confidence": sure / n, "right": hit / n, "rows": int(n)} for n, hit, sure in sums if n],
            }
        )
    return members


METRICS = {
    m.name: m
    for m in (
        Metric("accuracy", "classes", True, accuracy, right),
        Metric("balanced_accuracy", "classes", True, balanced_accuracy, right_in_balance),
        Metric("log_loss", "classes", False, log_loss, cross_entropies),
        Metric("label_accuracy", "labels", True, label_accuracy, right_by_row),
        Metric("balanced_label_accuracy", "labels", True, balanced_label_accuracy, right_by_row_in_balance),
        Metric("label_log_loss", "labels", False, label_log_loss, binary_cross_entropy),
        Metric("r2", "numbers", True, r2, explained),
        Metric("mse", "numbers", False, squared, squares),
        Metric("mae", "numbers", False, absolute, distances),
    )
}
LOSSES = {"classes": METRICS["log_loss"], "labels": METRICS["label_log_loss"], "numbers": METRICS["mse"]}


def choose(name: str | None, task: str, targets: Tensor) -> Metric:
    """The metric of that name, or the default one: accuracy, balanced where a class or a label is rare; R2 for
    numbers."""
    if name is None:
        if task == "numbers":
            return METRICS["r2"]
        if task == "labels":
            shares = targets.mean(0)
            rare = torch.minimum(shares, 1 - shares).min() < RARE / 2  # of two sides
            return METRICS["balanced_label_accuracy" if rare else "label_accuracy"]
        counts = targets.sum(0)
        rare = counts.min() < RARE * len(targets) / len(counts)
        return METRICS["balanced_accuracy" if rare else "accuracy"]
    fitting = [m.name for m in METRICS.values() if m.task == task]
    if not isinstance(name, str) or name not in METRICS:
        raise NoSuchName("metric", str(name), METRICS, f"For {task} as targets there are {', '.join(fitting)}.")
    if name not in fitting:
        raise DampenError(f"The metric {name} needs {METRICS[name].task} as targets; use {', '.join(fitting)}.")
    return METRICS[name]
