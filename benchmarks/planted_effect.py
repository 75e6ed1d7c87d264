"""A gain that is there must be found: digits with 40 % wrong training labels, judged on clean ones.

The last fifth of the rows is the test part (clean); of the others two in five get a random wrong label. Early
stopping, dropout or label smoothing must come out as a real gain.
"""

from __future__ import annotations

import numpy as np
from timing import bar, machine

import dampen
from dampen import Dropout, EarlyStopping, LabelSmoothing
from dampen.data import load
from dampen.data.dataset import from_arrays
from dampen.evidence import verdict

SHARE, SEEDS, EPOCHS = 0.4, 12, 40


def noisy_digits() -> dampen.Dataset:
    digits = load("digits")
    source = np.random.Generator(np.random.PCG64(0))
    order = source.permutation(len(digits.inputs))
    inputs, labels = digits.inputs.numpy()[order], digits.targets.argmax(1).numpy()[order]
    cut = 4 * len(labels) // 5
    wrong = source.random(cut) < SHARE
    noisy = np.where(wrong, (labels[:cut] + source.integers(1, 10, cut)) % 10, labels[:cut])
    return from_arrays(inputs[:cut], noisy, inputs[cut:], labels[cut:], name="digits, 40 % wrong labels")


def main() -> None:
    machine()
    recipes = [EarlyStopping(), Dropout(), LabelSmoothing()]
    comparison = dampen.compare(data=noisy_digits(), recipes=recipes, seeds=SEEDS, epochs=EPOCHS)
    print(comparison)
    found = [e for e in comparison.evidence if e.recipe != "default" and verdict(e) == "real gain"]
    bar("planted_effect", len(found), ">=1 of 3 found as a real gain", len(found) >= 1)


if __name__ == "__main__":
    main()
