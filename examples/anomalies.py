"""Which rows are unlike the others? Autoencoders 16-8-4-8-16 on thyroid and cardio, plain and regularized.

    python examples/anomalies.py [DATA] [--seeds 5]

Each learns to repeat the normal rows of seven tenths of a set through four units. A row's squared error, in units of
each column's spread, is its score (printed: medians); above the 95 % quantile of the normal rows' it counts as found.
The regularizer is chosen by the share of variance left unexplained of normal rows held back, without any label.
DATA: a folder with thyroid.npz and cardio.npz (X, y with 1 for anomalies), as ADBench has them.

It should print a ROC AUC near 0.958 for thyroid and 0.953 for cardio.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split

import dampen

SETS = ("thyroid", "cardio")
NETWORK = dampen.MLP((16, 8, 4, 8, 16), activation="tanh")  # its outputs are the row itself
RECIPES = {
    "plain": "Adam(lr=0.003)",
    "denoising": "InputNoise(stddev=0.2) + Adam(lr=0.003)",
    "contractive": "ContractivePenalty(strength=0.01) + Adam(lr=0.003)",
    "sparse": "ActivityL1(strength=0.01) + Adam(lr=0.003)",
}
parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path, default=Path(__file__).resolve().parents[2] / "shared/data/anomaly")
for name, value in (("seeds", 5), ("epochs", 50)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
asked = parser.parse_args()
if not all((asked.data / f"{name}.npz").exists() for name in SETS):
    sys.exit(f"ADBench's thyroid.npz and cardio.npz must lie in {asked.data}; they do not.")

for name in SETS:
    with np.load(asked.data / f"{name}.npz") as file:
        rows, odd, found = file["X"].astype("f"), file["y"].astype(int), {recipe: [] for recipe in RECIPES}
    for seed in range(asked.seeds):
        train, test, odd_train, is_odd = train_test_split(rows, odd, train_size=0.7, stratify=odd, random_state=seed)
        normal = train[odd_train == 0]
        for recipe, techniques in RECIPES.items():
            fitted = dampen.fit(NETWORK, (normal, normal, test, test), techniques, seed=seed, epochs=asked.epochs)
            with torch.no_grad():
                pairs = [(part, fitted.model()(torch.from_numpy(part)).numpy()) for part in (normal, test)]
            spread = np.where(np.ptp(normal, 0) > 0, normal.std(0), 1)
            usual, errors = (np.square((part - told) / spread).mean(1) for part, told in pairs)
            medians = (np.median(errors[is_odd == label]) for label in (0, 1))
            scores = (score(is_odd, errors) for score in (roc_auc_score, average_precision_score))
            hit = (errors[is_odd == 1] > np.quantile(usual, 0.95)).mean()
            found[recipe].append((1 - fitted.validation["metric"], *medians, *scores, hit))
    print(f"{name:<12} held back    normal       odd   ROC AUC av. prec.     found")
    means = {recipe: np.mean(numbers, 0) for recipe, numbers in found.items()}
    print("\n".join(f"{recipe:<12}" + "".join(f"{number:10.4f}" for number in means[recipe]) for recipe in RECIPES))
    print("chosen:", min(means, key=lambda recipe: means[recipe][0]), "\n")
