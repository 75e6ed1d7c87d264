"""A gain that is not there must not be found: 20 small comparisons on permuted labels; a technique at off.

At most one of the twenty may claim a gain (2.5 % each is nominal). A technique whose strength rests at off must
come out equal to the baseline: p = 1 and no gain. `honesty_trainings.py 20 56` looks at other studies, without bars.
"""

from __future__ import annotations

import sys

import numpy as np
from timing import bar, machine

import dampen
from dampen import L1, L2, ClipNorm, Dropout, LabelSmoothing, MixUp, Recipe, WeightNoise
from dampen.data import load
from dampen.data.dataset import from_arrays
from dampen.evidence import verdict

STUDIES, SEEDS, EPOCHS, ROWS = 20, 12, 5, 600


def permuted(study: int) -> dampen.Dataset:
    digits = load("digits")
    source = np.random.Generator(np.random.PCG64(study))
    rows = source.permutation(len(digits.inputs))[:ROWS]
    labels = digits.targets.argmax(1).numpy()[rows]
    return from_arrays(digits.inputs.numpy()[rows], source.permutation(labels), name=f"permuted digits {study}")


def main() -> None:
    machine()
    studies = range(*map(int, sys.argv[1:3])) if len(sys.argv) > 2 else range(STUDIES)
    recipes = [Dropout(), MixUp(), LabelSmoothing(), L1(1e-3), L2(1e-2), WeightNoise(), ClipNorm()]
    claims = lasting = 0
    for study in studies:
        comparison = dampen.compare(data=permuted(study), recipes=recipes, seeds=SEEDS, epochs=EPOCHS)
        gains = [e.recipe for e in comparison.evidence if verdict(e) == "real gain"]
        smallest = min(e.p for e in comparison.evidence)
        print(f"  study {study:>2}: smallest p {smallest:.3f}, gains claimed: {', '.join(gains) or 'none'}")
        claims += bool(gains)
        lasting += any(e.recipe in gains and e.new_low is not None and e.new_low > 0 for e in comparison.evidence)
    print(f"  {claims} of {len(studies)} studies claim a gain; in {lasting} its interval on new data lies above 0")
    if len(sys.argv) > 2:
        return

    resting = {"Dropout at off": Recipe((Dropout(rate=0.0),)), "MixUp at off": Recipe((MixUp(alpha=0.0),))}
    comparison = dampen.compare(data="digits", recipes=resting, seeds=SEEDS, epochs=EPOCHS)
    at_off = [e for e in comparison.evidence if e.recipe != "default"]
    for evidence in at_off:
        print(f"  {evidence.recipe}: effect {evidence.effect}, p {evidence.p}")
    smallest = min(e.p for e in at_off)
    bar("permuted_labels", claims, "<=1 of 20", claims <= 1)
    bar("technique_at_off", smallest, "p=1", smallest == 1.0 and all(e.effect == 0 for e in at_off))


if __name__ == "__main__":
    main()
