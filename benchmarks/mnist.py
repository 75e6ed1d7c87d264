"""The MNIST case study in full: six recipes under twelve seeds, augmentation on the official parts, and the cocktails.

    python benchmarks/mnist.py [--seeds 12] [--parts table,official,plain,augmented] [--budget 14x] [--out FILE.json]

What runs are the scripts of `examples/`, with more seeds. The bars are of means over five seeds (cocktails: three), so
they hold for more. Published figures are of single runs; augmentation was published on 60,000 / 10,000 images.
Network 784-[500]x5-10, Adam, batches of 128, ten epochs; early stopping watches the test part, as published.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import runpy
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from timing import bar, machine

import dampen
from dampen.evidence import verdict

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PUBLISHED = {
    **{"baseline": 0.9699, "L2": 0.9739, "L1": 0.9667, "dropout": 0.9729, "augmentation": 0.9835},
    "early stopping": "stops after 5 epochs",
}
BARS = {"baseline": 0.968, "L2": 0.966, "L1": 0.962, "dropout": 0.972}
OFFICIAL, PLAIN, AUGMENTED = 0.986, 0.981, {49_000: 0.986, 70_000: 0.990}
SECONDS, TRAININGS = 480, 30
"""The bar of six recipes under five seeds, on two cores."""


def example(name: str, *arguments: str) -> dict[str, Any]:
    """What a script of examples/ has at its end."""
    sys.argv = [name, *arguments]
    return runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


def table(seeds: int) -> dict[str, Any]:
    answer = example("mnist_case_study", "--seeds", str(seeds))["answer"]
    found = {e.recipe: e for e in answer.evidence}
    print(f"\n{'recipe':<16} {'mean':>7} {'sd':>7}  {'gain [95 %]':<28} {'verdict':<12} published")
    for name, scores in answer.scores.items():
        mean, sd = statistics.fmean(scores["metric"]), statistics.stdev(scores["metric"]) if seeds > 1 else 0.0
        e = found.get(name)
        gain = f"{e.effect:+.4f} [{e.low:+.4f}, {e.high:+.4f}]" if e else ""
        told = verdict(e) if e else ""
        print(f"{name:<16} {mean:7.4f} {sd:7.4f}  {gain:<28} {told:<12} {PUBLISHED.get(name, '')}")
    for name, least in BARS.items():
        mean = statistics.fmean(answer.scores[name]["metric"])
        bar(f"mnist_{name}", mean, f">={least}", mean >= least)
    seconds = answer.protocol["seconds"] * TRAININGS / (seeds * len(answer.scores))
    bar("mnist_seconds_of_30_trainings", seconds, f"<{SECONDS}", seconds < SECONDS)
    return answer.to_record()


def official(seeds: int) -> list[float]:
    """Augmentation alone, 60,000 / 10,000."""
    names = example("mnist_case_study", "--seeds", "1", "--epochs", "1", "--rows", "400")
    whole = dampen.open_data(names["MNIST"])
    data = dataclasses.replace(whole, validation_rows=whole.test_rows)
    how = {"epochs": 10, "batch_size": 128}
    recipe = names["AFFINE"]
    scores = [dampen.fit(names["Network"], data, recipe, seed=seed, **how).test["metric"] for seed in range(seeds)]
    mean = statistics.fmean(scores)
    print(f"{recipe} on 60,000 / 10,000: {mean:.4f} (published 0.9835)")
    bar("mnist_augmentation_official", mean, f">={OFFICIAL}", mean >= OFFICIAL)
    return scores


def cocktail(budget: str, augment: bool) -> dict[str, Any]:
    names = example("mnist_cocktail", "--budget", budget, *(["--augment"] if augment else []))
    for images, mean in names["tested"].items():
        least = AUGMENTED[images] if augment else PLAIN
        bar(f"mnist_cocktail_{'augmented' if augment else 'plain'}_{images}", mean, f">={least}", mean >= least)
    return {"recipe": str(names["found"].recipe), "tested": names["tested"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=12, help="of table and official; default: 12")
    parser.add_argument("--parts", default="table,official,plain,augmented", help="what to run; default: everything")
    parser.add_argument("--budget", default="14x", help="of each search; default: 14x")
    parser.add_argument("--out", type=Path, help="a file for everything in numbers")
    asked = parser.parse_args()
    machine()
    parts = {
        "table": lambda: table(asked.seeds),
        "official": lambda: official(asked.seeds),
        "plain": lambda: cocktail(asked.budget, augment=False),
        "augmented": lambda: cocktail(asked.budget, augment=True),
    }
    results = {}
    for name in asked.parts.split(","):
        began = time.perf_counter()
        results[name] = parts[name]()
        print(f"{name}: {time.perf_counter() - began:.0f} seconds\n", flush=True)
        if asked.out:
            asked.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
