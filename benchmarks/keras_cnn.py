"""The MNIST network of `examples/mnist_cnn.py` here and in Keras (torch backend), five seeds each, in turns.

    python benchmarks/keras_cnn.py [--seeds 5] [--epochs 3] [--rows 60000]

Both: conv 32, pool, conv 64, mean over all places, dense 10; padding "same", Glorot-uniform weights, zero biases, Adam
with lr 0.001, batches of 128, the same standardised images, as many threads. Keras has images with the channels first,
which the torch backend runs without turning them round. Times are of training alone, `fit` to its end, Keras' without
its first two batches; ours with evaluation and measuring included.

One thread of an AMD EPYC, torch 2.13.0, Keras 3.15.1, 2026-11-22: 0.8632 and 0.8670, -0.0038 apart with a standard
error of 0.0062; 51 and 100 seconds a training (medians).
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import statistics
import sys
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import numpy as np
import torch
from timing import bar, machine
from torch import nn

import dampen

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"
BATCH = 128


def network() -> nn.Module:
    """As Keras makes it; its last pooling is a mean over all places."""
    first, second, head = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1), nn.Linear(64, 10)
    for layer in (first, second, head):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(2), second, nn.ReLU(), Mean(), head)


class Mean(nn.Module):
    """(N, C, H, W) -> (N, C), asked in the order in which the numbers lie in memory."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.permute(0, 2, 3, 1).mean((1, 2)) if images.stride(1) == 1 else images.mean((2, 3))


def ours(data: dampen.Dataset, seed: int, epochs: int) -> tuple[float, float]:
    """(accuracy on the test part, seconds)."""
    began = time.perf_counter()
    fitted = dampen.fit(network, data, seed=seed, epochs=epochs, batch_size=BATCH)
    return fitted.test["metric"], time.perf_counter() - began


def theirs(images: tuple[np.ndarray, np.ndarray], labels: tuple[np.ndarray, np.ndarray], seed: int, epochs: int):
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    keras.config.set_image_data_format("channels_first")
    convolution = {"padding": "same", "activation": "relu"}
    model = keras.Sequential(
        [
            keras.Input((1, 28, 28)),
            layers.Conv2D(32, 3, **convolution),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, **convolution),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.001), loss)
    for _ in range(2):
        model.train_on_batch(images[0][:BATCH], labels[0][:BATCH])
    keras.utils.set_random_seed(seed)
    fresh = keras.models.clone_model(model)  # new weights, nothing learned yet
    fresh.compile(keras.optimizers.Adam(0.001), loss)
    began = time.perf_counter()
    fresh.fit(images[0], labels[0], batch_size=BATCH, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - began
    found = fresh.predict(images[1], batch_size=1000, verbose=0).argmax(1)
    return float((found == labels[1]).mean()), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("seeds", 5), ("epochs", 3), ("rows", 60_000)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    if not MNIST.exists():
        sys.exit(f"MNIST's IDX files must lie in {MNIST}; there is nothing.")
    machine()
    whole = dampen.open_data(MNIST)
    kept = torch.cat([torch.arange(asked.rows), whole.test_rows])
    test = torch.arange(asked.rows, len(kept))
    images, targets = whole.inputs[kept], whole.targets[kept]
    data = dataclasses.replace(whole, inputs=images, targets=targets, test_rows=test, validation_rows=test)
    plain = images.float()
    train = plain[: asked.rows]
    plain = ((plain - train.mean()) / train.std()).numpy()
    labels = targets.argmax(1).numpy()
    parts = [(array[: asked.rows], array[asked.rows :]) for array in (plain, labels)]
    found: dict[str, list[tuple[float, float]]] = {"dampen": [], "keras": []}
    for seed in range(asked.seeds):
        found["dampen"].append(ours(data, seed, asked.epochs))
        found["keras"].append(theirs(*parts, seed, asked.epochs))
        told = ("{} {:.4f} in {:.1f} s".format(who, *runs[-1]) for who, runs in found.items())
        print(f"seed {seed}: {', '.join(told)}", flush=True)
    accuracy = {who: [run[0] for run in runs] for who, runs in found.items()}
    seconds = {who: statistics.median(run[1] for run in runs) for who, runs in found.items()}
    apart = statistics.fmean(accuracy["dampen"]) - statistics.fmean(accuracy["keras"])
    error = math.sqrt(sum(statistics.variance(all_) / len(all_) for all_ in accuracy.values()))
    print(f"mean dampen {statistics.fmean(accuracy['dampen']):.4f}, keras {statistics.fmean(accuracy['keras']):.4f}; "
          f"apart {apart:+.4f}, its standard error {error:.4f}")  # fmt: skip
    bar("cnn_accuracy_apart_in_errors", abs(apart) / error, "<=2", abs(apart) <= 2 * error)
    share = seconds["dampen"] / seconds["keras"]
    bar("cnn_seconds_over_keras", share, "<1", share < 1)


if __name__ == "__main__":
    main()
