"""The cocktail that `search` finds against the default, on ten tables, ten outer splits each.

    python benchmarks/cocktail.py [--splits 10] [--sets anneal,car] [--jobs 2] [--out FILE.json]

Both sides are judged on the same outer test part, which no search has seen, under the same fresh seeds. Per set the
paired difference over the outer splits; over the sets its mean and Wilcoxon's signed-rank test; the verdict function on
every set, corrected for the ten (Holm).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "tabular"
SETS = (
    *("australian", "blood-transfusion", "car", "cnae-9", "credit-g", "kr-vs-kp", "mfeat-factors", "phoneme"),
    *("segment", "anneal"),
)
CONFIGURATIONS, EPOCHS, SEEDS = 64, 40, 6
LEAST, ALPHA = 0.005, 0.05


def one(task: tuple[str, int, dict]) -> dict:
    """One search: what the winner and the default score on the outer test part."""
    import torch

    torch.set_num_threads(1)
    from dampen.data import open_data
    from dampen.study.search import search

    name, outer, options = task
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = search(
            None,
            open_data(FOLDER / f"{name}.csv.gz", target="target"),
            budget=CONFIGURATIONS,
            seeds=SEEDS,
            epochs=EPOCHS,
            metric="balanced_accuracy",
            outer=outer,
            seed=100 * outer,
            ablation=False,
            storage=Path(folder) / "studies.db",
            **options,
        )
    scores = {who: statistics.fmean(all_["metric"]) for who, all_ in result.scores.items()}
    validation = {who: statistics.fmean(all_["validation"]) for who, all_ in result.scores.items()}
    return {
        "set": name,
        "outer": outer,
        "winner": result.winner,
        "found": scores[result.winner],
        "default": scores["default"],
        "baseline": scores["baseline"],
        "scores": scores,
        "validation": validation,
        "recipe": str(result.recipe),
        "recipes": {who: [t["name"] for t in r["techniques"]] for who, r in result.recipes.items()},
        "phases": result.protocol["seconds"],
        "seconds": time.perf_counter() - began,
    }


def report(results: list[dict]) -> None:
    from scipy.stats import wilcoxon

    from dampen.evidence import judge, verdict
    from dampen.evidence.crossed import holm

    print(f"\n{'set':<18} {'baseline':>8} {'default':>8} {'found':>8} {'gain':>8} {'p':>7} verdict")
    gains, p_values, rows = [], [], []
    for name in dict.fromkeys(r["set"] for r in results):
        runs = [r for r in results if r["set"] == name]
        table = {who: [r[who] for r in runs] for who in ("baseline", "default", "found")}
        gains.append(statistics.fmean(np.subtract(table["found"], table["default"])))
        (evidence,) = judge(
            {"default": table["default"], "found": table["found"]},
            baseline="default", metric="balanced_accuracy", higher_is_better=True, test_over_train=0.2 / 0.64,
        )  # fmt: skip
        p_values.append(evidence.p)
        rows.append((name, table, evidence))
    harmful = 0
    for (name, table, evidence), p, gain in zip(rows, holm(p_values), gains, strict=True):
        from dataclasses import replace

        told = verdict(replace(evidence, p=float(p)))
        harmful += told == "harmful"
        means = " ".join(f"{statistics.fmean(table[who]):8.4f}" for who in ("baseline", "default", "found"))
        print(f"{name:<18} {means} {gain:+8.4f} {p:7.3f} {told}")
    mean = statistics.fmean(gains)
    p = wilcoxon(gains).pvalue if len(gains) > 1 else 1.0
    print(
        f"\nmean over the sets {mean:+.4f} (bar {LEAST:+.3f}); Wilcoxon p {p:.4f} (bar {ALPHA}); harmful on {harmful}"
    )
    print(f"seconds a search: median {statistics.median(r['seconds'] for r in results):.1f}")


def ingredients(results: list[dict]) -> None:
    """Who won, and what those winners hold that had been found."""
    for name in dict.fromkeys(r["set"] for r in results):
        runs = [r for r in results if r["set"] == name]
        found = [r for r in runs if r["winner"].startswith("found")]
        kept = Counter(r["winner"] for r in runs if r not in found)
        held = Counter(technique for r in found for technique in r["recipes"][r["winner"]])
        told = ", ".join(f"{who} {count}" for who, count in (Counter(found=len(found)) + kept + held).most_common(9))
        print(f"{name:<18} {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--options", type=json.loads, default={}, help="further arguments of search, as JSON")
    chosen = parser.parse_args()
    if not FOLDER.exists():
        sys.exit(f"The tables must lie in {FOLDER}; they do not.")
    tasks = [(name, outer, chosen.options) for outer in range(chosen.splits) for name in chosen.sets.split(",")]
    results = []
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(chosen.jobs) as pool:
        for result in pool.map(one, tasks):
            results.append(result)
            gain = result["found"] - result["default"]
            told = f"{result['found']:.4f} over {result['default']:.4f}, {gain:+.4f}, {result['winner']}"
            print(f"{result['set']:<18} split {result['outer']}: {told}; {result['seconds']:.0f} s", flush=True)
            if chosen.out:
                chosen.out.write_text(json.dumps(results, indent=1))
    report(results)
    ingredients(results)


if __name__ == "__main__":
    main()
