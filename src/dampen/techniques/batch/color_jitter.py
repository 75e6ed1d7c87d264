"""Color jitter: brightness, contrast and saturation of every image change a little."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, technique, tunable
from ...images import coloured
from ...randomness import Key, uniform


@technique
class ColorJitter:
    """v <- b v;  v <- m + c (v - m);  v <- g + s (v - g);  b, c, s ~ U(1 - strength, 1 + strength), v = x in its range

    v is 0 at the smallest and 1 at the largest value that the channel has in the training part, m the image's mean
    grey and g the pixel's. In this order, in one pass, cut to [0, 1] once, at the end; others draw the order and cut
    after every step. With one channel saturation does nothing.

    Use it on photographs taken in all sorts of light. Not where the colour is the class (flowers, stained tissue), nor
    on images that were normalised one by one.

    Howard, Some Improvements on Deep Convolutional Neural Network Based Image Classification, 2013, section 2.2,
    arXiv:1312.5402.
    """

    needs = ("images",)
    brightness: Strength = tunable(0.2, off=0.0, low=0.0, high=1.0, meaning="largest change of brightness, as a share")
    contrast: Strength = tunable(0.2, off=0.0, low=0.0, high=1.0, meaning="largest change of contrast, as a share")
    saturation: Strength = tunable(0.2, off=0.0, low=0.0, high=1.0, meaning="largest change of saturation, as a share")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        return {"uniform": uniform(key, (3, len(thing.inputs)), thing.inputs.dtype)}

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        strengths = (self.brightness, self.contrast, self.saturation)
        signed = 2 * draws["uniform"] - 1
        factors = torch.stack([1 + strength * row for strength, row in zip(strengths, signed.unbind(), strict=True)], 1)
        return batch._replace(inputs=coloured(batch.inputs, at.facts.low, at.facts.high, factors))
