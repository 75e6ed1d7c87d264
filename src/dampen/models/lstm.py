"""A recurrent network that reads a text or a series from its beginning to its end."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from torch import Tensor, nn

from .mlp import initialised, whole
from .sequences import check_sizes, entry_of, last_over_time


@dataclasses.dataclass(frozen=True)
class LSTM:
    """`num_layers` LSTM layers of `hidden` units over vectors of `hidden` per token, or over a series as it is; then
    one output per class or target from the last layer's output at the last real token.

    A factory: `LSTM()(facts)` returns a fresh module for texts (token ids) or series (channels, times). Weights from
    the inputs are normal with the standard deviation 1 / sqrt(inputs), as those of `MLP` with tanh; those from unit
    to unit are orthogonal, gate by gate (Saxe et al. 2014); biases are zero but for the forget gate's, which are 1,
    so that the memory lasts at first (Jozefowicz et al. 2015). Padding, which comes last, changes nothing; a text of
    nothing but padding is all zeros before the last layer.
    Raises `DampenError` for data that are neither.
    """

    hidden: int = 64
    num_layers: int = 1

    def __post_init__(self) -> None:
        for name in ("hidden", "num_layers"):
            object.__setattr__(self, name, whole(getattr(self, name)))
        check_sizes(self, "hidden", "num_layers")

    def __call__(self, facts: Any) -> nn.Module:
        entry = entry_of(facts, self.hidden, "LSTM", project=False)
        width = self.hidden if facts.num_tokens else facts.input_shape[0]
        return Recurrent(entry, width, self.hidden, self.num_layers, facts.num_outputs)


class Recurrent(nn.Module):
    """(N, T) token ids or (N, C, T) -> (N, num_outputs). entry: what makes vectors (N, T, width) and a mask."""

    def __init__(self, entry: nn.Module, width: int, hidden: int, num_layers: int, num_outputs: int) -> None:
        super().__init__()
        self.entry = entry
        self.recur = remembering(nn.LSTM(width, hidden, num_layers, batch_first=True))
        self.head = initialised(nn.Linear(hidden, num_outputs), 1.0)

    def forward(self, inputs: Tensor) -> Tensor:
        x, mask = self.entry(inputs)
        outputs, _ = self.recur(x)
        return self.head(last_over_time(outputs, mask))


def remembering(recurrent: nn.LSTM) -> nn.LSTM:
    """The same layers, initialised as `LSTM` says."""
    hidden = recurrent.hidden_size
    for name, tensor in recurrent.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.normal_(tensor, std=1 / math.sqrt(tensor.shape[1]))
        elif name.startswith("weight_hh"):
            for gate in tensor.detach().split(hidden):
                nn.init.orthogonal_(gate)
        else:
            nn.init.zeros_(tensor)
            if name.startswith("bias_ih"):
                tensor.detach()[hidden : 2 * hidden] = 1  # gates stand in the order input, forget, cell, output
    return recurrent
