"""Answers of comparisons and searches, made by hand, as whole as real ones: what a report is written of."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser

from figure_records import evidence, history, trials

from dampen import Recipe
from dampen.presets import default
from dampen.recipe import parse
from dampen.study.comparison import Comparison
from dampen.study.found import SearchResult

GAIN, NOTHING, HARM = (0.011, 0.004, 0.001), (0.001, 0.006, 0.6), (-0.02, 0.006, 0.001)
"""Effect, reach of its interval, p."""
IMAGE = [[0.0, 0.5], [1.0, 0.25]]
VERSIONS = {"dampen": "0.1.0", "python": "3.11.7", "torch": "2.13.0"}


def compared(table, seeds=12, examples=(), histories=True, data="digits", **protocol):
    """table: {name: (recipe as text, (effect, reach, p), cost)}; the baseline is added."""
    judged = tuple(evidence(name, *about, cost=cost, seeds=seeds) for name, (_, about, cost) in table.items())
    recipes = {"baseline": Recipe(), **{name: parse(text) for name, (text, _, _) in table.items()}}
    return Comparison(
        evidence=judged,
        scores={name: {"metric": [0.9] * seeds, "loss": [0.3] * seeds} for name in recipes},
        recipes={name: recipe.to_dict() for name, recipe in recipes.items()},
        histories={name: [history(s, 20) for s in (0, 1)] for name in recipes} if histories else {},
        notes={name: [] for name in recipes},
        protocol={
            "data": f"{data}: 1797 rows, inputs 1 x 8 x 8, 10 classes",
            "rows": {"train": 1079, "validation": 359, "test": 359},
            "model": "MLP(hidden=(128, 128), activation='relu')",
            "epochs": 20, "batch_size": 64, "metric": "accuracy", "baseline": "baseline", "seeds": list(range(seeds)),
            "notes": [], "duplicates": "", "seconds": 75.0, "machine": "a machine, 2 threads, Linux",
        } | protocol,
        plan={"packs": [{"members": list(range(seeds * len(recipes))), "techniques": ["Dropout"], "lift": "vmap",
                         "precision": "float32", "channels_last": False, "threads": 0}]},
        versions=VERSIONS,
        examples={name: {"recipe": name, "before": [IMAGE], "after": [[IMAGE, IMAGE]]} for name in examples},
    )  # fmt: skip


def searched(over_baseline=GAIN, over_default=GAIN, winner="found 1", seeds=12, histories=True, **protocol):
    """A search whose winner is judged against baseline and default."""
    found = parse("LabelSmoothing(epsilon=0.1) + Dropout(rate=0.2) + Adam(lr=0.004)")
    recipes = {"baseline": Recipe(), "default": default(20), "found 1": found, "without Dropout": Recipe()}
    against = {"baseline": over_baseline, "default": over_default}
    return SearchResult(
        study="digits-1",
        winner=winner,
        recipes={name: recipe.to_dict() for name, recipe in recipes.items()},
        evidence=tuple(
            dataclasses.replace(evidence(winner, *about, cost=None, seeds=seeds, baseline=base), protocol="confirmed")
            for base, about in against.items()
            if base != winner
        ),
        ablation=(evidence("without Dropout", *HARM, cost=None, seeds=seeds, baseline=winner),),
        scores={name: {part: [0.9] * seeds for part in ("validation", "metric", "loss")} for name in recipes},
        histories={name: [history(s, 20) for s in (0, 1)] for name in recipes} if histories else {},
        leaders=({"trial": 3, "score": 0.97, "recipe": "Dropout(rate=0.2)"},),
        importance={"optimizer.lr": 0.7, "BatchNorm": 0.2, "Dropout.rate": 0.4},
        curve=({"rows": 500, "share": 0.5, "scores": [0.9]},),
        trials=tuple(trials(20)),
        protocol={
            "data": "digits: 1797 rows, inputs 1 x 8 x 8, 10 classes",
            "rows": {"train": 1151, "validation": 287, "test": 359},
            "model": "MLP(hidden=(128, 128), activation='relu')",
            "epochs": 20, "batch_size": 64, "metric": "accuracy", "outer": 0, "seeds_confirmed": seeds,
            "configurations": 64, "seconds": {"search": 60.0, "confirmation": 60.0}, "more_data": "", "notes": [],
        } | protocol,
        versions=VERSIONS,
    )  # fmt: skip


class Page(HTMLParser):
    """elements: every start tag with its attributes, in order. texts: visible text nodes. data: what scripts hold."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.data, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "link", "input", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.data.append(data)
        elif data.strip() and self.open[-1] != "style":
            self.texts.append(" ".join(data.split()))

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]
