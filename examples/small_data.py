"""Is a cocktail better than a well-tuned baseline where images are few? 50 a class of CIFAR-10, 100 a class of MNIST.

    python examples/small_data.py [DATA] [--sets mnist] [--budget 25x] [--seeds 12]

Two searches on one budget: learning rate and decay alone ("tuned"), and the well-known techniques around batch norm
and one-cycle ("cocktail"). Both and the plain baseline train under fresh seeds; the verdict is of cocktail against
tuned on 2,000 official test images that no search has seen, with its 95 % interval.
DATA: a folder with mnist/ (IDX files) and cifar10/cifar10_jpeg_50k_10k.npz (shared/data/README.md).

It should print of MNIST: baseline 0.7269, tuned 0.8590, cocktail 0.9087: +0.0497 [+0.0288, +0.0701], real gain; of
CIFAR-10: 0.3211, 0.3408, 0.3833: +0.0425 [+0.0279, +0.0555], real gain.
"""

import argparse
import dataclasses
import statistics
import sys
import tempfile
from pathlib import Path

import torch

import dampen
from dampen.evidence import judge, verdict
from dampen.presets import PRESETS

SETS = {"cifar10": ("cifar10/cifar10_jpeg_50k_10k.npz", 50), "mnist": ("mnist", 100)}
PLAIN = {"always": ["WeightDecay"], "without": {*PRESETS["quick"]} - {"WeightDecay"}}
NETWORK, RATES = dampen.CNN((32, 64)), {"optimizer.lr": (1e-3, 3e-2)}

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
parser.add_argument("--sets", choices=SETS, nargs="+", default=[*SETS], help="default: both")
parser.add_argument("--budget", default="25x", help="of each search; default: 25x (trainings)")
for name, value in (("seeds", 12), ("epochs", 40), ("images", 100), ("test", 2_000)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
asked = parser.parse_args()
if not all((asked.data / SETS[name][0]).exists() for name in asked.sets):
    sys.exit(f"{' and '.join(SETS[name][0] for name in asked.sets)} must lie in {asked.data}; not all of it is there.")

for name in asked.sets:
    whole, count = dampen.open_data(asked.data / SETS[name][0]), min(asked.images, SETS[name][1])
    labels = whole.targets[: -len(whole.test_rows)].argmax(1)  # the test part comes last
    kept = torch.cat([*((labels == label).nonzero()[:count, 0] for label in range(10)), whole.test_rows[: asked.test]])
    test = torch.arange(10 * count, len(kept))
    data = dataclasses.replace(whole, inputs=whole.inputs[kept], targets=whole.targets[kept], test_rows=test)
    how, recipes, scores, rows = {"epochs": asked.epochs, "batch_size": 32}, {"baseline": dampen.Recipe()}, {}, {}
    for who, space in {"tuned": PLAIN, "cocktail": {"always": ["BatchNorm", "OneCycle"]}}.items():
        with tempfile.TemporaryDirectory() as folder:
            search = {"budget": asked.budget, "seeds": 2, "ablation": False, "storage": f"{folder}/s.db"}
            recipes[who] = dampen.search(NETWORK, data, ranges=RATES, **space, **search, **how).recipe
    for who, recipe in recipes.items():
        trained = [dampen.fit(NETWORK, data, recipe, seed=1000 + seed, **how) for seed in range(asked.seeds)]
        scores[who], rows[who] = [f.test["metric"] for f in trained], [f.test_rows.tolist() for f in trained]
        print(f"{name} {who:<8} {statistics.fmean(scores[who]):.4f}  {recipe}", flush=True)
    how = {"metric": "accuracy", "higher_is_better": True, "protocol": "fixed test", "row_scores": rows}
    found = next(e for e in judge(scores, baseline="tuned", **how) if e.recipe == "cocktail")
    print(f"{name}: {found.effect:+.4f} [{found.low:+.4f}, {found.high:+.4f}], {verdict(found)}\n")
