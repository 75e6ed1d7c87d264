"""Records of trainings and studies, made by hand: the truth behind every number is known."""

from __future__ import annotations

import math

import numpy as np

from dampen.evidence import Evidence
from dampen.history import History
from dampen.study.comparison import Comparison
from dampen.study.found import SearchResult

NASTY = (
    "$x_1$ & <b>\u202egnp</b> {%s} " + 200 * "W",
    "$\\frac{1}{2",
    "</svg><script>alert('1')</script>",
    "]]> <!-- -- \x00\x1b[31m\ud800",
    "a_b^c \\alpha #% ~",
    "ペンギン שלום",
)
LAYERS = ("0.weight", "blocks.1.attention.query.weight", "head.weight")


def histories():
    """Three seeds of 20, 20 and 14 epochs that overfit from epoch 8 on."""
    return [history(seed, epochs) for seed, epochs in ((0, 20), (1, 20), (2, 14))]


def history(seed=0, epochs=20, layers=LAYERS):
    generator = np.random.default_rng(seed)
    at = np.arange(1, epochs + 1)
    train = 2.2 * np.exp(-at / 4) + 0.02 + 0.004 * generator.normal(size=epochs)
    val = 1.9 * np.exp(-at / 3) + 0.35 + 0.03 * np.maximum(0, at - 8) + 0.01 * generator.normal(size=epochs)
    records = [
        {
            "train_loss": float(train[e]),
            "val_loss": float(val[e]),
            "train_metric": float(1 - 0.5 * train[e] / 2.2),
            "val_metric": float(0.9 - 0.4 * math.exp(-(e + 1) / 3) - 0.002 * e),
            "val_loss_error": 0.02,
            "objective": float(train[e]) + 0.1,
            "penalty_share": 0.1,
            "gradient_norm": 1.0 / (e + 1),
            "weight_norm": 20.0 + 0.5 * e + seed,
            "weight_norm_l1": 900.0 - 11.0 * e,
            "update_ratio": 0.01 / (e + 1),
            "zeros_fraction": min(0.8, 0.05 * e),
            "dead_fraction": 0.002 * e,
            "lr": 0.001,
            "steps": 16,
            "epochs": 20,
            "seconds": 0.1,
        }
        for e in range(epochs)
    ]
    return History(
        epochs=records,
        outcome="finished" if epochs == 20 else "stopped",
        metric="accuracy",
        served_epoch=8 + seed,
        layers={
            name: {
                "l1": [300.0 - 10 * rank - 3 * e for e in range(epochs)],
                "l2": [10.0 + rank + 0.2 * e for e in range(epochs)],
                "update_ratio": [0.01 for _ in range(epochs)],
                "zeros_fraction": [min(0.95, 0.03 * (rank + 1) * e) for e in range(epochs)],
            }
            for rank, name in enumerate(layers)
        },
        weights=[looked(generator, epoch, layers) for epoch in (1, epochs // 2, epochs)],
        final=final(generator, rows=360 + 40 * seed),
    )


def looked(generator, epoch, layers):
    found = {}
    for rank, name in enumerate(layers):
        weights = generator.normal(0, 0.05 + 0.004 * epoch + 0.02 * rank, 4000)
        weights[: int(4000 * 0.02 * epoch)] *= 0.02
        counts, edges = np.histogram(weights, 64)
        found[name] = {"low": float(edges[0]), "high": float(edges[-1]), "counts": counts.tolist()}
    return {"epoch": epoch, "layers": found}


def final(generator, rows):
    confidence = generator.beta(6, 1.2, rows)
    right = generator.random(rows) < confidence**1.6
    places = np.minimum(14, np.ceil(confidence * 15).astype(int) - 1)
    bins = [
        {"confidence": float(confidence[own].mean()), "right": float(right[own].mean()), "rows": int(own.sum())}
        for own in (places == p for p in range(15))
        if own.any()
    ]
    error = sum(b["rows"] * abs(b["right"] - b["confidence"]) for b in bins) / rows
    return {
        "part": "test", "rows": rows, "mistakes": int((~right).sum()), "error": error, "brier": 0.12,
        "confidence_on_mistakes": float(confidence[~right].mean()), "bins": bins,
    }  # fmt: skip


def evidence(recipe, effect, reach=0.006, p=0.5, cost=1.2, seeds=12, metric="accuracy", baseline="baseline"):
    return Evidence(
        recipe=recipe, baseline=baseline, metric=metric, effect=effect, low=effect - reach, high=effect + reach, p=p,
        new_low=effect - 1.7 * reach, new_high=effect + 1.7 * reach, new_kind="nadeau-bengio", detectable=1.3 * reach,
        score=0.9 + effect, score_sd=0.01, baseline_score=0.9, seeds=seeds, cost=cost, protocol="resampled",
    )  # fmt: skip


def comparison(names, metric="accuracy", seeds=12):
    generator = np.random.default_rng(len(names))
    effects = generator.normal(0.002, 0.008, len(names))
    table = tuple(
        evidence(name, float(effect), 0.006 + 0.004 * generator.random(), 0.01 if abs(effect) > 0.009 else 0.6,
                 float(1 + generator.gamma(1.5, 0.3)), seeds, metric)
        for name, effect in zip(names, effects, strict=True)
    )  # fmt: skip
    return Comparison(
        evidence=table,
        scores={"baseline": {"metric": [0.89, 0.91], "loss": [0.3, 0.4]}},
        recipes={},
        histories={},
        notes={names[0]: ["not yet converged"]} if names else {},
        protocol={"metric": metric, "baseline": "baseline", "data": "digits"},
        plan={},
        versions={},
    )


def trials(count):
    generator = np.random.default_rng(7)
    made = []
    for number in range(count):
        values = {"Dropout": bool(generator.random() < 0.5), "BatchNorm": bool(generator.random() < 0.4)}
        values |= {"MixUp": bool(generator.random() < 0.3), "optimizer.lr": float(10 ** generator.uniform(-4, -2))}
        if values["Dropout"]:
            values["Dropout.rate"] = float(generator.uniform(0, 0.8))
        if values["MixUp"]:
            values["MixUp.alpha"] = float(generator.uniform(0.05, 1))
        score = 0.9 + 0.02 * values["BatchNorm"] + 0.02 * math.log10(values["optimizer.lr"] / 1e-4)
        stopped = generator.random() < 0.4
        made.append({
            "trial": number, "score": None if stopped else score + 0.01 * generator.normal(),
            "epochs": 3 if stopped else 27, "values": values,
        })  # fmt: skip
    return [*made, {"trial": count, "score": 0.93, "epochs": 27, "values": {}}]


def found(ablation=(), metric="accuracy", trials=()):
    return SearchResult(
        study="digits-1", winner="found 1", recipes={}, evidence=(evidence("found 1", 0.013, p=0.001),),
        ablation=tuple(ablation), scores={}, histories={}, leaders=(),
        importance={"optimizer.lr": 0.7, "BatchNorm": 0.2, "Dropout": 0.02, "MixUp": 0.01, "Dropout.rate": 0.4},
        curve=(), protocol={"metric": metric, "seeds_confirmed": 12, "configurations": 64}, versions={},
        trials=tuple(trials),
    )  # fmt: skip


ABLATION = (
    evidence("without MixUp", -0.011, 0.006, 0.002, None, baseline="found 1"),
    evidence("without Dropout", 0.009, 0.005, 0.01, None, baseline="found 1"),
    evidence("without its learning rate", -0.004, 0.007, 0.4, None, baseline="found 1"),
)
