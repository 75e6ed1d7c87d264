"""How often does a table of recipes that do nothing claim a gain?

5,000 synthetic tables: 12 recipes, one of them the baseline, and 12 seeds. A score is the effect of its
seed, shared by all recipes, plus independent noise; no recipe has an effect. Counted are the tables in which
at least one of the 11 recipes gets the verdict "real gain": about 2.5 % under a right two-sided test at 5 %.

    python benchmarks/honesty_tables.py          (seconds on one core)
"""

from __future__ import annotations

import math
import os
import platform
import sys
import time

import numpy as np

from dampen.evidence import judge, verdict
from dampen.evidence.maxt import ALPHA, Array, corrected_p

NUM_TABLES = 5_000
NUM_IN_FULL = 100  # tables that also go through `judge` and `verdict`, to tie the short way to the public one
NUM_RECIPES, NUM_SEEDS = 12, 12  # the first recipe is the baseline
SEED = 20_250_103
LOW, HIGH = 0.010, 0.035


def null_table(generator: np.random.Generator) -> Array:
    """Scores (recipes, seeds) around 0.9; seeds differ by 0.02, recipes by 0.01 of noise and nothing else."""
    seed_effects = generator.normal(0.9, 0.02, size=NUM_SEEDS)
    return seed_effects + generator.normal(0.0, 0.01, size=(NUM_RECIPES, NUM_SEEDS))


def claims_a_gain(scores: Array) -> bool:
    differences = scores[1:] - scores[0]
    return bool(((corrected_p(differences) <= ALPHA) & (differences.mean(axis=1) > 0)).any())


def judge_claims_a_gain(scores: Array) -> bool:
    named = {f"recipe {k}": row for k, row in enumerate(scores)}
    found = judge(named, baseline="recipe 0", metric="accuracy", higher_is_better=True, test_over_train=0.25)
    return any(verdict(evidence) == "real gain" for evidence in found)


def main() -> int:
    started = time.perf_counter()
    generator = np.random.default_rng(np.random.SeedSequence(SEED))
    tables = [null_table(generator) for _ in range(NUM_TABLES)]
    claims = [claims_a_gain(scores) for scores in tables]
    if claims[:NUM_IN_FULL] != [judge_claims_a_gain(scores) for scores in tables[:NUM_IN_FULL]]:
        raise RuntimeError("corrected_p and judge disagree on a verdict; one of them is wrong.")
    share = sum(claims) / NUM_TABLES
    error = math.sqrt(share * (1.0 - share) / NUM_TABLES)

    print(f"machine: {platform.platform()}, {os.cpu_count()} cores")
    print(f"python {platform.python_version()}, numpy {np.__version__}, seed {SEED}")
    print(f"{NUM_TABLES} null tables: {NUM_RECIPES - 1} recipes and a baseline, {NUM_SEEDS} seeds")
    print(f"share with at least one false gain: {share:.4f}, standard error {error:.4f}")
    print(f"{time.perf_counter() - started:.1f} seconds")
    ending = "holds" if LOW <= share <= HIGH else "falls short"
    print(f"bar: false_gains figure={share:.4f} bar={LOW:.3f}..{HIGH:.3f} {ending}")
    return 0 if ending == "holds" else 1


if __name__ == "__main__":
    sys.exit(main())
