"""Would more data help? The winner trained on shares of the training rows, judged by the same test part."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.dataset import Dataset
from ..data.split import split, with_share
from ..errors import DampenError
from ..evidence import sentence
from ..evidence.crossed import confirm
from ..recipe import Recipe
from ..training.fitted import Fitted
from .batch import Scene, Tell
from .confirmation import train

SHARES = (0.25, 0.5, 0.75)
ALL, HALF = "all the data", "half of the data"


def check_shares(data: Dataset, seeds: Sequence[int]) -> None:
    """Refuse, before anything is trained, data of which a share cannot be divided under every seed."""
    for share in SHARES:
        fewer = with_share(data, share)
        try:
            for seed in seeds:
                split(fewer, seed)
        except DampenError as error:
            raise DampenError(
                f"A data curve needs {share:.0%} of the rows to be enough; they are not. {error}"
            ) from None


def data_curve(
    scene: Scene, record: dict[str, Any], recipe: Recipe, whole: Sequence[Fitted], seeds: Sequence[int], tell: Tell
) -> tuple[tuple[dict[str, Any], ...], str]:
    """(rows, scores per seed) at each share, and what they say of more data, in words. whole: trained on all of it, the
    first of them with these seeds."""
    if not seeds:
        return (), "Would more data help? The budget left no time to find out."
    points: dict[float, Sequence[Fitted]] = {}
    for share in SHARES:
        fewer = dataclasses.replace(scene.problem, data=with_share(scene.problem.data, share))
        part = f"{share:.0%} of the rows"
        thinned = dataclasses.replace(scene, problem=fewer)
        points[share] = train(thinned, record, part, {part: recipe}, seeds, tell)[part]
    points[1.0] = whole[: len(seeds)]
    judges = {ALL: points[1.0], HALF: points[0.5]}
    rows = {name: np.stack([f.test_rows.double().numpy() for f in all_]) for name, all_ in judges.items()}
    metric = scene.problem.metric
    (gain,) = confirm(rows, [ALL], against=HALF, metric=metric.name, higher_is_better=metric.higher_is_better)
    curve = tuple(
        {
            "share": share,
            "rows": len(members[0].problem.split(members[0].member.seed).train),
            "scores": [f.test["metric"] for f in members],
        }
        for share, members in points.items()
    )
    return curve, f"Would more data help? Against half of the data: {sentence(gain)}"
