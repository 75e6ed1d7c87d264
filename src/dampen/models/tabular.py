"""Embeddings of the categorical columns of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class OneHotEmbedding(nn.Module):
    """(N, categories), rows one-hot or zero -> (N, width): the row of a trained table, zero for an unknown category.

    The same as `nn.Embedding` of the category's number, as a product, so that a mixture of rows (MixUp) has an
    embedding too. Weights are normal and a category's vector has length 1 on average, as a standardised number.
    """

    def __init__(self, categories: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(categories, width) / math.sqrt(width))

    def forward(self, rows: Tensor) -> Tensor:
        return rows @ self.weight


class EmbeddedColumns(nn.Module):
    """(N, F) -> (N, out_features): features before the first span as they are, then each span embedded."""

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.spans = tuple(spans)
        self.columns = nn.ModuleList(OneHotEmbedding(stop - start, width_of(stop - start)) for start, stop in spans)
        self.out_features = self.spans[0][0] + sum(width_of(stop - start) for start, stop in self.spans)

    def forward(self, inputs: Tensor) -> Tensor:
        parts = [inputs[..., : self.spans[0][0]]]
        parts += [embed(inputs[..., start:stop]) for embed, (start, stop) in zip(self.columns, self.spans, strict=True)]
        return torch.cat(parts, -1)


def width_of(categories: int) -> int:
    """fastai's rule of thumb: min(50, 1.6 n^0.56)."""
    return max(1, min(50, round(1.6 * categories**0.56)))
