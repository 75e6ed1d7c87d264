"""MultiSampleDropout: several dropout masks before the output layer, one pass of everything before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ...contracts import At, Batch, Draws, Seen, Strength, Tensors, structural, technique, tunable
from ...randomness import Key, keep


@technique
class MultiSampleDropout:
    """loss <- mean over samples m of loss(output layer(x * keep_m / (1 - rate))),  keep_m ~ Bernoulli(1 - rate)

    x is what goes into the output layer, for a convolutional network the mean over all places. It goes through the
    output layer num_samples times with masks of their own; all before it runs once. What other techniques see as
    outputs is the mean of the samples' outputs. A pass without noise has one sample and no mask. The rate is that of
    dropout in the paper's introduction.

    Use it in place of dropout before the output layer: it averages dropout's noise out and costs no more than that
    layer and the loss, little in deep networks. In a recipe it stands before techniques of further passes, as R-Drop.

    Inoue, Multi-Sample Dropout for Accelerated Training and Better Generalization, 2019, figure 1,
    arXiv:1905.09788.
    """

    needs = ("hidden",)
    rate: Strength = tunable(
        0.5, off=0.0, low=0.0, high=1.0, search=(0.0, 0.8), meaning="share of units silenced in each sample"
    )
    num_samples: int = structural(4, low=1, meaning="masks for each batch")

    def draw(self, thing: Batch, key: Key, at: At) -> Draws:
        def samples(x: Tensor, again: int) -> Tensor:
            return keep(key / f"pass {again}", self.rate, (self.num_samples, *x.shape), x.dtype)

        return {"keep": samples}  # drawn inside the pass, where the shape is known

    def objective(self, objective: Callable[..., tuple[Tensor, Seen]], draws: Draws, at: At) -> Callable[..., Any]:
        num_samples = self.num_samples

        def masked(x: Tensor, again: int) -> Tensor:
            return (x * draws["keep"](x, again)).flatten(0, 1)  # sample after sample, as the targets are

        def sampled(
            params: Tensors, batch: Batch, *, edits: Any = None, noise: bool = True, again: int = 0, **how: Any
        ) -> tuple[Tensor, Seen]:
            if not noise:
                return objective(params, batch, edits=edits, noise=False, again=again, **how)
            edits = {**(edits or {}), at.layout.into_output: lambda x: masked(x, again)}
            targets, weights = batch.targets.repeat(num_samples, 1), batch.weights.repeat(num_samples)
            many = batch._replace(targets=targets, weights=weights)
            loss, seen = objective(params, many, edits=edits, again=again, **how)
            outputs = seen.outputs.unflatten(0, (num_samples, -1)).mean(0)
            return loss, seen._replace(outputs=outputs, batch=batch)

        return sampled
