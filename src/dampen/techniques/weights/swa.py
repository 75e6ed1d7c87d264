"""Stochastic weight averaging: predict with the mean of the weights of the last epochs."""

from __future__ import annotations

import torch
from torch import Tensor

from ...contracts import At, Strength, Tensors, technique, tunable

COUNT = "(count)"
"""How many weights the average holds; no tensor of a network is called so."""


@technique
class SWA:
    """average <- average + (w - average) / n        at the end of every epoch from start_fraction of training on

    n counts the weights in the average. Once an epoch (c = 1 epoch of the paper) and after the optimizer; the epoch
    that ends at start_fraction is the first that counts. Before, the newest weights predict. Batch-norm statistics
    are the plain mean over the training batches, passed through the averaged network anew with all noise off.

    Use it with learning rates that stay high to the end, constant or cyclic, where single epochs bounce around a
    minimum; after a rate that decays to zero the last weights hardly differ and little is left to average.

    Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, 2018, algorithm 1,
    arXiv:1803.05407.
    """

    acts_late = True

    start_fraction: Strength = tunable(
        0.75, off=1.0, low=0.0, high=1.0, search=(0.25, 0.95), meaning="share of training before the average begins"
    )

    def start(self, params: Tensors, at: At) -> Tensors:
        none = next(iter(params.values())).new_zeros(())
        return {COUNT: none, **{name: w.clone() for name, w in params.items()}}

    def weights(self, params: Tensors, state: Tensors, at: At) -> tuple[Tensors, Tensors]:
        clock = at.clock
        steps_per_epoch = clock.steps // clock.epochs
        if (clock.step + 1) % steps_per_epoch:
            return params, state
        start, done = torch.as_tensor(self.start_fraction), (clock.step + 1) / clock.steps
        counts = ((start <= done + 1e-6) & (start < 1)).to(state[COUNT].dtype)
        count = state[COUNT] + counts
        share = counts / count.clamp(min=1)
        return params, {COUNT: count, **{name: torch.lerp(state[name], w, share) for name, w in params.items()}}

    def serving(self, params: Tensors, buffers: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        begun = self.reestimates(state)
        return {name: torch.where(begun, state[name], w) for name, w in params.items()}, buffers

    def reestimates(self, state: Tensors) -> Tensor:
        return state[COUNT] > 0
