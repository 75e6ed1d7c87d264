"""A small transformer that reads a text or a series, initialised for its activation."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DampenError
from .markers import AttentionWeights, Branch, Positions
from .mlp import ACTIVATIONS, initialised, whole
from .sequences import check_sizes, entry_of, mean_over_time


@dataclasses.dataclass(frozen=True)
class Transformer:
    """Vectors of `width` per token or time, with learned positions; `num_layers` times x + attention(norm(x)) and
    x + feed(norm(x)); then norm, the mean over the real places, and one output per class or target.

    A factory: `Transformer()(facts)` returns a fresh module for texts (token ids) or series (channels, times). The
    encoder of Vaswani et al. 2017 with the norms before the branches (Xiong et al. 2020), which needs no warm-up.
    Initialised as `MLP` is; the last layer of each branch is smaller by the root of the number of branches, so that
    all of them together are as large as what they are added to (Radford et al. 2019). Padding is never attended to
    and never counts in the mean; a text of nothing but padding is all zeros before the last layer.
    Raises `DampenError` for data that are neither, and for a width that the heads do not divide.
    """

    width: int = 64
    num_heads: int = 4
    num_layers: int = 2
    hidden: int = 128
    activation: str = "gelu"

    def __post_init__(self) -> None:
        for name in ("width", "num_heads", "num_layers", "hidden"):
            object.__setattr__(self, name, whole(getattr(self, name)))
        check_sizes(self, "width", "num_heads", "num_layers", "hidden")
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise DampenError(f"Transformer.activation must be one of {known}; got {self.activation!r}.")
        if self.width % self.num_heads:
            raise DampenError(
                f"Transformer.width must be a multiple of num_heads; got {self.width} and {self.num_heads}."
            )

    def __call__(self, facts: Any) -> nn.Module:
        return Encoder(self, entry_of(facts, self.width, "Transformer"), facts.input_shape[-1], facts.num_outputs)


class Encoder(nn.Module):
    """(N, T) token ids or (N, C, T) -> (N, num_outputs). entry: what makes vectors (N, T, width) and a mask."""

    def __init__(self, sizes: Transformer, entry: nn.Module, length: int, num_outputs: int) -> None:
        super().__init__()
        self.entry = entry
        self.positions = Positions(length, sizes.width)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.num_layers))
        self.norm = nn.LayerNorm(sizes.width)
        self.head = initialised(nn.Linear(sizes.width, num_outputs), 1.0)

    def forward(self, inputs: Tensor) -> Tensor:
        x, mask = self.entry(inputs)
        x = self.positions(x)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(mean_over_time(self.norm(x), mask))


class Block(nn.Module):
    def __init__(self, sizes: Transformer) -> None:
        super().__init__()
        kind, gain = ACTIVATIONS[sizes.activation]
        width, share = sizes.width, 1 / math.sqrt(2 * sizes.num_layers)
        self.attend = MaskedBranch(nn.LayerNorm(width), SelfAttention(width, sizes.num_heads, share))
        self.feed = Branch(
            nn.LayerNorm(width),
            initialised(nn.Linear(width, sizes.hidden), gain),
            kind(),
            initialised(nn.Linear(sizes.hidden, width), share),
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.attend(x, mask)
        return x + self.feed(x)


class MaskedBranch(Branch):
    """A norm, then attention that knows which places are real."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:  # type: ignore[override]
        norm, attention = self
        return attention(norm(x), mask)


class SelfAttention(nn.Module):
    """(N, T, width) -> the same: every place asks all real places, in `num_heads` parts of the width.

    weights <- softmax(queries . keys / sqrt(width / num_heads))        Vaswani et al. 2017, equation 1
    """

    def __init__(self, width: int, num_heads: int, gain: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.project = initialised(nn.Linear(width, 3 * width), 1.0)
        self.weights = AttentionWeights()
        self.out = initialised(nn.Linear(width, width), gain)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        parts = self.project(x).unflatten(-1, (3, self.num_heads, -1)).transpose(-4, -2)  # (N, heads, 3, T, depth)
        queries, keys, values = torch.unbind(parts, -3)
        scores = (queries / math.sqrt(queries.shape[-1])) @ keys.transpose(-1, -2)
        mixed = self.weights(scores, mask) @ values
        return self.out(mixed.transpose(-3, -2).flatten(-2))
