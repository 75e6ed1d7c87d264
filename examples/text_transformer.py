"""Is a film review friendly, or what does a question ask for? A small transformer from scratch, plain and regularized.

    python examples/text_transformer.py [DATA] [--seeds 12] [--epochs 8]

In one command, with the best-known techniques for texts, each at its default strength:
    dampen compare sst2.csv.gz --text text --target target --split split --report report.html
Words and their ids come from the training part alone. The regularized network has the strengths, each of the two the
learning rate, that were best on the dev part of SST-2 under two other seeds.
DATA: a table with the columns split (train, test, perhaps dev), target and text; here SST-2, 9,613 reviews.

It should print an accuracy near 0.782 for plain and 0.794 for regularized, a real gain.
"""

import argparse
import statistics
import sys
from pathlib import Path

import dampen
from dampen import EMA, Adam, Dropout, EmbeddingDropout, LabelSmoothing, OneCycle, Recipe, Transformer

TEXTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "text"
RECIPE = Recipe((EmbeddingDropout(0.3), Dropout(0.2), LabelSmoothing(), OneCycle(), EMA()), Adam(lr=0.002))
SENTENCES = ["a quiet , moving film .", "two hours of my life that i want back ."]

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path, default=TEXTS / "sst2.csv.gz")
parser.add_argument("--drop", nargs="*", default=[], help="columns to leave out")
for name, value in (("seeds", 12), ("epochs", 8)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
asked = parser.parse_args()
if not asked.data.exists():
    sys.exit(f"A table of texts must lie in {asked.data}; there is none.")

data = dampen.open_data(asked.data, text="text", target="target", split="split", drop=asked.drop)
print(f"{data.describe()}\n")
how = {"seeds": asked.seeds, "epochs": asked.epochs, "metric": "accuracy", "with_default": False}
answer = dampen.compare(Transformer(), data, {"regularized": RECIPE}, **how)
for name, recipe in (("plain", "baseline"), ("regularized", "regularized")):
    print(f"{name}: {statistics.fmean(answer.scores[recipe]['metric']):.4f}")
print(f"\n{answer}")
