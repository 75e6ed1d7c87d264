"""A dense network 128-64-1 for two classes, with an L2 penalty of 0.01 or dropout of 0.5, in a loop of one's own.

    python examples/dense_l2_dropout.py [DATA] [--epochs 40] [--seeds 3]

The penalty is 0.01 * sum w^2 of every layer, as Keras' kernel_regularizer=L2(0.01): `convention="full"`.
DATA: a table whose column `target` has two classes; here 45,211 calls of a bank (openml.org/d/1461), of which the
first --rows of a shuffled order train and the next 5,000 test.

It should print (training, test): plain 0.998, 0.885; L2 0.926, 0.902; dropout 0.976, 0.897.
"""

import argparse
import statistics
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

import dampen
from dampen import L2, Dropout, Recipe

CALLS = Path(__file__).resolve().parents[2] / "shared" / "data" / "tabular" / "bank-marketing.csv.gz"
RECIPES = {"plain": Recipe(), "L2": Recipe((L2(0.01, convention="full"),)), "dropout": Recipe((Dropout(0.5),))}

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path, default=CALLS)
for name, value in (("seeds", 3), ("epochs", 40), ("rows", 2_000)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
asked = parser.parse_args()
if not asked.data.exists():
    sys.exit(f"The table of calls must lie in {asked.data}; there is nothing.")

table = dampen.open_data(asked.data, target="target")
order = torch.randperm(len(table.inputs), generator=torch.Generator().manual_seed(0))
train, test = order[: asked.rows], order[asked.rows : asked.rows + 5_000]
x, y = table.inputs, table.targets[:, 1:]  # (rows, 1): 0.0 or 1.0
x = (x - x[train].mean(0)) / x[train].std(0).clamp(min=1e-3)


def accuracies(recipe: Recipe, seed: int) -> list[float]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(x.shape[1], 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1))
    if seed == 0:
        print(f"{dampen.summary(model, recipe, x[train])}\n")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    reg = dampen.attach(recipe, model, optimizer, seed=seed)
    for _ in range(asked.epochs):
        for rows in train[torch.randperm(len(train))].split(50):
            reg.backward(x[rows], y[rows], binary_cross_entropy_with_logits)
            optimizer.step()
            reg.weights()
    return [((model(x[rows]) > 0) == (y[rows] > 0)).float().mean().item() for rows in (train, test)]


for name, recipe in RECIPES.items():
    means = map(statistics.fmean, zip(*(accuracies(recipe, seed) for seed in range(asked.seeds)), strict=True))
    print("{:<8} training {:.3f}  test {:.3f}".format(name, *means), flush=True)
