"""How far is diabetes a year later? A small network whose cocktail a search finds, beside ridge regression.

    python examples/diabetes.py [DATA] [--target TARGET] [--folds 5] [--budget 64] [--seeds 6] [--epochs 100]

Each fifth of the rows is once the test part. Ridge regression learns from all others, its strength by cross-validation
among them; of these the network, with 16 hidden units for 442 rows, learns from four fifths, the other fifth decides.
R2 is the share of the variance that is explained; the network's is the mean over six seeds, not of an ensemble.
DATA: a table of numbers, one column of which is to be predicted; without it the 442 patients that scikit-learn ships.

It should print a mean R2 of 0.487 for ridge regression, 0.449 for no technique, 0.488 for the cocktail (with the three
techniques that are left out here 0.471).
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import dampen

WITHOUT = "MixUp", "SwapNoise", "BatchNorm"  # 64 configurations on 354 rows: the fewer choices, the less luck
parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path)
parser.add_argument("--target", default="target", help="the column to predict; default: target")
for name, value in (("folds", 5), ("budget", 64), ("seeds", 6), ("epochs", 100)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
asked = parser.parse_args()
if asked.data and not asked.data.exists():
    sys.exit(f"A table must lie in {asked.data}; there is none.")

if asked.data:
    data = dampen.open_data(asked.data, target=asked.target)
    x, y = data.inputs.numpy(), data.targets[:, 0].numpy()
else:
    x, y = load_diabetes(return_X_y=True)
found = []
for fold, (train, test) in enumerate(KFold(asked.folds, shuffle=True, random_state=0).split(x)):
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 25))).fit(x[train], y[train])
    parts = x[train], y[train], x[test], y[test]
    how = {"budget": asked.budget, "seeds": asked.seeds, "epochs": asked.epochs, "seed": fold, "metric": "r2"}
    with tempfile.TemporaryDirectory() as folder:
        how |= {"always": ["L2"], "ranges": {"L2.strength": (0.01, 1.0)}, "storage": Path(folder) / "studies.db"}
        answer = dampen.search(dampen.MLP((16,)), parts, ablation=False, without=WITHOUT, **how)
    cocktail, plain = (statistics.fmean(answer.scores[name]["metric"]) for name in (answer.winner, "baseline"))
    found.append((ridge.score(x[test], y[test]), plain, cocktail))
    told = "ridge {:.4f}, no technique {:.4f}, cocktail {:.4f}".format(*found[-1])
    print(f"fold {fold}: {told}: {answer.recipe}", flush=True)
print("mean R2: ridge {:.4f}, no technique {:.4f}, cocktail {:.4f}".format(*np.mean(found, 0)))
