"""Six recipes for a 784-[500]x5-10 ReLU network on MNIST: Adam, batches of 128, ten epochs, five seeds.

    python examples/mnist_case_study.py [DATA] [--augmentation "RandomAffine(horizontal_flip=0.5) + Whitening"]

DATA: MNIST's IDX files, or PNGs with train.csv (filename, label). Of the first 49,000 training images the last 30 %
test; as published, early stopping watches them. It should print near (published): baseline 0.9698 (0.9699), L2 0.9674
(0.9739), L1 0.9655 (0.9667), dropout 0.9727 (0.9729), augmentation 0.9785, early stopping after 6.3 epochs (5).
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import torch

import dampen

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"
AFFINE = "RandomAffine(rotation=10, zoom=0.1, shift=0.04)"


class Network(torch.nn.Sequential):
    def __init__(self, facts):
        super().__init__(dampen.MLP((500,) * 5)(facts))

    def forward(self, standardised):
        return super().forward(0.1307 + 0.3081 * standardised)  # pixels from 0 to 1, as published


parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path, default=MNIST, help="default: ../shared/data/mnist")
for name, value in (("seeds", 5), ("epochs", 10), ("rows", 49_000)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
parser.add_argument("--augmentation", default=AFFINE, help=f"as a recipe; default: {AFFINE}")
asked = parser.parse_args()
if not asked.data.exists():
    sys.exit(f"MNIST must lie in {asked.data}, as IDX files or as train.csv and PNGs; there is nothing.")

data = dampen.open_data(asked.data)
images, targets = data.inputs[: asked.rows], data.targets[: asked.rows]
last = torch.arange(round(0.7 * len(images)), len(images))
data = dataclasses.replace(data, inputs=images, targets=targets, test_rows=last, validation_rows=last)
recipes = {
    "L2": dampen.L2(1e-4, layers="body", convention="full"),  # Keras' kernel_regularizer on the hidden layers
    "L1": dampen.L1(1e-4, layers="body"),
    "dropout": dampen.Dropout(0.25),
    "augmentation": asked.augmentation,
    "early stopping": dampen.EarlyStopping(patience_epochs=2, monitor="score"),
}
how = {"seeds": asked.seeds, "epochs": asked.epochs, "batch_size": 128, "with_default": False}
how["watch"] = lambda share, left, _: print(f"{share:4.0%}, {left:.0f} s left ", end="\r", file=sys.stderr)
answer = dampen.compare(Network, data, recipes, **how)
for name, scores in answer.scores.items():
    epochs = sum(len(history.epochs) for history in answer.histories[name]) / asked.seeds
    print(f"{name:<16} {sum(scores['metric']) / asked.seeds:.4f} after {epochs:.3g} epochs")
print(f"\n{answer}\n\n{answer.protocol['seconds']:.0f} seconds")
