"""Which of several things hold? A customer's mortgage, loan and arrears, told at once by one network.

    python examples/several_labels.py [DATA] [--target housing --target loan --target default] [--seeds 12]

Several columns of yes or no are labels: one output each, binary cross-entropy, any number may hold. As a command:
    dampen compare bank.csv --target housing --target loan --target default --metric balanced_label_accuracy
Every label counts alike, and of each label those that have it as much as those that have not.
DATA: a table; here 4,000 of the 45,211 customers of bank-marketing (the first 4,000 in a random order).

It should print a balanced accuracy over the labels of 0.593 for no technique (printed as 59.3 of 100; 50 would be
chance), and that none of six techniques at its default strength raises it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import polars as pl

import dampen

BANK = Path(__file__).resolve().parents[2] / "shared" / "data" / "tabular" / "bank-marketing.csv.gz"
RECIPES = {name: name for name in ("Dropout", "L2(0.001)", "MixUp", "SwapNoise", "EMA", "EarlyStopping")}

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path, default=BANK)
parser.add_argument("--target", action="append", help="a label; default: housing, loan and default")
for name, value in (("rows", 4000), ("seeds", 12), ("epochs", 40)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
asked = parser.parse_args()
if not asked.data.exists():
    sys.exit(f"A table must lie in {asked.data}; there is none.")

with tempfile.TemporaryDirectory() as folder:
    table = pl.read_csv(asked.data)
    table.sample(min(asked.rows, len(table)), shuffle=True, seed=0).write_csv(Path(folder) / "table.csv")
    labels = asked.target or ["housing", "loan", "default"]
    data = dampen.open_data(Path(folder) / "table.csv", target=labels, task="labels")
print(f"{data.describe()}: {', '.join(data.classes)}\n")
how = {"seeds": asked.seeds, "epochs": asked.epochs, "metric": "balanced_label_accuracy", "with_default": False}
print(dampen.compare(dampen.MLP(), data, RECIPES, **how))
