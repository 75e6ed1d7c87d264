"""Searches on permuted labels: nothing is to be found, and the confirmed gain's interval should say so.

    python benchmarks/honesty_search.py [first] [end] [--jobs 2]

600 rows of digits, labels permuted anew for every study; 64 configurations, twelve fresh seeds. Bar: in at least 18 of
20 studies the interval of the winner's gain over the baseline contains zero (a winner that is the baseline has gain 0).
"""

from __future__ import annotations

import argparse
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

ROWS, CONFIGURATIONS, EPOCHS, SEEDS = 600, 64, 40, 12
NEEDED, OF = 18, 20


def study(number: int) -> dict[str, Any]:
    import torch
    from sklearn.datasets import load_digits

    torch.set_num_threads(1)
    from dampen.evidence import verdict
    from dampen.study.search import search

    bunch = load_digits()
    generator = np.random.default_rng(number)
    rows = generator.permutation(len(bunch.data))[:ROWS]
    with tempfile.TemporaryDirectory() as folder:
        result = search(
            None, (bunch.data[rows], generator.permutation(bunch.target[rows])), budget=CONFIGURATIONS, seeds=SEEDS,
            epochs=EPOCHS, seed=100 * number, ablation=False, storage=Path(folder) / "studies.db",
        )  # fmt: skip
    found = [e for e in result.evidence if e.baseline == "baseline"]
    if not found:
        return {"number": number, "winner": result.winner, "effect": 0.0, "low": 0.0, "high": 0.0, "verdict": "-"}
    (e,) = found
    told = {"effect": e.effect, "low": e.low, "high": e.high, "verdict": verdict(e)}
    best = max(leader["score"] for leader in result.leaders)
    return {"number": number, "winner": result.winner, "best": best, **told}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", nargs="?", type=int, default=0)
    parser.add_argument("end", nargs="?", type=int, default=OF)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    holds = 0
    print(f"{'study':>5} {'winner':<10} {'searched':>8} {'gain':>7} [95 %]             verdict")
    with ProcessPoolExecutor(chosen.jobs) as pool:
        for told in pool.map(study, range(chosen.first, chosen.end)):
            holds += told["low"] <= 0 <= told["high"]
            interval = f"[{100 * told['low']:+.1f}, {100 * told['high']:+.1f}]"
            best = f"{100 * told['best']:.1f}" if "best" in told else ""
            gain = f"{100 * told['effect']:+.1f}"
            print(
                f"{told['number']:>5} {told['winner']:<10} {best:>8} {gain:>7} {interval:<18} {told['verdict']}",
                flush=True,
            )
    count = chosen.end - chosen.first
    print(f"{holds} of {count} intervals contain zero (bar: {NEEDED} of {OF}); chance accuracy is 10 %")


if __name__ == "__main__":
    main()
