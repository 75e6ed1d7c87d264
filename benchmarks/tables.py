"""The cocktail that `search` finds beside boosted trees and a tuned perceptron, on ten tables, three splits each.

    python benchmarks/tables.py [--splits 3] [--sets anneal,car] [--sides "dampen;RealMLP"] [--out FILE.json] [--jobs 2]

Rows are divided 60 / 20 / 20 by class, anew for each split, the same for every side. dampen: a search of 64
configurations, what it found on validation, trained under three fresh seeds; the mean of the three scores, no ensemble.
HistGradientBoosting (scikit-learn) and XGBoost: 1,000 rounds at rate 0.05, stopped early on the validation part,
balanced weights. "HGB, 80 %" is scikit-learn's own default instead, with balanced weights, trained on the validation
part, too. RealMLP: pytabkit's RealMLP_TD_Classifier as it comes, stopped by the validation part; "RealMLP, balanced"
is stopped by balanced accuracy there. FILE keeps what is done; a second call goes on from it and prints the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from cocktail import FOLDER, SETS
from timing import bar

CONFIGURATIONS, SEEDS, HIDDEN, EPOCHS, BATCH_SIZE, SCALE = 64, 3, (256, 256, 256), 100, 128, "bins"
ROUNDS, RATE, PATIENCE = 1000, 0.05, 50


def divided(name: str, split: int) -> pl.DataFrame:
    """The table of that name with a column `split`: 60 / 20 / 20 of each class, drawn with that seed."""
    from sklearn.model_selection import train_test_split

    table = pl.read_csv(FOLDER / f"{name}.csv.gz", infer_schema_length=None)
    rows, classes = np.arange(len(table)), table["target"].cast(pl.String).to_numpy()
    rest, test = train_test_split(rows, test_size=0.2, stratify=classes, random_state=split)
    _, validation = train_test_split(rest, test_size=0.25, stratify=classes[rest], random_state=split)
    part = np.full(len(table), "train", dtype=object)
    part[test], part[validation] = "test", "validation"
    return table.with_columns(pl.Series("split", part.tolist()))


def dampens(table: pl.DataFrame, split: int, options: dict[str, Any]) -> dict[str, Any]:
    from dampen import MLP, open_data, search

    opening = {"scale": SCALE} | {name: options[name] for name in options.keys() & {"scale", "categories"}}
    network = MLP(tuple(options.get("hidden", HIDDEN)))
    searching = {"budget": CONFIGURATIONS, "seeds": SEEDS, "epochs": EPOCHS, "batch_size": BATCH_SIZE}
    searching |= {name: value for name, value in options.items() if name not in (*opening, "categories", "hidden")}
    with tempfile.TemporaryDirectory() as folder:
        table.write_csv(Path(folder) / "table.csv")
        data = open_data(Path(folder) / "table.csv", target="target", split="split", **opening)
        result = search(
            network, data, metric="balanced_accuracy", seed=100 * split, ablation=False,
            storage=Path(folder) / "studies.db", **searching,
        )  # fmt: skip
    own = result.scores[result.winner]
    told = {"recipe": str(result.recipe), "winner": result.winner, "each": own["metric"]}
    others = {who: statistics.fmean(all_["metric"]) for who, all_ in result.scores.items()}
    return {"score": statistics.fmean(own["metric"]), "loss": statistics.fmean(own["loss"]), **told, "others": others}


class Parts:
    """The parts of a divided table as other libraries take them: texts as categories, classes as 0, 1, ..."""

    def __init__(self, table: pl.DataFrame) -> None:
        import pandas as pd

        known = [column.name for column in table.drop("target", "split") if column.null_count() < len(column)]
        inputs = pd.DataFrame(table.select(known).to_dict(as_series=False))  # XGBoost takes no empty column
        for column in table.select(known).select(pl.col(pl.String, pl.Boolean)).columns:
            inputs[column] = inputs[column].astype("category")
        labels = np.unique(table["target"].cast(pl.String).to_numpy().astype(str), return_inverse=True)[1]
        of = {name: np.flatnonzero((table["split"] == name).to_numpy()) for name in ("train", "validation", "test")}
        self.train, self.validation, self.test = ((inputs.iloc[rows], labels[rows]) for rows in of.values())
        both = np.concatenate([of["train"], of["validation"]])
        self.both, self.validation_of_both = (inputs.iloc[both], labels[both]), np.arange(len(of["train"]), len(both))


def boosted(parts: Parts) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(
        max_iter=ROUNDS, learning_rate=RATE, early_stopping=True, n_iter_no_change=PATIENCE, random_state=0,
        class_weight="balanced",
    )  # fmt: skip
    return trees.fit(*parts.train, X_val=parts.validation[0], y_val=parts.validation[1])


def boosted_by_default(parts: Parts) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(class_weight="balanced", random_state=0).fit(*parts.both)


def xgboost(parts: Parts) -> Any:
    from sklearn.utils.class_weight import compute_sample_weight
    from xgboost import XGBClassifier

    trees = XGBClassifier(
        n_estimators=ROUNDS, learning_rate=RATE, early_stopping_rounds=PATIENCE, enable_categorical=True,
        tree_method="hist", n_jobs=1, random_state=0,
    )  # fmt: skip
    weights = compute_sample_weight("balanced", parts.train[1])
    return trees.fit(*parts.train, sample_weight=weights, eval_set=[parts.validation], verbose=False)


def real_mlp(parts: Parts, **options: Any) -> Any:
    from pytabkit import RealMLP_TD_Classifier

    network = RealMLP_TD_Classifier(device="cpu", random_state=0, n_threads=1, **options)
    means = parts.train[0].mean(numeric_only=True)  # it takes no missing numbers
    parts.test = parts.test[0].fillna(means), parts.test[1]
    return network.fit(parts.both[0].fillna(means), parts.both[1], val_idxs=parts.validation_of_both)


def real_mlp_balanced(parts: Parts) -> Any:
    return real_mlp(parts, val_metric_name="1-balanced_accuracy")


RIVALS: dict[str, Callable[[Parts], Any]] = {
    "HGB": boosted,
    "HGB, 80 %": boosted_by_default,
    "XGBoost": xgboost,
    "RealMLP": real_mlp,
    "RealMLP, balanced": real_mlp_balanced,
}


def one(task: tuple[str, int, str, dict[str, Any]]) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    name, split, side, options = task
    table = divided(name, split)
    began = time.perf_counter()
    if side.startswith("dampen"):
        found = dampens(table, split, options)
    else:
        from sklearn.metrics import balanced_accuracy_score, log_loss

        parts = Parts(table)
        shares = RIVALS[side](parts).predict_proba(parts.test[0])
        truth = parts.test[1]
        found = {"score": balanced_accuracy_score(truth, shares.argmax(1))}
        found["loss"] = log_loss(truth, shares, labels=np.arange(shares.shape[1]))
    return {"set": name, "split": split, "side": side, **found, "seconds": time.perf_counter() - began}


def printed(results: list[dict[str, Any]], what: str, digits: int, sides: list[str]) -> dict[str, dict[str, float]]:
    """The means over the splits of each set, as {set: {side: mean}}, and a last row of means over the sets."""
    means = {
        name: {
            side: statistics.fmean(r[what] for r in results if (r["set"], r["side"]) == (name, side)) for side in sides
        }
        for name in SETS
        if all(any((r["set"], r["side"]) == (name, side) for r in results) for side in sides)
    }
    widths = [max(len(side), 8) for side in sides]
    print(f"\n{what:<18} " + " ".join(f"{side:>{width}}" for side, width in zip(sides, widths, strict=True)))
    whole = {side: statistics.fmean(row[side] for row in means.values()) for side in sides}
    for name, row in {**means, "mean": whole}.items():
        told = (f"{row[side]:{width}.{digits}f}" for side, width in zip(sides, widths, strict=True))
        print(f"{name:<18} " + " ".join(told))
    return means


def report(results: list[dict[str, Any]]) -> None:
    sides = list(dict.fromkeys(r["side"] for r in results))
    score = printed(results, "score", 4, sides)
    printed(results, "loss", 4, sides)
    printed(results, "seconds", 1, sides)
    mean = {side: statistics.fmean(row[side] for row in score.values()) for side in sides}
    for own in (side for side in sides if side.startswith("dampen")):
        print()
        for rival in (side for side in sides if side.startswith("RealMLP")):
            bar(f"{own}_over_{rival}", mean[own] - mean[rival], ">=-0.005", mean[own] - mean[rival] >= -0.005)
        for trees in (("HGB", "XGBoost"), ("HGB, 80 %", "XGBoost")):
            if set(trees) <= set(sides):
                above = sum(row[own] > max(row[tree] for tree in trees) for row in score.values())
                bar(f"{own}_above_{'_and_'.join(trees)}", above, ">=8", above >= 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--sides", default="dampen;" + ";".join(RIVALS), help="with ; between them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--options", type=json.loads, default={}, help="arguments of open_data and search, as JSON")
    asked = parser.parse_args()
    if not FOLDER.exists():
        sys.exit(f"The tables must lie in {FOLDER}; they do not.")
    results = json.loads(asked.out.read_text()) if asked.out and asked.out.exists() else []
    done = {(r["set"], r["split"], r["side"]) for r in results}
    tasks = [
        (name, split, side, asked.options)
        for split in range(asked.splits) for name in asked.sets.split(",") for side in asked.sides.split(";")
        if (name, split, side) not in done
    ]  # fmt: skip
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(asked.jobs) as pool:
        for found in pool.map(one, tasks):
            results.append(found)
            told = f"{found['score']:.4f}, log loss {found['loss']:.4f}, {found['seconds']:.0f} s"
            print(f"{found['set']:<18} {found['split']} {found['side']:<18} {told}", flush=True)
            if asked.out:
                asked.out.write_text(json.dumps(results, indent=1))
    report(results)


if __name__ == "__main__":
    main()
