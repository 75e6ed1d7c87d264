"""MixUp: train on blends of two examples."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, beta, permutation


@technique
class MixUp:
    """x <- mix * x + (1 - mix) * x[partner],  mix ~ Beta(alpha, alpha);  targets and example weights alike

    One weight per batch and partners by a random permutation, as in the paper's code (an example may be its own
    partner). The loss of a soft target is the interpolated loss, cross-entropy being linear in the target. A missing
    number of a table is blended as the network sees it: as the column's mean.

    Use it with images, series and tables of many rows, and longer training. Leave it out where a blend of two
    examples is no possible example, such as categories that exclude each other.

    Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018, section 2, arXiv:1710.09412.
    """

    needs = ("continuous",)
    alpha: Strength = tunable(
        0.2, off=0.0, low=0.0, high=4.0, meaning="0 leaves examples alone, 1 blends them uniformly"
    )

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        mix = beta(key / "mix", self.alpha, (), thing.targets.dtype)
        return {"mix": mix, "partner": permutation(key / "partner", thing.targets.shape[0])}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        mix, partner, fill = draws["mix"], draws["partner"], at.facts.fill
        seen = batch if fill is None else batch._replace(inputs=torch.where(batch.inputs.isnan(), fill, batch.inputs))
        mixed = Batch(*(mix * part + (1 - mix) * part[partner] for part in seen))
        if fill is None:
            return mixed
        return mixed._replace(inputs=torch.where(mix < 1, mixed.inputs, batch.inputs))  # unmixed: missing stays missing
