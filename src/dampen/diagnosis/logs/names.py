"""What a column of a log means, told from its name: any order of its words, any case, any usual separator."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

TRAINING = {"train", "training", "tr", "trn"}
VALIDATION = {"val": 0, "valid": 0, "validation": 0, "dev": 1, "eval": 2, "evaluation": 2, "test": 3, "testing": 3}
"""Words of validation; where several parts were measured, the lowest number is taken."""
TEST = 3
BY_EPOCH, PLAIN, BY_STEP = 0, 1, 2
"""The end of a rank: of a mean over the epoch and the value of the last step, the mean is taken."""
FILLERS = {"epoch", "step", "batch", "avg", "average", "running", "metrics"}
EPOCHS = ("epoch", "epochs", "ep", "current epoch", "epoch number")
STEPS = ("global step", "step", "steps", "iteration", "iterations", "iter", "iters", "batch")
SAME = {"acc": "accuracy", "err": "error", "ppl": "perplexity"}
LOSSES = ("loss", "total loss", "mean loss", "logloss", "nll", "cross entropy", "crossentropy", "xent", "cost")
HIGHER = (
    *("accuracy", "top1", "f1", "fbeta", "auc", "auroc", "roc", "auprc", "ap", "map", "precision", "recall"),
    *("sensitivity", "specificity", "dice", "iou", "miou", "jaccard", "kappa", "mcc", "r2", "pearson", "spearman"),
    *("bleu", "rouge", "psnr", "ssim", "score", "metric"),
)
LOWER = ("mse", "rmse", "mae", "mape", "msle", "error", "perplexity", "wer", "cer")
METRICS = (*HIGHER, *LOWER)
"""In the order in which one is taken where a log has several."""
OURS = {"objective", "penalty_share", "weight_norm", "weight_norm_l1", "update_ratio", "zeros_fraction"}
OURS |= {"dead_fraction", "seconds"}
UNDERSTOOD = (
    "loss, train_loss, val_loss, validation loss, test/loss, eval_loss, accuracy, val_acc, f1, auc, r2, mse, lr"
)
_GLUED = re.compile(
    rf"({'|'.join(sorted({*TRAINING, *VALIDATION}, key=len, reverse=True))})"
    rf"({'|'.join(('loss', 'acc', 'err', *METRICS))})"
)


class Column(NamedTuple):
    """role: epoch, step, loss, metric, lr, gradient_norm or a name of OURS. part: train, val or "" where the name does
    not tell. rank: of several columns of one role and part the lowest is taken. name: of a metric or loss, without
    the part; higher_is_better: of a metric."""

    role: str
    part: str = ""
    rank: tuple[int, ...] = ()
    name: str = ""
    higher_is_better: bool = True


def understood(names: Iterable[str]) -> dict[str, Column]:
    """The columns whose names mean something, by name."""
    known = {name: column for name in names if (column := meaning(name)) is not None}
    for role in ("epoch", "step"):
        best = min((column.rank for column in known.values() if column.role == role), default=None)
        known = {name: column for name, column in known.items() if column.role != role or column.rank == best}
    by_epoch = {
        _sibling(column) for column in known.values() if column.rank and column.part and column.rank[-1] == BY_EPOCH
    }
    return _with_a_loss(
        {  # validation batch by batch is no look where there is its mean, too
            name: column
            for name, column in _with_parts(known).items()
            if not (column.part == "val" and column.rank[-1] == BY_STEP and _sibling(column) in by_epoch)
        }
    )


def _with_parts(columns: dict[str, Column]) -> dict[str, Column]:
    """Where a name tells no part it is of training, as Keras has it; but beside train_loss and val_loss a metric is of
    validation, as fastai and Transformers have it."""
    explicit = {"train", "val"} <= {column.part for column in columns.values() if column.role == "loss"}
    judged = {column.name for column in columns.values() if column.part == "val"}

    def told(column: Column) -> Column:
        if column.part or column.role not in ("loss", "metric"):
            return column
        of_validation = explicit and column.role == "metric" and column.name not in judged
        return column._replace(part="val" if of_validation else "train", rank=(1, *column.rank[1:]))

    return {name: told(column) for name, column in columns.items()}


def _with_a_loss(columns: dict[str, Column]) -> dict[str, Column]:
    """Where there is no loss, the first of mse, mae, error and the like is one."""
    errors = [column for column in columns.values() if column.role == "metric" and not column.higher_is_better]
    if not errors or any(column.role == "loss" for column in columns.values()):
        return columns
    first = min(errors, key=lambda column: column.rank[1:]).name
    return {
        name: column._replace(role="loss") if column in errors and column.name == first else column
        for name, column in columns.items()
    }


def _sibling(column: Column) -> tuple[object, ...]:
    return column.part, column.role, column.name, column.rank[:-1]


def meaning(name: str) -> Column | None:
    """What a column holds; None where the name says nothing that is known."""
    if name in OURS:
        return Column(name)
    told = words(name)
    for role, known in (("epoch", EPOCHS), ("step", STEPS)):
        if " ".join(told) in known:
            return Column(role, rank=(known.index(" ".join(told)),))
    fineness = BY_EPOCH if "epoch" in told else BY_STEP if {"step", "batch"} & set(told) else PLAIN
    parts = [word for word in told if word in VALIDATION or word in TRAINING]
    rest = list(dict.fromkeys(SAME.get(word, word) for word in told if word not in parts and word not in FILLERS))
    measured = [VALIDATION[word] for word in parts if word in VALIDATION]
    part, kind = ("val", max(measured)) if measured else ("train", 0) if parts else ("", 0)
    return _quantity(rest, part, kind, fineness)


def _quantity(rest: list[str], part: str, kind: int, fineness: int) -> Column | None:
    told = " ".join(rest)
    if rest[:1] == ["lr"] or rest[:2] == ["learning", "rate"]:
        return Column("lr", rank=(len(rest),))
    if re.fullmatch(r"(gradients?|grad) ([\d ]*|total |global |l2 )norm( total)?|gnorm", told):
        return Column("gradient_norm", rank=(len(rest),))
    if told in LOSSES or rest[-1:] == ["loss"]:
        rank = LOSSES.index(told) if told in LOSSES else len(LOSSES)
        return Column("loss", part, (kind, rank, fineness), "_".join(rest), False)
    for place, metric in enumerate(METRICS):
        if metric in rest or metric in (told.replace(" ", ""), *(word.rstrip("0123456789") for word in rest)):
            return Column("metric", part, (kind, place, len(rest), fineness), "_".join(rest), metric in HIGHER)
    return None


def words(name: str) -> list[str]:
    """valLoss, VAL-LOSS, val.loss, valloss and "val loss" are the words val and loss."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    found: list[str] = []
    for word in re.findall(r"[a-z0-9]+", apart.lower()):
        glued = _GLUED.fullmatch(word)
        found += glued.groups() if glued else (word,)
    return found
