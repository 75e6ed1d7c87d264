"""Label smoothing: no target is certain."""

from __future__ import annotations

from ...contracts import At, Batch, Draws, Strength, structural, technique, tunable


@technique
class LabelSmoothing:
    """targets <- (1 - epsilon) * targets + epsilon * u        (u = 1 / C for each of C classes, or the class prior)

    With towards="uniform" the true class ends at 1 - epsilon + epsilon / C. With "prior", u is each class's share of
    the training part; the paper proposes it and then uses the uniform one. Before or after MixUp gives the same.

    Use it with classes that overlap or labels that may be wrong; take "prior" where classes are of very unequal size.
    Leave it out where the probabilities themselves are wanted: it makes them too modest.

    Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2016, section 7, arXiv:1512.00567.
    """

    needs = ("classes",)
    epsilon: Strength = tunable(0.1, off=0.0, low=0.0, high=1.0, meaning="share of each target spread over all classes")
    towards: str = structural(
        "uniform", choices=("uniform", "prior"), meaning="spread evenly, or as classes are common"
    )

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        goal = at.facts.prior if self.towards == "prior" else 1 / batch.targets.shape[-1]
        return batch._replace(targets=(1 - self.epsilon) * batch.targets + self.epsilon * goal)
