"""What to try for each kind of finding, as techniques of the catalogue and one command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

RECIPES: Mapping[str, tuple[str, ...]] = {
    "underfitting": ("BatchNorm", "OneCycle", "SkipConnections"),
    "overfitting": ("Dropout(rate=0.3)", "WeightDecay(strength=0.05)", "MixUp", "EarlyStopping(patience_epochs=10)"),
    "overfitting of the loss": ("LabelSmoothing", "ConfidencePenalty", "EarlyStopping(patience_epochs=10)"),
    "divergence": ("ClipNorm(max_norm=1)", "WarmUp", "BatchNorm"),
    "unstable learning rate": ("OneCycle", "ReduceOnPlateau", "ClipNorm(max_norm=1)", "EMA"),
    "label noise": ("GeneralizedCrossEntropy", "LabelSmoothing", "EarlyStopping(patience_epochs=10)"),
    "not converged": ("OneCycle", "BatchNorm"),
}
"""As `dampen compare --recipe` takes them; kinds that no technique mends are missing."""

BESIDES: Mapping[str, str] = {
    "underfitting": "a wider or deeper network (--hidden 256,256), more epochs, or a larger learning rate",
    "overfitting": "more data helps more than any technique where it can be had",
    "divergence": "a learning rate a third as large",
    "unstable learning rate": "a learning rate a third as large, or larger batches",
    "leakage": "look for rows that stand twice; keep what belongs together in one part (--group COLUMN)",
    "label noise": "look at the training rows with the highest loss: some labels will be wrong",
    "not converged": "more epochs (--epochs)",
    "too strong": "the same technique at a third of its strength",
    "few seeds": "more seeds (--seeds)",
}
"""What helps besides techniques, in words."""


def command(recipes: Sequence[str], data: str, epochs: int, seeds: int | None = None) -> str:
    """One line for a shell that puts these recipes to the test."""
    tried = " ".join(f"--recipe {shlex.quote(recipe)}" for recipe in recipes)
    often = f" --seeds {seeds}" if seeds else ""
    return f"dampen compare {shlex.quote(data)} {tried} --epochs {epochs}{often}"
