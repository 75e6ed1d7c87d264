"""The same trainings in the tools that people use, for the benchmarks that compare. Keras with TensorFlow comes from
the optional group `bench` (`pip install --group bench`); where it is missing, `keras_epochs` says so."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

BATCH = 128


def mlp_784() -> nn.Module:
    """784-[500]x5-10 with dropout 0.25."""
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in in (784, 500, 500, 500, 500):
        layers += [nn.Linear(fan_in, 500), nn.ReLU(), nn.Dropout(0.25)]
    return nn.Sequential(*layers, nn.Linear(500, 10))


def cnn() -> nn.Module:
    """conv 32, pool, conv 64, global pooling, dense 10."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(64, 10),
    )


def usual_epochs(model: nn.Module, inputs: np.ndarray, labels: np.ndarray) -> Callable[[], None]:
    """An epoch of the loop that most people write: a DataLoader, Adam as it comes, float32."""
    scaled = torch.from_numpy(inputs).float() / 255
    loader = DataLoader(TensorDataset(scaled, torch.from_numpy(labels)), BATCH, shuffle=True, drop_last=True)
    optimizer, criterion = torch.optim.Adam(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()

    def epoch() -> None:
        with torch.enable_grad():
            model.train()
            for x, y in loader:
                optimizer.zero_grad()
                criterion(model(x), y).backward()
                optimizer.step()

    return epoch


def keras_epochs(kind: str, inputs: np.ndarray, labels: np.ndarray) -> Callable[[], None] | None:
    """An epoch of `Model.fit` with the TensorFlow backend, or None where it is not installed. kind: mlp_784 or cnn."""
    if importlib.util.find_spec("keras") is None or importlib.util.find_spec("tensorflow") is None:
        print("Keras with TensorFlow is not installed: pip install --group bench. Its rows are missing.")
        return None
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    model = keras.Sequential(_keras_layers(kind, keras.layers))
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    scaled = (inputs.astype(np.float32) / 255).transpose(0, 2, 3, 1)
    rows = len(scaled) // BATCH * BATCH
    return lambda: model.fit(scaled[:rows], labels[:rows], batch_size=BATCH, epochs=1, verbose=0)


def _keras_layers(kind: str, layers: object) -> Sequence[object]:
    if kind == "cnn":
        return [
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    hidden = [[layers.Dense(500, activation="relu"), layers.Dropout(0.25)] for _ in range(5)]
    return [layers.Flatten(), *(layer for pair in hidden for layer in pair), layers.Dense(10)]
