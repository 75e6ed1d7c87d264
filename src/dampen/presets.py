"""Ready-made recipes. Parts never import this file."""

from __future__ import annotations

from typing import Any

from .contracts import is_off
from .recipe import Recipe, parse
from .techniques import ASKED_FOR, CATALOGUE, SECOND_LOOK
from .techniques.batch.label_smoothing import LabelSmoothing
from .techniques.epoch.early_stopping import EarlyStopping
from .techniques.epoch.one_cycle import OneCycle
from .techniques.model.dropout import Dropout
from .techniques.weights.weight_decay import WeightDecay
from .vocabulary import needs_of

BASELINE = "baseline"
DEFAULT = "default"
ALL = "all"
"""What is asked for by these names is a ready-made recipe, or every technique that suits the problem."""
PRESETS: dict[str, tuple[str, ...]] = {
    "quick": (
        *("MixUp", "Cutout", "RandomAffine", "SwapNoise", "TokenDropout", "SeriesJitter", "WindowSlice"),
        *("LabelSmoothing", "Dropout", "InputDropout", "SpatialDropout", "EmbeddingDropout", "LockedDropout"),
        *("BatchNorm", "ClassWeights", "WeightDecay", "EMA", "EarlyStopping", "OneCycle"),
    ),
    "cocktail": (
        *("MixUp", "CutMix", "Cutout", "FeatureMask", "TabularCutMix", "Dropout", "ShakeShake", "ShakeDrop"),
        *("BatchNorm", "SkipConnections", "AdversarialTraining", "WeightDecay", "Lookahead", "SWA", "SnapshotEnsemble"),
    ),
    ALL: tuple(technique.__name__ for technique in CATALOGUE if technique not in ASKED_FOR),
}
"""What a search may switch on, by name; of these, what suits the problem. quick: well known and cheap. cocktail: the
thirteen of Kadra et al., Well-tuned Simple Nets Excel on Tabular Datasets, 2021, arXiv:2106.11189, those of rows of a
table and of images by their own names."""

STARTS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("OneCycle", "LabelSmoothing"), 0.003),
    (("Dropout", "EMA"), 0.001),
    (("OneCycle",), 0.01),
    (("Dropout", "WeightDecay", "EMA"), 0.003),
    (("BatchNorm", "OneCycle", "WeightDecay"), 0.003),
    (("InputDropout", "EMA"), 0.003),
    (("MixUp", "OneCycle"), 0.003),
    (("BatchNorm", "Dropout", "EMA"), 0.001),
    (("EMA",), 0.005),
)
"""What a careful engineer writes down before any search: techniques at their usual strengths, and a learning rate."""
BALANCED = "ClassWeights"
"""Goes with every start, where the metric is a balanced one."""


def baseline() -> Recipe:
    """No technique: Adam(lr=0.001), the last weights."""
    return Recipe()


def default(epochs: int, words: frozenset[str] = frozenset({"classes"})) -> Recipe:
    """What a careful engineer switches on unasked: one-cycle, decoupled decay, light smoothing (for classes), and
    the best weights. Patience is the whole run, so the one-cycle is never cut short."""
    smoothing = (LabelSmoothing(epsilon=0.05),) if "classes" in words else ()
    return Recipe((OneCycle(), WeightDecay(strength=0.01), *smoothing, EarlyStopping(patience_epochs=epochs)))


def candidates(epochs: int, words: frozenset[str], all_of_them: bool = False) -> dict[str, Recipe]:
    """Baseline, default, and each technique for a first look (or all of them) that suits the problem, at its default
    strength."""
    left_out = ASKED_FOR if all_of_them else (*ASKED_FOR, *SECOND_LOOK)
    recipes = {BASELINE: baseline(), DEFAULT: default(epochs, words)}
    for technique in CATALOGUE:
        suits = all(need in words or need == "noise" for need in needs_of(technique))
        if suits and technique not in left_out and not is_off(technique()):
            recipe = alone(technique())
            recipes[" + ".join(recipe.named)] = recipe
    return recipes


def as_recipe(recipe: Any) -> Recipe:
    """A recipe from a `Recipe`, a technique, text, or None; a technique gets beside it what it works on (`alone`)."""
    if recipe is None or isinstance(recipe, Recipe):
        return recipe or Recipe()
    return parse(recipe) if isinstance(recipe, str) else alone(recipe)


def alone(technique: Any) -> Recipe:
    """A recipe of one technique, behind what it works on: dropout where it needs noise, the technique whose strength
    it schedules."""
    scheduled = str(getattr(technique, "of", "")).rpartition(".")[0]
    wanted = Dropout.__name__ if "noise" in needs_of(technique) else scheduled
    return Recipe((*(known() for known in CATALOGUE if known.__name__ == wanted), technique))
