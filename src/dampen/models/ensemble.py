"""Several trained networks as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid


def averaged(outputs: Tensor, task: str, counts: Sequence[float] | None = None) -> Tensor:
    """The joint outputs of M networks, (M, ..., N, C) -> (..., N, C): for classes the logarithm of their mean
    probabilities, whose softmax are these; for labels the logits of theirs; for numbers the mean. counts: how much
    each network counts; by default all alike."""
    amounts = outputs.new_ones(len(outputs)) if counts is None else outputs.new_tensor(counts)
    shares = (amounts / amounts.sum()).reshape(-1, *[1] * (outputs.dim() - 1))
    if task == "numbers":
        return (shares * outputs).sum(0)

    def log_mean(logs: Tensor) -> Tensor:
        return (logs + shares.log()).logsumexp(0)

    if task == "labels":
        return log_mean(logsigmoid(outputs)) - log_mean(logsigmoid(-outputs))
    return log_mean(outputs.log_softmax(-1))


class Ensemble(nn.Module):
    """Networks with the same inputs and outputs, whose probabilities (numbers: outputs) are averaged; one that is
    listed twice counts twice, and runs once."""

    def __init__(self, members: Sequence[nn.Module], task: str) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.task = task

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = {member: member(inputs) for member in dict.fromkeys(self.members)}
        return averaged(torch.stack([outputs[member] for member in self.members]), self.task)
