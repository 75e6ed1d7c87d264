"""Exponential moving average of the weights: predict with a smoothed network."""

from __future__ import annotations

import torch

from ...contracts import At, Strength, Tensors, technique, tunable


@technique
class EMA:
    """average <- w + d * (average - w),  d = min(2^(-1 / half_life_steps), (1 + t) / (10 + t)),  t = step

    Warmed up, so that the first weights are soon forgotten; buffers (batch-norm statistics) are the newest ones.

    Use it on nearly every longer training: it smooths the last steps at next to no cost. Not for runs of a few half
    lives, whose average still holds the beginning.

    Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992, SIAM J. Control Optim. 30.
    """

    half_life_steps: Strength = tunable(
        100.0, off=0.0, low=0.0, log=True, meaning="steps after which a weight counts half"
    )

    def start(self, params: Tensors, at: At) -> Tensors:
        return {name: w.clone() for name, w in params.items()}

    def weights(self, params: Tensors, state: Tensors, at: At) -> tuple[Tensors, Tensors]:
        decay = torch.exp2(-1 / torch.as_tensor(self.half_life_steps))
        decay = decay.clamp(max=(1 + at.clock.step) / (10 + at.clock.step))
        return params, {name: w + decay * (state[name] - w) for name, w in params.items()}

    def serving(self, params: Tensors, buffers: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        return {name: state[name] for name in params}, buffers
