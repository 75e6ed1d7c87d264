"""Tomorrow's highest temperature from the last 30 days: a small LSTM, regularized and plain, and two naive forecasts.

    python examples/forecast.py [DATA] [--target temp_max] [--time date] [--window 30] [--seeds 12]

The last fifth of the days tests, the fifth before it validates. The naive forecasts are the day before, and the
seasonal one, the same day of the year before. Each recipe has the learning rate of 0.001, 0.003 and 0.01, and dropout
the rate of 0.2, 0.4 and 0.6, that was best on the validation part under four other seeds.
DATA: a table with a value for every day, a year and a half of them or more; without it, if vega_datasets is installed
(pip install vega_datasets), Seattle's weather from 2012 to 2015, 1,461 days.

It should print (mean absolute error in degrees Celsius): the day before 2.363, the year before 3.832, plain 2.371,
regularized 2.335: a real gain of 0.036 [0.006, 0.074], without which the network is no better than the day before.
"""

import argparse
import statistics
import sys
from importlib.util import find_spec
from pathlib import Path

import torch

import dampen
from dampen import LSTM, Adam, EarlyStopping, LockedDropout, Recipe

PACKAGE = find_spec("vega_datasets")
WEATHER = Path(PACKAGE.origin).parent / "_data" / "seattle-weather.csv" if PACKAGE else Path("vega_datasets")
RECIPE = Recipe((LockedDropout(0.2), EarlyStopping()), Adam(lr=0.003))  # plain: no technique, Adam(lr=0.001)
YEAR = 365

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("data", nargs="?", type=Path, default=WEATHER)
parser.add_argument("--target", default="temp_max", help="the column to forecast; default: temp_max")
parser.add_argument("--time", default="date", help="the column of days; default: date")
for name, value in (("window", 30), ("seeds", 12), ("epochs", 60), ("hidden", 32)):
    parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
asked = parser.parse_args()
if not asked.data.exists():
    sys.exit(f"A table of days must lie in {asked.data}; name one or install vega_datasets.")

data = dampen.open_data(asked.data, target=asked.target, time=asked.time, window=asked.window)
print(f"{data.describe()}\n")
values = torch.cat([data.inputs[0, 0], data.targets[:, 0]])  # every day in order, as none is missing
days = data.test_rows + asked.window
if days.min() < YEAR:
    sys.exit(f"The test part must begin a year after the first day or later; it begins after {int(days.min())} days.")
for name, before in (("day", 1), ("year", YEAR)):
    print(f"the {name} before: {(values[days] - values[days - before]).abs().mean():.3f}")

how = {"seeds": asked.seeds, "epochs": asked.epochs, "metric": "mae", "with_default": False, "precision": "float32"}
answer = dampen.compare(LSTM(asked.hidden), data, {"regularized": RECIPE}, **how)
for name, recipe in (("plain", "baseline"), ("regularized", "regularized")):
    print(f"{name}: {statistics.fmean(answer.scores[recipe]['metric']):.3f}")
print(f"\n{answer}")
