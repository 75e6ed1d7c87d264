"""Concrete dropout: dropout whose rate is learned, one per place."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ...contracts import At, Draws, Seen, Strength, Tensors, structural, technique, tunable
from ...errors import DampenError
from ...randomness import Key, uniform

TEMPERATURE = 0.1
EPS = 1e-7


@technique
class ConcreteDropout:
    """x <- x * (1 - s) / (1 - p),  s = sigmoid((logit p + logit u) / 0.1),  u ~ U(0, 1),  p learned per site

    loss <- loss + (weight_strength * sum w^2 / (1 - p) - entropy_strength * units * H(p)) / rows, w the weights that
    read x. The paper's constants: weight_strength is the squared length-scale of the prior; entropy_strength is 1
    where the loss is a negative log likelihood (2 in the code, for squared errors). Whole channels of images and
    series share a mask, as in the code. The paper samples at prediction too, here prediction is the plain pass;
    the mean factor in training, 1 - s being only nearly 0 or 1, is 1 within 0.2 % for p up to a half.

    Use it where a rate per layer would have to be searched; the rate moves slowly, the logit by about the learning
    rate a step, so train for long or start near. Without entropy_strength rates fall to 0.

    Gal, Hron and Kendall, Concrete Dropout, 2017, equations 3 to 5 and appendix C, arXiv:1705.07832.
    """

    rate: Strength = tunable(
        0.1, off=0.0, low=0.0, high=0.9, search=(0.01, 0.5), meaning="the rate at the start; 0 switches all of it off"
    )
    weight_strength: Strength = tunable(
        1e-8, off=0.0, low=0.0, log=True, meaning="pulls weights to 0 and rates down, the squared length-scale"
    )
    entropy_strength: Strength = tunable(1.0, off=0.0, low=0.0, search=(0.0, 2.0), meaning="pulls rates towards a half")
    sites: Any = structural("activations", meaning="where: activations, inputs, or paths in the model")

    def check(self, at: At) -> None:
        for path in at.layout.site_paths(self.sites):
            if path not in at.layout.readers:
                raise DampenError(
                    f"ConcreteDropout must stand before a layer with weights; none runs after {path}. "
                    "Name other places with `sites`."
                )

    def adds(self, layout: Any) -> Tensors:
        """Per site what is added to the logit of the starting rate."""
        return {path: torch.zeros(()) for path in layout.site_paths(self.sites)}

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        assert at.site is not None
        shape = list(thing.shape)
        if thing.dim() == 4 or at.site.time_axis == 2:
            shape[2:] = [1] * (thing.dim() - 2)
        return {"logit": torch.logit(uniform(key, shape, at.own[at.site.module].dtype), EPS)}

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        assert at.site is not None
        logit = self._logit(at.own[at.site.module])
        mask = torch.sigmoid((logit + draws["logit"]) * (-1 / TEMPERATURE)) * (1 + logit.exp())
        return x * torch.where(torch.as_tensor(self.rate) > 0, mask, 1.0).to(x.dtype)

    def penalty(self, seen: Seen, at: At) -> Tensor:
        total = seen.outputs.new_zeros(())
        for path, offset in at.own.items():
            logit = self._logit(offset)
            rate, layout = torch.sigmoid(logit), at.layout
            entropy = rate * softplus(-logit) + (1 - rate) * softplus(logit)
            readers = [n for n in layout.weights((layout.readers[path],)) if not layout.tensors[n].recurrent]
            squares = sum(seen.params[name].square().sum() for name in readers)
            total = total + self.weight_strength * squares * (1 + logit.exp())
            total = total - self.entropy_strength * _units(layout, path) * entropy
        return torch.where(torch.as_tensor(self.rate) > 0, total / at.facts.num_rows, 0.0)

    def _logit(self, offset: Tensor) -> Tensor:
        return torch.logit(torch.as_tensor(self.rate), EPS) + offset


def _units(layout: Any, path: str) -> int:
    """How many masks an example has at a site: channels of images and series, else the last axis."""
    shape: tuple[int, ...] = layout.shapes[path]
    return shape[0] if len(shape) == 3 or layout.time_axes.get(path) == 2 else shape[-1]
