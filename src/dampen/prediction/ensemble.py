"""Greedy ensembles: from many trained networks those that are best together."""

from __future__ import annotations

import dataclasses
import numbers
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import DampenError
from ..models.ensemble import Ensemble, averaged
from ..training.fitted import Fitted
from ..training.metrics import LOSSES, Metric, choose
from .passes import outputs_of

ROUNDING = 1e-9
"""Scores that differ by a smaller share are equal: the same member over and over must not look like progress."""


@dataclasses.dataclass(frozen=True, eq=False)
class GreedyEnsemble:
    """order: positions of the members in the order in which they came in. counts: how often each of them is in.
    scores: on the validation part after each that was tried, the last ones given up where they made it worse.
    metric: what scores them. model: the network of them all, in evaluation mode; takes raw rows."""

    order: tuple[int, ...]
    counts: tuple[int, ...]
    scores: tuple[float, ...]
    metric: str
    model: Ensemble


@torch.no_grad()
def greedy_ensemble(
    members: Sequence[Fitted], *, num_rounds: int = 25, num_first: int = 0, metric: str | None = None
) -> GreedyEnsemble:
    """ensemble <- ensemble + the member with which it scores best on the validation part, again and again

    With replacement: a good member comes in several times and so counts for more. Of all the ensembles on the way the
    best is kept, of equal ones the smallest. Probabilities are averaged (numbers: outputs).

    members: what `fit` returned, with one split (the same data and seed). num_rounds: members to bring in. num_first:
    how many of them are simply the best ones alone, before the search starts; a few keep it from leaning on a chance
    find. metric: by default the log loss for classes, the mean squared error for numbers: finer than accuracy.

    Use it where several recipes were trained anyway and prediction may cost as many passes as it keeps members. Its
    validation score is chosen among many, and so too good: judge it on the test part.

    Raises `DampenError` where members differ in their data, classes or split.
    Caruana et al., Ensemble Selection from Libraries of Models, 2004, sections 2 to 2.2.
    """
    members = _checked(members)
    _check_count("num_rounds", num_rounds, 1, None)
    _check_count("num_first", num_first, 0, min(num_rounds, len(members)))
    problem = members[0].problem
    task = problem.data.task
    scored = LOSSES[task] if metric is None else choose(metric, task, problem.data.targets)
    looked = [outputs_of(fitted, rows_of(fitted)) for fitted in members]
    outputs, targets = torch.stack([seen for seen, _ in looked]), looked[0][1]
    order, scores = _selected(outputs, targets, task, scored, num_rounds, num_first)
    counts = Counter(order)
    networks = {position: members[position].model() for position in counts}
    return GreedyEnsemble(
        order=tuple(order),
        counts=tuple(counts[position] for position in range(len(members))),
        scores=tuple(scores),
        metric=scored.name,
        model=Ensemble([networks[position] for position in order], task).eval(),
    )


def _selected(
    outputs: Tensor, targets: Tensor, task: str, metric: Metric, num_rounds: int, num_first: int
) -> tuple[list[int], list[float]]:
    """(members of the best ensemble on the way, the score after each round), from outputs (K, N, C)."""
    sign = 1.0 if metric.higher_is_better else -1.0
    wanted = targets.expand_as(outputs)
    alone = (sign * metric.score(outputs, wanted)).argsort(descending=True, stable=True).tolist()
    together, order, scores = outputs, list[int](), list[float]()
    for count in range(num_rounds):
        if order:  # everybody beside those that are in already
            together = averaged(torch.stack([together[order[-1]].expand_as(outputs), outputs]), task, (count, 1))
        value = metric.score(together, wanted)
        best = alone[count] if count < num_first else int((sign * value).argmax())
        order.append(best)
        scores.append(value[best].item())
    best_score = max(sign * score for score in scores)
    kept = next(
        number for number, score in enumerate(scores) if sign * score >= best_score - ROUNDING * abs(best_score)
    )
    return order[: kept + 1], scores


def rows_of(fitted: Fitted) -> Tensor:
    """Of the validation part."""
    return fitted.problem.split(fitted.member.seed).validation


# ------------------------------------------------------------------ checks at the door


def _checked(members: Sequence[Fitted]) -> list[Fitted]:
    listed = list(members)
    if not listed or not all(isinstance(fitted, Fitted) for fitted in listed):
        raise DampenError("greedy_ensemble takes a list of what `fit` returned, at least one; got something else.")
    first = listed[0]
    rows = rows_of(first)
    for number, other in enumerate(listed):
        name = f"member {number} ({other.member.recipe}, seed {other.member.seed})"
        ours, theirs = first.problem.data, other.problem.data
        if other.history.outcome == "diverged":
            raise DampenError(f"Members of an ensemble must have been trained; {name} diverged. Leave it out.")
        if (ours.task, ours.classes) != (theirs.task, theirs.classes):
            raise DampenError(
                f"Members of an ensemble must predict the same classes; member 0 predicts {_predicts(first)}, "
                f"{name} predicts {_predicts(other)}. Leave one of them out."
            )
        if ours is not theirs and ours.fingerprint != theirs.fingerprint:
            raise DampenError(f"Members of an ensemble must share their data; {name} has others than member 0.")
        if not torch.equal(rows, rows_of(other)):
            raise DampenError(
                f"Members of an ensemble must share their validation part, whose rows none of them trained on; {name} "
                f"has another split than member 0 (seed {first.member.seed}). Train them with one seed."
            )
    if not len(rows):
        raise DampenError("greedy_ensemble must have a validation part to choose by; these data leave it no row.")
    return listed


def _predicts(fitted: Fitted) -> str:
    data = fitted.problem.data
    return f"the {data.task} {', '.join(data.classes)}".rstrip() if data.classes else data.task


def _check_count(name: str, value: int, low: int, high: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        raise DampenError(f"{name} must be a whole number, at least {low}; got {value!r}.")
    if high is not None and value > high:
        raise DampenError(f"{name} must be at most {high}, as there are members and rounds; got {value!r}.")
