"""dampen: which regularization pays off for your network and your data, how strong, and is the gain real?

Names are imported when first used, so that `import dampen` and `dampen --help` load no torch.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "At": "contracts",
    "Batch": "contracts",
    "Clock": "contracts",
    "Decision": "contracts",
    "structural": "contracts",
    "technique": "contracts",
    "tunable": "contracts",
    "DampenError": "errors",
    "Recipe": "recipe",
    "load_recipe": "recipe",
    "Adam": "optimizers",
    "RMSprop": "optimizers",
    "SGD": "optimizers",
    "CNN": "models",
    "MLP": "models",
    "ResidualCNN": "models",
    "Dataset": "data",
    "load": "data",
    "fit": "training",
    "Fitted": "training",
    "Comparison": "study",
    "compare": "study",
    "CATALOGUE": "techniques",
    "attach": "integrations",
    "rebuild": "integrations",
    "check_technique": "laws",
    "optimizer": "contracts",
}
_TECHNIQUES = (
    *("BatchNorm", "ClipNorm", "Dropout", "EMA", "EarlyStopping", "FocalLoss", "Freeze", "L1", "L2"),
    *("LabelSmoothing", "MaxNorm", "MixUp", "OneCycle", "RDrop", "RandomAffine", "SAM", "WeightDecay"),
    "WeightNoise",
    *("ConcreteDropout", "ShakeDrop", "ShakeShake", "StochasticDepth", "VariationalDropout"),
)
_HOMES |= dict.fromkeys(_TECHNIQUES, "techniques")

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dampen' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
