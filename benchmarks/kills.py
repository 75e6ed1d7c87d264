"""A search that is killed (-9) again and again: does it end like one that never was?

    OMP_NUM_THREADS=1 python benchmarks/kills.py [--kills 50] [--seed DATE]

The studies are those of `tests/study/test_resume.py`: digits, MLP 64-16-10, 10 configurations of up to 6 epochs (or a
budget of 16 trainings), two fresh seeds, ablation. Each is a copy of an undisturbed one as it was when it had just
begun. It is killed at a random second or at a random file that it opens, renames or removes, goes on, is killed while
it goes on, and so forth. Alike: the same answer, trials and histories, times excepted, and the network bit for bit.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import random
import sys
import tempfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from search_workers import STUDY, Undisturbed, killed_again_and_again, left, settings, undisturbed

BUDGETS = {"10 configurations": 10, "16 trainings' worth": "16x"}


def is_same(storage: str, folder: Path, expected: Undisturbed) -> bool:
    told, network = left(storage, folder)
    bits = all(torch.equal(tensor, expected.network[name]) for name, tensor in network.items())
    return bits and network.keys() == expected.network.keys() and told == expected.told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", default=str(datetime.date.today()))
    arguments = parser.parse_args()
    print(f"{arguments.kills} kills, moments drawn from {arguments.seed}\n")
    print(f"{'budget':<20} {'study':>5} {'kills':>5} {'alike':>5}  where they struck")
    studies = alike = kills = 0
    for name, budget in BUDGETS.items():
        with tempfile.TemporaryDirectory() as folder:
            expected = undisturbed(Path(folder), settings(budget))
            draw = random.Random(f"{arguments.seed} {name}")
            wanted = arguments.kills // len(BUDGETS)
            runs = killed_again_and_again(expected, folder, wanted, draw, settings(budget))
            for number, (here, storage, killed) in enumerate(runs, 1):
                same = is_same(storage, here / STUDY, expected)
                struck = collections.Counter(f"{where} ({how})" for how, _, where in killed)
                told = "; ".join(f"{count} x {place}" for place, count in struck.items())
                print(f"{name:<20} {number:>5} {len(killed):>5} {'yes' if same else 'NO':>5}  {told}", flush=True)
                studies, alike, kills = studies + 1, alike + same, kills + len(killed)
    print(f"\n{alike} of {studies} studies, killed {kills} times, ended like the undisturbed one")
    print(f"bar: {kills} kills, every study alike: {'reached' if alike == studies else 'MISSED'}")


if __name__ == "__main__":
    main()
