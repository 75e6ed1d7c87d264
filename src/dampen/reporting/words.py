"""Words for people who have never trained a network; and texts that come from anywhere, made harmless."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DampenError
from ..evidence import Evidence
from ..recipe import from_dict
from ..study.answers import data_of

METRICS = {
    "accuracy": "the share of rows that the network gets right",
    "balanced_accuracy": "the share of rows that the network gets right, every class counted alike",
    "log_loss": "how surprised the network is by the right answers (the log loss; less is better)",
    "label_accuracy": "the share of all labels that the network rightly gives or does not give",
    "balanced_label_accuracy": "the share of labels that the network gets right, having and lacking each counted alike",
    "label_log_loss": "how surprised the network is by the right labels (the log loss; less is better)",
    "r2": "how much of what differs between rows the network explains (R²; 1 is everything, 0 is nothing)",
    "mse": "the square of how far the network is off, on average (the mean squared error; less is better)",
    "mae": "how far the network is off, on average (the mean absolute error; less is better)",
}
"""What a score is."""
NETWORKS = {
    "MLP": "layers of units, each unit connected with all units of the layer before",
    "CNN": "a network for images: small windows slide over the picture",
    "ResidualCNN": "a deep network for images, with short cuts past its layers",
    "Transformer": "a network for texts and series, in which every place looks at all others",
    "LSTM": "a network that reads texts and series from start to end and remembers",
}
TURNS = {
    *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",  # they change the order of letters
    *"\u2028\u2029\ufffe\uffff",
}
FROM_RIGHT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
RUN = re.compile(f"[{FROM_RIGHT}](?:[^\\x00-\\x7f]|[ '\"-](?=[{FROM_RIGHT}]))*")
"""Letters that are written from right to left, in one go."""
FIRST_STRONG, POP = "\u2068", "\u2069"


def clean(value: Any) -> Any:
    """The same record with texts in one line, without what is no character or turns the order of others; what is
    written from right to left is set apart, so that it turns nothing but itself."""
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, Mapping):
        return {clean(name): clean(part) for name, part in value.items()}
    return [clean(part) for part in value] if isinstance(value, list | tuple) else value


def _clean_text(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    kept = "".join(" " if c in TURNS or unicodedata.category(c) in ("Cc", "Cs") else c for c in text)
    return RUN.sub(lambda found: FIRST_STRONG + found[0] + POP, " ".join(kept.split()) or "?")


def predicted(protocol: Mapping[str, Any]) -> str:
    """What the network is to say of a row."""
    if protocol["metric"] in ("r2", "mse", "mae"):
        return "what number belongs to each"
    if found := re.findall(r"(\d+) labels", data_of(protocol)[1]):
        return f"which of {found[-1]} labels each has"
    found = re.findall(r"(\d+) classes", data_of(protocol)[1])
    return f"which of {found[-1]} classes each belongs to" if found else "which class each belongs to"


def network_in_words(model: str) -> str:
    known = NETWORKS.get(model.partition("(")[0])
    return f"{model}: {known}" if known else "one of your own"


def called(name: str, recipe: Mapping[str, Any] | None) -> str:
    """A recipe's name; where it does not tell the techniques, with these in brackets."""
    techniques = names_of(recipe)
    if not techniques or all(technique in name for technique in techniques):
        return name
    return f"{name} ({', '.join(techniques)})"


def names_of(recipe: Mapping[str, Any] | None) -> list[str]:
    """The techniques of a recipe that is a plain dict."""
    return list(dict.fromkeys(str(part["name"]) for part in (recipe or {}).get("techniques", [])))


def recipe_in_words(recipe: Mapping[str, Any]) -> str:
    """As a person types it; of one with techniques that are not in the catalogue only their names."""
    try:
        return str(from_dict(dict(recipe)))
    except DampenError:
        return " + ".join(names_of(recipe))


def renamed(evidence: Evidence, name: str) -> Evidence:
    """So that a sentence speaks of the recipe by another name."""
    return dataclasses.replace(evidence, recipe=name)


def and_(names: Sequence[str], word: str = "and", limit: int = 8) -> str:
    """a, b and c; of many the first ones and how many more there are."""
    shown = list(names[:limit]) + ([f"{len(names) - limit} more"] if len(names) > limit else [])
    return f"{', '.join(shown[:-1])} {word} {shown[-1]}" if len(shown) > 1 else "".join(shown)


def or_(names: Sequence[str]) -> str:
    return and_(names, "or")
