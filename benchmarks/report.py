"""How long a report of a study with 500 trials takes, and how much memory: the whole process, `dampen report FILE`.

The study is made up: a search of 500 configurations of thirteen techniques, confirmed with twelve seeds of 40 epochs,
with histories as long and as full as real ones. Run: python benchmarks/report.py
"""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from dampen.contracts import tunables
from dampen.evidence import Evidence
from dampen.history import History
from dampen.presets import BASELINE, DEFAULT, PRESETS, baseline, default
from dampen.recipe import Recipe
from dampen.study.comparison import versions
from dampen.study.found import SearchResult
from dampen.techniques import CATALOGUE, find

TRIALS, SEEDS, EPOCHS = 500, 12, 40
MOST_SECONDS, MOST_BYTES = 10.0, 10**9
LAYERS = ("body.0.weight", "body.2.weight", "head.weight")
FOUND = ("found 1", "found 2", "found 3", "found 4")
INGREDIENTS = ("LabelSmoothing", "Dropout", "BatchNorm")


def study() -> SearchResult:
    """500 trials, 9 recipes confirmed."""
    generator = np.random.default_rng(0)
    recipe = Recipe(tuple(find(name)() for name in INGREDIENTS))
    recipes = {BASELINE: baseline(), DEFAULT: default(EPOCHS), **dict.fromkeys(FOUND, recipe)}
    without = [f"without {name}" for name in INGREDIENTS]
    recipes |= {name: Recipe(recipe.techniques[:1]) for name in without}
    trials = tuple(trial(generator, number) for number in range(TRIALS))
    best = sorted((t for t in trials if t["score"] is not None), key=lambda t: -t["score"])
    return SearchResult(
        study="made up",
        winner=FOUND[0],
        recipes={name: one.to_dict() for name, one in recipes.items()},
        evidence=tuple(evidence(FOUND[0], other, 0.013) for other in (BASELINE, DEFAULT)),
        ablation=tuple(evidence(name, FOUND[0], -0.004) for name in without),
        scores={n: {p: scores(generator) for p in ("validation", "metric", "loss")} for n in recipes},
        histories={name: [history(generator) for _ in range(SEEDS)] for name in recipes},
        leaders=tuple({"trial": t["trial"], "score": t["score"], "recipe": str(recipe)} for t in best[:20]),
        importance={name: 1 / (2 + rank) for rank, name in enumerate(trials[0]["values"])},
        curve=(),
        protocol={
            "data": "digits: 1797 rows, inputs 1 x 8 x 8, 10 classes",
            "rows": {"train": 1151, "validation": 287, "test": 359},
            "model": "MLP(hidden=(128, 128), activation='relu')",
            "epochs": EPOCHS,
            "batch_size": 64,
            "metric": "accuracy",
            "outer": 0,
            "seeds_confirmed": SEEDS,
            "configurations": TRIALS,
            "more_data": "",
        },
        versions=versions(),
        trials=trials,
    )


def trial(generator: np.random.Generator, number: int) -> dict[str, Any]:
    values: dict[str, Any] = {"optimizer.lr": float(10 ** generator.uniform(-4, -2))}
    for technique in CATALOGUE:
        if technique.__name__ in PRESETS["quick"]:
            values[technique.__name__] = on = bool(generator.random() < 0.4)
            for name, info in tunables(technique).items():
                if on:
                    values[f"{technique.__name__}.{name}"] = float(generator.uniform(*info.search))
    whole = number % 4 == 0
    score = 0.94 + 0.02 * math.log10(values["optimizer.lr"] / 1e-4) + 0.01 * generator.normal()
    return {"trial": number, "score": score if whole else None, "epochs": EPOCHS if whole else 4, "values": values}


def evidence(recipe: str, base: str, effect: float) -> Evidence:
    return Evidence(
        recipe=recipe, baseline=base, metric="accuracy", effect=effect, low=effect - 0.008, high=effect + 0.008, p=0.01,
        new_low=None, new_high=None, new_kind=None, detectable=0.01, score=0.96 + effect, score_sd=0.01,
        baseline_score=0.96, seeds=SEEDS, cost=None, protocol="confirmed",
    )  # fmt: skip


def scores(generator: np.random.Generator) -> list[float]:
    return [float(v) for v in generator.normal(0.96, 0.005, SEEDS)]


def history(generator: np.random.Generator) -> History:
    def curve(start: float, end: float) -> list[float]:
        at = np.arange(EPOCHS)
        return [
            float(v) for v in (start - end) * np.exp(-at / 6) + end + 0.002 * abs(end) * generator.normal(size=EPOCHS)
        ]

    columns = {
        "train_loss": curve(1.2, 0.02), "val_loss": curve(1.3, 0.1), "train_metric": curve(0.7, 0.99),
        "val_metric": curve(0.7, 0.96), "val_loss_error": curve(0.1, 0.02), "objective": curve(1.4, 0.1),
        "penalty_share": curve(0.1, 0.2), "gradient_norm": curve(2.0, 0.1), "weight_norm": curve(20.0, 25.0),
        "weight_norm_l1": curve(1200.0, 1300.0), "update_ratio": curve(0.01, 0.001), "dead_fraction": curve(0.1, 0.2),
        "zeros_fraction": curve(0.0, 0.3), "lr": curve(0.001, 0.001), "seconds": curve(0.1, 0.1),
    }  # fmt: skip
    layer = {name: curve(10.0, 12.0) for name in ("l1", "l2", "update_ratio", "zeros_fraction")}
    counts = np.histogram(generator.normal(size=4000), 64)[0].tolist()
    bins = [{"confidence": (b + 0.5) / 15, "right": (b + 0.4) / 15, "rows": 10 + b * b} for b in range(15)]
    return History(
        epochs=[{name: values[e] for name, values in columns.items()} | {"epochs": EPOCHS} for e in range(EPOCHS)],
        outcome="finished",
        metric="accuracy",
        served_epoch=EPOCHS,
        layers=dict.fromkeys(LAYERS, layer),
        weights=[
            {"epoch": epoch, "layers": {n: {"low": -0.5, "high": 0.5, "counts": counts} for n in LAYERS}}
            for epoch in (1, EPOCHS // 2, EPOCHS)
        ],
        final={"part": "test", "rows": 359, "mistakes": 9, "error": 0.02, "brier": 0.05,
               "confidence_on_mistakes": 0.6, "bins": bins},
    )  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        record, page = Path(folder, "study.json"), Path(folder, "report.html")
        study().save(record)
        command = [str(Path(sys.executable).with_name("dampen")), "report", str(record), "--out", str(page)]
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        child = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            json.dumps(
                {
                    "trials": TRIALS,
                    "record_bytes": record.stat().st_size,
                    "page_bytes": page.stat().st_size,
                    "seconds": round(seconds, 2),
                    "processor_seconds": round(child.ru_utime + child.ru_stime, 2),
                    "peak_bytes": 1024 * child.ru_maxrss,
                    "bars": {"seconds": MOST_SECONDS, "bytes": MOST_BYTES},
                    "cores": os.cpu_count(),
                    "date": time.strftime("%Y-%m-%d"),
                },
                indent=1,
            )
        )
        if seconds > MOST_SECONDS or 1024 * child.ru_maxrss > MOST_BYTES:
            sys.exit("Over the bar.")


if __name__ == "__main__":
    main()
