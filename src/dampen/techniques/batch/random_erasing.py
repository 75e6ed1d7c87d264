"""Random erasing: some images lose a rectangle to noise."""

from __future__ import annotations

import torch

from ...contracts import At, Batch, Draws, Strength, structural, technique, tunable
from ...images import between, box
from ...randomness import Key, uniform


@technique
class RandomErasing:
    """x <- low + (high - low) * noise inside of a rectangle, x outside;  noise ~ U(0, 1), with probability per image

    Area and aspect (height / width) are uniform in their ranges, the place among those where the rectangle fits, as
    in the paper; one too long for the image covers its side where the paper draws again. low and high are the
    channel's own. One image of noise serves the batch: every image's rectangle is a window on it.

    Use it on photographs in which objects hide each other, beside flips and crops, and Cutout where it is too harsh.
    Not where one small thing decides: it may be what is lost.

    Zhong et al., Random Erasing Data Augmentation, 2020, section 3.2 and algorithm 1, arXiv:1708.04896.
    """

    needs = ("images",)
    probability: Strength = tunable(0.25, off=0.0, low=0.0, high=1.0, meaning="share of the images that lose something")
    area_low: float = structural(0.02, low=0.0, high=1.0, meaning="smallest area, share of the image's")
    area_high: float = structural(0.33, low=0.0, high=1.0, meaning="largest area, share of the image's")
    aspect_low: float = structural(0.3, low=0.01, high=100.0, meaning="smallest height / width")
    aspect_high: float = structural(3.3, low=0.01, high=100.0, meaning="largest height / width")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        images = thing.inputs
        return {
            "uniform": uniform(key / "rectangle", (5, len(images)), images.dtype),
            "noise": uniform(key / "noise", images.shape[1:], images.dtype),
        }

    def batch(self, batch: Batch, draws: Draws, at: At) -> Batch:
        height, width = batch.inputs.shape[-2:]
        chance, area, aspect, down, across = draws["uniform"].unbind()
        area = height * width * (self.area_low + (self.area_high - self.area_low) * area)
        aspect = self.aspect_low + (self.aspect_high - self.aspect_low) * aspect
        tall, wide = (area * aspect).sqrt(), (area / aspect).sqrt()  # one that is too long covers the side
        top, left = down * (height - tall), across * (width - wide)
        rows = between(top, top + tall, height) * (chance < self.probability).to(top.dtype)[:, None]
        noise = at.facts.low + (at.facts.high - at.facts.low) * draws["noise"]
        erased = box(rows, between(left, left + wide, width))
        return batch._replace(inputs=torch.lerp(batch.inputs, noise.to(batch.inputs.dtype), erased))
