"""Label smoothing: no target is certain."""

from __future__ import annotations

from ...contracts import At, Batch, Draws, Strength, technique, tunable


@technique
class LabelSmoothing:
    """targets <- (1 - epsilon) * targets + epsilon / C        (C = number of classes)

    The true class ends at 1 - epsilon + epsilon / C. Before or after MixUp gives the same targets.

    Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2016, section 7, arXiv:1512.00567.
    """

    needs = ("classes",)
    epsilon: Strength = tunable(0.1, off=0.0, low=0.0, high=1.0, meaning="share of each target spread over all classes")

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        classes = batch.targets.shape[-1]
        return batch._replace(targets=(1 - self.epsilon) * batch.targets + self.epsilon / classes)
