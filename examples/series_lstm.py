"""Which class does a series belong to? An LSTM on hours of electricity or outlines of leaves, plain and regularized.

    python examples/series_lstm.py [DATA] [ANOTHER] [--recipe warped --recipe optimizer] [--seeds 12]

Plain is Adam at 0.001 and no technique, "recurrent" the dropout of recurrent networks (one mask for all times, weights
from time to time silenced, activations kept small and slow) with RMSprop, "warped" a mild form of it with TimeWarp.
DATA: archives with x_train, y_train, x_test, y_test, as UCR's sets come; here ItalyPowerDemand (67 days to learn from,
1,029 to test) and OSULeaf (200 and 242 leaves of 427 points), whose parts are the official ones.

It should print an accuracy of 0.947 plain and 0.957 recurrent on ItalyPowerDemand, 0.492 and 0.535 warped on OSULeaf.
"""

import argparse
import statistics
import sys
from pathlib import Path

import dampen

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "timeseries"
SETS = [FOLDER / f"{name}.npz" for name in ("ItalyPowerDemand", "OSULeaf")]
KEPT = "ActivityL2(0.001, sites='sequences') + TemporalActivity(0.01)"
RECIPES = {
    "recurrent": f"LockedDropout(0.2) + WeightDrop(0.3) + {KEPT} + ClipNorm + RMSprop(lr=0.003)",
    "warped": "TimeWarp + LockedDropout(0.1) + EMA + OneCycle + ClipNorm + RMSprop(lr=0.005)",
    "optimizer": "OneCycle + ClipNorm + RMSprop(lr=0.005)",
}
parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="*", type=Path, default=SETS)
for name, value in (("seeds", 12), ("epochs", 120), ("hidden", 64), ("batch", 32)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
parser.add_argument("--recipe", action="append", choices=RECIPES, help="left out: all of them")
asked = parser.parse_args()
if missing := [str(path) for path in asked.data if not path.exists()]:
    sys.exit(f"Series must lie in {' and '.join(missing)}; they do not.")

recipes = {name: RECIPES[name] for name in asked.recipe or RECIPES}
how = {"seeds": asked.seeds, "epochs": asked.epochs, "batch_size": asked.batch, "metric": "accuracy"}
for path in asked.data:
    data = dampen.open_data(path)
    answer = dampen.compare(dampen.LSTM(asked.hidden), data, recipes, with_default=False, **how)
    print(f"{data.describe()}\n")
    for name, scores in answer.scores.items():
        print(f"{name}: {statistics.fmean(scores['metric']):.4f}")
    print(f"\n{answer}\n", flush=True)
