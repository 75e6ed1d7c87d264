"""What a classifier of two features says all over the plane, as a plain dict that strict JSON holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import DampenError

MARGIN = 0.06
"""Of the span of the rows, on every side."""
MOST_ROWS = 600
"""Points that are kept; more would cover the regions."""


def boundary_facts(
    predict: Callable[[np.ndarray], Any],
    inputs: Any,
    targets: Any,
    names: Sequence[str],
    steps: int = 150,
    classes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """predict: takes (N, 2) and returns shares of the classes (N, C). inputs: (N, 2). targets: (N,), class numbers.
    names: of the two features. steps: of the grid, along each side. classes: names of the C classes.

    x, y: {"name", "low", "high"}; classes; predicted and confidence: (steps, steps), the first row at y's low end;
    rows: {"x", "y", "target", "predicted"}, of at most `MOST_ROWS` rows, evenly taken; mistakes and all: of every row.
    Raises `DampenError` where shapes do not fit.
    """
    points, labels = np.asarray(inputs, dtype=float), np.asarray(targets)
    if points.ndim != 2 or points.shape[1] != 2 or labels.shape != points.shape[:1] or not len(points):
        raise DampenError(
            f"boundary_facts needs inputs (N, 2) and targets (N,); got {points.shape} and {labels.shape}. "
            "A boundary can be drawn of two features only."
        )
    if len(names) != 2:
        raise DampenError(f"boundary_facts needs the names of two features; got {list(names)!r}.")
    low, high = points.min(0), points.max(0)
    margin = MARGIN * np.where(high > low, high - low, 1.0)
    low, high = low - margin, high + margin
    across, up = (np.linspace(low[i], high[i], steps) for i in (0, 1))
    grid = np.stack(np.meshgrid(across, up), -1).reshape(-1, 2)
    shares, own = np.asarray(predict(grid)), np.asarray(predict(points))
    if shares.ndim != 2 or len(shares) != len(grid):
        raise DampenError(
            f"predict must return shares of the classes, (N, C); got {shares.shape} for {len(grid)} rows."
        )
    known = [str(name) for name in (classes if classes is not None else range(shares.shape[1]))]
    if len(known) != shares.shape[1]:
        raise DampenError(f"classes must be {shares.shape[1]} names, as many as predict returns; got {len(known)}.")
    guessed = own.argmax(1)
    kept = np.unique(np.linspace(0, len(points) - 1, min(len(points), MOST_ROWS)).round().astype(int))
    return {
        "kind": "dampen boundary facts",
        **{
            axis: {"name": str(names[i]), "low": float(low[i]), "high": float(high[i])}
            for i, axis in enumerate(("x", "y"))
        },
        "classes": known,
        "predicted": shares.argmax(1).reshape(steps, steps).tolist(),
        "confidence": shares.max(1).reshape(steps, steps).round(2).tolist(),
        "rows": {
            "x": points[kept, 0].tolist(),
            "y": points[kept, 1].tolist(),
            "target": labels[kept].astype(int).tolist(),
            "predicted": guessed[kept].tolist(),
        },
        "mistakes": int((guessed != labels).sum()),
        "all": len(points),
    }
