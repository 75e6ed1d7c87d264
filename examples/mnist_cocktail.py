"""The best cocktail for the case study's network, found by a search that never sees the test part.

    python examples/mnist_cocktail.py [DATA] [--budget 14x] [--augment]

Searches on the first 34,300 training images of MNIST (a fifth validates), then trains what it found on all of them,
under three seeds that no search has used, and tests on the 14,700 that follow. With --augment images may be changed,
too, and what was found also trains on the official 60,000 and is tested on the official 10,000.
DATA: as for mnist_case_study.py.

It should print, as the last line, an accuracy near 0.9856 (baseline 0.9685); with --augment 0.9863 and 0.9910.
"""

import argparse
import dataclasses
import statistics
import sys
import tempfile
from pathlib import Path

import torch

import dampen

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"
NETWORK = dampen.MLP((500,) * 5)
IMAGES = ("MixUp", "Cutout", "RandomAffine")
RANGES = {"optimizer.lr": (1e-3, 1e-2), "Dropout.rate": (0.0, 0.4), "InputDropout.rate": (0.0, 0.3)}
RANGES |= {"RandomAffine.rotation": (5, 15), "RandomAffine.zoom": (0.0, 0.2), "RandomAffine.shift": (0.0, 0.1)}
RANGES |= {"AdversarialTraining.epsilon": (0.02, 0.2), "WeightDecay.strength": (0.01, 0.3)}

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path, default=MNIST)
parser.add_argument("--budget", default="14x", help="e.g. 14x (trainings) or 10m; default: 14x")
for name, value in (("seeds", 3), ("epochs", 10), ("rows", 49_000)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
parser.add_argument("--augment", action="store_true", help="images may be changed")
asked = parser.parse_args()
if not asked.data.exists():
    sys.exit(f"MNIST must lie in {asked.data}, as IDX files or as train.csv and PNGs; there is nothing.")

whole = dampen.open_data(asked.data)
images, targets = whole.inputs[: asked.rows], whole.targets[: asked.rows]
last = torch.arange(round(0.7 * len(images)), len(images))
data = dataclasses.replace(whole, inputs=images, targets=targets, test_rows=last)
how = {"epochs": asked.epochs, "batch_size": 128}
without = ("EarlyStopping", "ClassWeights", *(() if asked.augment else IMAGES))
ranges = {name: pair for name, pair in RANGES.items() if name.partition(".")[0] not in without}
with tempfile.TemporaryDirectory() as folder:
    found = dampen.search(
        NETWORK, data, budget=asked.budget, seeds=asked.seeds, always=("BatchNorm", "OneCycle"), without=without,
        ranges=ranges, ablation=False, storage=f"{folder}/studies.db", **how,
    )  # fmt: skip
print(found, "\n")
tested = {}
for part in (data, whole) if asked.augment and whole.test_rows is not None else (data,):
    fixed = dataclasses.replace(part, validation_rows=part.test_rows)  # all other rows train; it decides nothing
    trained = [dampen.fit(NETWORK, fixed, found.recipe, seed=1000 + seed, **how) for seed in range(asked.seeds)]
    tested[len(part.inputs)] = statistics.fmean(network.test["metric"] for network in trained)
    print(f"{len(part.inputs):,} images: {tested[len(part.inputs)]:.4f}", flush=True)
