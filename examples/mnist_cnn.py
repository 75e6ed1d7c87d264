"""A small convolutional network on MNIST: conv 32, pool, conv 64, mean over all places, dense 10; three epochs.

    python examples/mnist_cnn.py [DATA] [--recipe "OneCycle + LabelSmoothing"] [--seeds 3]

Adam with lr 0.001, batches of 128, 60,000 images to train on and the official 10,000 to test.
DATA: MNIST's four IDX files (yann.lecun.com/exdb/mnist).

It should print a mean accuracy near 0.8936 (five seeds). With weights begun as Keras begins them it is 0.863, as in
Keras itself (`benchmarks/keras_cnn.py` puts the two side by side).
"""

import argparse
import dataclasses
import statistics
import sys
from pathlib import Path

import torch

import dampen

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path, default=MNIST)
parser.add_argument("--recipe", default="Adam(lr=0.001)", help="default: no technique")
for name, value in (("seeds", 3), ("epochs", 3), ("rows", 60_000), ("test", 10_000)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
asked = parser.parse_args()
if not asked.data.exists():
    sys.exit(f"MNIST's IDX files must lie in {asked.data}; there is nothing.")

data = dampen.open_data(asked.data)
kept = torch.cat([torch.arange(asked.rows), data.test_rows[: asked.test]])
test = torch.arange(asked.rows, len(kept))
data = dataclasses.replace(
    data, inputs=data.inputs[kept], targets=data.targets[kept], test_rows=test,
    validation_rows=test,  # so that no image is kept back from training; nothing is decided by it
)  # fmt: skip
found = []
for seed in range(asked.seeds):
    network = dampen.fit(dampen.CNN((32, 64)), data, asked.recipe, seed=seed, epochs=asked.epochs, batch_size=128)
    found.append(network.test["metric"])
    print(f"seed {seed}: {found[-1]:.4f} after {network.history.seconds:.0f} seconds", flush=True)
print(f"mean accuracy {statistics.fmean(found):.4f}")
