"""A regularized convolutional network for colour images: 5,000 training images of CIFAR-10, twelve epochs, three seeds.

    python examples/cifar_cnn.py [DATA] [--seeds 3] [--epochs 12]

conv 64, conv 128, pool, dense 512, dense 10; trained plainly, and with the recipe below: batch norm, spatial dropout
0.25 behind the first convolution, dropout 0.5 before the last layer, moved and mirrored images, a learning rate that
rises and falls, decay. A fifth of the 5,000 is kept back by `fit` as validation part; nothing is decided by it.
DATA: CIFAR-10 as one .npz of JPEG-coded images (shared/data/README.md). Accuracies of lossless images are higher.

It should print mean accuracies on the official 10,000 test images near these: plain 0.4770, regularized 0.5812.
"""

import argparse
import dataclasses
import statistics
import sys
from pathlib import Path

import torch
from torch import nn

import dampen

CIFAR = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar10" / "cifar10_jpeg_50k_10k.npz"
MOVED = "RandomAffine(rotation=0, zoom=0.1, shift=0.1, horizontal_flip=0.5)"
NOISE = "SpatialDropout(0.25, sites=('1',)) + Dropout(0.5, sites=('7',))"
RECIPE = f"{MOVED} + BatchNorm + {NOISE} + WeightDecay(0.05) + OneCycle + Adam(lr=0.002)"


def network() -> nn.Module:
    convolutions = nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 128, 3, padding=1), nn.ReLU()
    dense = nn.Linear(128 * 16 * 16, 512), nn.ReLU(), nn.Linear(512, 10)
    return nn.Sequential(*convolutions, nn.MaxPool2d(2), nn.Flatten(), *dense)


parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path, default=CIFAR)
for name, value in (("seeds", 3), ("epochs", 12), ("rows", 5_000), ("test", 10_000)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
asked = parser.parse_args()
if not asked.data.exists():
    sys.exit(f"CIFAR-10's JPEG pack must lie in {asked.data}; there is nothing.")

whole = dampen.open_data(asked.data)
kept = torch.cat([torch.arange(asked.rows), whole.test_rows[: asked.test]])
images, labels, test = whole.inputs[kept], whole.targets[kept], torch.arange(asked.rows, len(kept))
data = dataclasses.replace(whole, inputs=images, targets=labels, test_rows=test)
for name, recipe in (("plain", None), ("regularized", RECIPE)):
    how = {"epochs": asked.epochs, "batch_size": 128}
    scores = [dampen.fit(network, data, recipe, seed=seed, **how).test["metric"] for seed in range(asked.seeds)]
    print(f"{name:<12} {statistics.fmean(scores):.4f}  {[round(score, 4) for score in scores]}", flush=True)
