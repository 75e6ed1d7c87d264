"""Does bf16 cost accuracy? 784-[500]x5-10 with dropout 0.25, 10 epochs of MNIST, batch 128, Adam, twelve paired seeds.
`bf16_accuracy.py DATA` names a folder with MNIST's IDX files. About a quarter of an hour."""

from __future__ import annotations

import math
import statistics
import sys
from pathlib import Path

from timing import bar, machine

from dampen import MLP, Dropout, fit
from dampen.data import open_data

SEEDS, EPOCHS = 12, 10


def main() -> None:
    machine()
    data = open_data(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared/data/mnist")
    scores: dict[str, list[float]] = {"float32": [], "bf16": []}
    for seed in range(SEEDS):
        for precision, all_ in scores.items():
            settings = {"seed": seed, "epochs": EPOCHS, "batch_size": 128, "precision": precision}
            all_.append(fit(MLP((500,) * 5), data, Dropout(0.25), **settings).test["metric"])
        print(f"seed {seed}: " + ", ".join(f"{name} {all_[-1]:.4f}" for name, all_ in scores.items()), flush=True)
    for name, all_ in scores.items():
        print(f"{name}: mean test accuracy {statistics.fmean(all_):.5f}, deviation {statistics.stdev(all_):.5f}")
    differences = [b - a for a, b in zip(scores["float32"], scores["bf16"], strict=True)]
    mean, error = statistics.fmean(differences), statistics.stdev(differences) / math.sqrt(SEEDS)
    print(f"bf16 - float32: {mean:+.5f}, standard error {error:.5f}")
    bar("bf16_minus_float32", mean, f">={-0.001 - 2 * error:.5f}", mean >= -0.001 - 2 * error)


if __name__ == "__main__":
    main()
