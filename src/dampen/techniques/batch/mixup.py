"""MixUp: train on blends of two examples."""

from __future__ import annotations

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...randomness import Key, beta, permutation


@technique
class MixUp:
    """x <- mix * x + (1 - mix) * x[partner],  mix ~ Beta(alpha, alpha);  targets and example weights alike

    One weight per batch and partners by a random permutation, as in the paper's code (an example may be its own
    partner). The loss of a soft target is the interpolated loss, cross-entropy being linear in the target.

    Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018, section 2, arXiv:1710.09412.
    """

    alpha: Strength = tunable(
        0.2, off=0.0, low=0.0, high=4.0, meaning="0 leaves examples alone, 1 blends them uniformly"
    )

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        mix = beta(key / "mix", self.alpha, (), thing.targets.dtype)
        return {"mix": mix, "partner": permutation(key / "partner", thing.targets.shape[0])}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        mix, partner = draws["mix"], draws["partner"]
        return Batch(*(mix * part + (1 - mix) * part[partner] for part in batch))
