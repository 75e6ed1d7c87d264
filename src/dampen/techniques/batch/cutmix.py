"""CutMix: train on pairs of examples, one of which fills a box of the other."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...images import between
from ...randomness import Key, beta, permutation, uniform


@technique
class CutMix:
    """x <- x outside of a box, x[partner] inside;  targets <- w * targets + (1 - w) * targets[partner], w = 1 - box

    `box` is the share of places in it, counted after it was clipped at the border; example weights are mixed as
    targets are. The box's sides are sqrt(1 - mix) of the image's, mix ~ Beta(alpha, alpha); of a series it is an
    interval of 1 - mix of its times. Its centre is uniform over all places, as in the paper, so that it may be cut
    off. One box and one weight a batch, partners by a random permutation; `probability` is asked once a batch.

    Use it on photographs with a network that overfits and is trained for many epochs: it often beats MixUp there. Not
    where the class hides in one small spot, or for series whose class is the order of events.

    Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, 2019,
    section 3.1 and algorithm A1, arXiv:1905.04899.
    """

    needs = ("places", "continuous")
    alpha: Strength = tunable(
        1.0, low=0.0, high=4.0, meaning="shape of the law of the box's size: 1 makes all sizes equally likely"
    )
    probability: Strength = tunable(0.5, off=0.0, low=0.0, high=1.0, meaning="share of the batches that are cut")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        dtype = thing.targets.dtype
        return {
            "mix": beta(key / "mix", self.alpha, (), dtype),
            "uniform": uniform(key / "box", (thing.inputs.dim() - 1,), dtype),
            "partner": permutation(key / "partner", len(thing.targets)),
        }

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        chance, *centre = draws["uniform"].unbind()
        side = (1 - draws["mix"]) ** (1 / len(centre))
        inside = (chance < self.probability).to(batch.inputs.dtype)
        for place, length in zip(centre, batch.inputs.shape[2:], strict=True):
            edges = (place - side / 2) * length, (place + side / 2) * length
            inside = inside[..., None] * between(*edges, length)
        share = inside.mean().to(batch.targets.dtype)
        partners = [part.index_select(0, draws["partner"]) for part in batch]
        return Batch(
            torch.lerp(batch.inputs, partners[0], inside),
            *((1 - share) * own + share * other for own, other in zip(batch[1:], partners[1:], strict=True)),
        )
