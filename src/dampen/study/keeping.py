"""What a search found, as files beside the study: written before the study counts as done, so that nothing is lost."""

from __future__ import annotations

from pathlib import Path

from ..errors import DampenError, first_line
from ..models.architecture import is_ours
from ..prediction import save_model, temperature
from ..recipe_file import to_toml
from ..training.saving import save_weights
from .found import SearchResult

RECIPE, MODEL, WEIGHTS = "recipe.toml", "model.safetensors", "weights.safetensors"
"""The recipe with its [training]; the network for `load_model`; of a network of one's own, for `load_weights`."""


def keep(result: SearchResult, folder: Path) -> None:
    """Write recipe and network of a result that was made here."""
    fitted = result.trained
    if fitted is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECIPE).write_text(to_toml(result.recipe, result.settings), encoding="utf-8")
    except OSError as error:
        told = first_line(error)
        raise DampenError(f"The recipe in {str(folder)!r} cannot be written: {told}. Make room there.") from None
    if not is_ours(fitted.problem.model):
        return save_weights(fitted, folder / WEIGHTS)
    calibrated = fitted.problem.data.task == "classes" and fitted.history.outcome != "diverged"
    save_model(fitted, folder / MODEL, temperature=temperature(fitted) if calibrated else None)
