"""Texts as token ids: a vocabulary, and what of it a training part knows."""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..contracts import PADDING, UNKNOWN
from ..errors import DampenError
from .cells import texts as cells_of

if TYPE_CHECKING:
    from polars import DataFrame

MAX_WORDS = 20_000
MAX_LENGTH = 256
KNOWN_FROM = 2
"""A word that the training part has less often is unknown to the model: so it learns what to make of unknown words."""
_TOKEN = re.compile(r"\w+(?:'\w+)*|[^\w\s]")


def tokens_of(text: str) -> list[str]:
    """Words in lower case, and punctuation mark by mark: "Don't, he said." -> don't , he said ."""
    return _TOKEN.findall(text.lower())


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """words: in the order of their ids, which begin behind padding and unknown. length: tokens that are kept of a
    text, from its beginning. column: of the table that the texts stood in."""

    words: tuple[str, ...]
    length: int
    column: str = ""

    def __len__(self) -> int:
        """How many ids there are."""
        return len(self.words) + 2

    @functools.cached_property
    def ids(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, start=max(PADDING, UNKNOWN) + 1)}

    def encode(self, texts: Iterable[str | None]) -> Tensor:
        """(texts, length) int64: the ids of the first tokens, then padding; a missing text is padding alone."""
        rows = [[self.ids.get(token, UNKNOWN) for token in tokens_of(text or "")[: self.length]] for text in texts]
        encoded = torch.full((len(rows), self.length), PADDING)
        for row, ids in enumerate(rows):
            encoded[row, : len(ids)] = torch.tensor(ids, dtype=torch.int64)
        return encoded

    def encode_column(self, frame: DataFrame) -> Tensor:
        """`encode` for raw rows, a Polars frame with the column of texts."""
        if self.column not in frame.columns:
            raise DampenError(f"The rows must have the column of texts, {self.column!r}; it is not there.")
        return self.encode(cells_of(frame[self.column]).to_list())

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The tokens of ids, padding left out."""
        return ["?" if number == UNKNOWN else self.words[number - 2] for number in ids if number != PADDING]


def vocabulary_of(texts: Sequence[str | None]) -> Vocabulary:
    """The most frequent words of the texts (ties in the order of the alphabet), long enough for the longest text."""
    counts: collections.Counter[str] = collections.Counter()
    longest = 1
    for tokens in map(tokens_of, (text for text in texts if text)):
        counts.update(tokens)
        longest = max(longest, len(tokens))
    frequent = sorted(counts, key=lambda word: (-counts[word], word))
    return Vocabulary(tuple(itertools.islice(frequent, MAX_WORDS)), min(longest, MAX_LENGTH))


def known_of(ids: Tensor, num_tokens: int) -> Tensor:
    """Of each token id whether these rows (N, T) have it often enough: (num_tokens,) bool."""
    known = ids.flatten().bincount(minlength=num_tokens) >= KNOWN_FROM
    known[[PADDING, UNKNOWN]] = True
    return known


def unreadable(ids: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Of each text of ids (N, T) whether it is empty, and whether it has words, but none that is known: (N,), (N,)."""
    words = torch.ones_like(known).index_fill_(0, torch.tensor([PADDING, UNKNOWN], device=known.device), False)
    empty = (ids == PADDING).all(1)
    return empty, ~(known & words)[ids].any(1) & ~empty
