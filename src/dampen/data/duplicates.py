"""Rows that stand in two parts of a split: a network that has learned them by heart is praised for it."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterator

import numpy as np

from ..words import counted
from .dataset import Dataset
from .split import Split

CHUNK = 4096
"""Rows that are held as float32 at a time."""
PAIR_FRACTION = {"images": 0.05, "tables": 0.02}
"""A near duplicate is closer than this share of the median distance of two random rows (for MNIST 5 grey values a
pixel; its closest two images differ by twice that), and ..."""
NEIGHBOUR_FRACTION, BY_CHANCE = 0.1, 1e-4
"""... than this share of the median distance to the nearest training row; with few columns than the smaller share
that one row in 10,000 undercuts by chance (chance grows with the share to the power of the columns). Columns of a
table count that take nearly continuous values: rows that agree in all categories and are close in the only number
are ordinary rows, no copies of each other."""
CONTINUOUS, SEVERAL_VALUES, SEVERAL_COUNT_AS_ONE = 0.1, 32, 10
"""A column is nearly continuous if this share of 2,000 rows is distinct; of columns with several values ten count as
one, so that pixels written as a table are not without any."""
NUM_PROJECTIONS = 12
SLACK = 1.9
"""12 random projections stretch a distance by more than this once in 50,000 times."""
NUM_CANDIDATES = 5
NUM_PAIRS, NUM_NEIGHBOURED, NUM_AGAINST = 2000, 200, 20_000
"""Random pairs, and rows whose nearest of so many training rows is sought, for what is typical."""
NUM_EXAMPLES = 5


@dataclasses.dataclass(frozen=True)
class Overlap:
    """How many of the `num_rows` rows of a part stand in the training part: exact, or (others) nearly.
    other_label: how many of these have another label there. pairs: a few (row of the part, row of the training part),
    exact ones first."""

    num_rows: int
    exact: int = 0
    near: int = 0
    other_label: int = 0
    pairs: tuple[tuple[int, int], ...] = ()

    @property
    def found(self) -> int:
        return self.exact + self.near


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """What of the test part and of the validation part stands in the training part."""

    test: Overlap
    validation: Overlap


def duplicates(data: Dataset, split: Split) -> Duplicates:
    """Exact: equal in every value (missing equals missing). Near: see the constants above; distances are Euclidean,
    between pixels as they are, between columns of tables in standard deviations, one deviation for a value that is
    missing in one of the two; texts have exact ones only. Re-coded, shifted or mirrored images are farther apart and
    not found.

    Seconds for 70,000 x 784 values: rows are hashed; candidates for near ones are neighbours among 12 random
    projections (fixed seed), compared in full. Where more than half of the rows are near duplicates, what is typical
    is lost, and with it the near ones.
    """
    rows = _Rows(data)
    train = split.train.numpy()
    parts = {"test": split.test.numpy(), "validation": split.validation.numpy()}
    asked = np.concatenate(list(parts.values()))
    codes = _codes(data)
    exact, mixed = _exact(rows, train, asked, codes)
    partner = exact.copy()
    if not data.num_tokens:  # ids of words have no distance
        partner[exact < 0] = _near(rows, train, asked[exact < 0])
    other = np.where(exact >= 0, mixed, (partner >= 0) & (codes[asked] != codes[np.maximum(partner, 0)]))
    ends = np.cumsum([len(part) for part in parts.values()])
    return Duplicates(
        *(
            _overlap(asked[one], exact[one] >= 0, partner[one], other[one])
            for one in (slice(end - len(part), end) for end, part in zip(ends, parts.values(), strict=True))
        )
    )


def sentence(found: Duplicates) -> str:
    """One line for people."""
    test, validation = found.test, found.validation
    if not test.found and not validation.found:
        return "No test or validation row stands in the training part, exactly or nearly."
    said = [
        f"{one.found:,} of {counted(one.num_rows, f'{name} row')} ({_share(one)})"
        for name, one in (("test", test), ("validation", validation))
        if one.found
    ]
    exact, other = test.exact + validation.exact, test.other_label + validation.other_label
    kinds = f"{exact:,} exactly, {test.found + validation.found - exact:,} nearly"
    label = f"; {other:,} with another label" if other else ""
    return f"{' and '.join(said)} also stand in the training part: {kinds}{label}."


def _share(one: Overlap) -> str:
    share = 100 * one.found / one.num_rows
    return f"{share:.1f} %" if share >= 0.1 else "under 0.1 %"


def _overlap(part: np.ndarray, exact: np.ndarray, partner: np.ndarray, other: np.ndarray) -> Overlap:
    near = ~exact & (partner >= 0)
    shown = [*np.flatnonzero(exact)[:NUM_EXAMPLES], *np.flatnonzero(near)[:NUM_EXAMPLES]]
    pairs = tuple((int(part[i]), int(partner[i])) for i in shown)
    return Overlap(len(part), int(exact.sum()), int(near.sum()), int(other.sum()), pairs)


def _codes(data: Dataset) -> np.ndarray:
    """A whole number per row: rows of one label have the same."""
    targets = data.targets.numpy()
    if data.task == "classes":
        return targets.argmax(1)
    return np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1)


# ------------------------------------------------------------------ exact


def _exact(rows: _Rows, train: np.ndarray, asked: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every asked row a training row that equals it, or -1; and whether any such row has another label."""
    ours, theirs = rows.hashes(train), rows.hashes(asked)
    order = np.lexsort((codes[train], ours))
    keys, start, count = np.unique(ours[order], return_index=True, return_counts=True)
    place = np.minimum(np.searchsorted(keys, theirs), len(keys) - 1)
    found = keys[place] == theirs
    first, last = train[order[start[place]]], train[order[start[place] + count[place] - 1]]  # by label, within a key
    mixed = found & ((codes[first] != codes[asked]) | (codes[last] != codes[asked]))
    return np.where(found, first, -1), mixed


# ------------------------------------------------------------------ near


def _near(rows: _Rows, train: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """For every asked row, none of which stands exactly in the training part, the nearest near duplicate or -1."""
    from scipy.spatial import cKDTree

    nearest = np.full(len(asked), -1)
    generator = np.random.Generator(np.random.PCG64(0))
    limit = _limit(rows, train, asked, generator) if len(asked) else 0.0
    if limit == 0:
        return nearest
    project = rows.num_columns > NUM_PROJECTIONS
    matrix = generator.standard_normal((rows.num_columns, NUM_PROJECTIONS)) / math.sqrt(NUM_PROJECTIONS)
    matrix = matrix.astype(np.float32) if project else np.eye(rows.num_columns, dtype=np.float32)
    unique = train[np.unique(rows.hashes(train), return_index=True)[1]]
    tree = cKDTree(rows.projected(unique, matrix))
    reach = limit * (SLACK if project else 1.0)
    _, candidates = tree.query(rows.projected(asked, matrix), NUM_CANDIDATES, distance_upper_bound=reach)
    best = np.full(len(asked), limit)
    for column in candidates.T:
        some = np.flatnonzero(column < len(unique))
        for chunk in _chunks(some):
            there = unique[column[chunk]]
            distance = np.sqrt(rows.squared_differences(asked[chunk], there))
            closer = distance < best[chunk]
            best[chunk[closer]], nearest[chunk[closer]] = distance[closer], there[closer]
    return nearest


def _limit(rows: _Rows, train: np.ndarray, asked: np.ndarray, generator: np.random.Generator) -> float:
    """The distance below which two rows are near duplicates, from what is typical of these data."""
    one, other = generator.choice(train, NUM_PAIRS), generator.choice(train, NUM_PAIRS)
    pair = np.median(np.sqrt(rows.squared_differences(one, other)))
    queries = generator.choice(asked, min(NUM_NEIGHBOURED, len(asked)), replace=False)
    against = generator.choice(train, min(NUM_AGAINST, len(train)), replace=False)
    nearest = np.full(len(queries), np.inf)
    values = rows.values(queries, fill=True)
    for chunk in _chunks(against):
        theirs = rows.values(chunk, fill=True)
        squares = (values**2).sum(1)[:, None] - 2 * values @ theirs.T + (theirs**2).sum(1)
        nearest = np.minimum(nearest, squares.min(1))
    neighbour = math.sqrt(max(0.0, np.median(nearest)))
    if not rows.num_continuous:
        return 0.0
    fraction = min(NEIGHBOUR_FRACTION, BY_CHANCE ** (1 / rows.num_continuous))
    return float(min(PAIR_FRACTION[rows.kind] * pair, fraction * neighbour))


def _chunks(indices: np.ndarray) -> Iterator[np.ndarray]:
    return (indices[start : start + CHUNK] for start in range(0, len(indices), CHUNK))


class _Rows:
    """Inputs (R, ...) as rows of numbers on one scale, a chunk at a time."""

    def __init__(self, data: Dataset) -> None:
        self.raw = data.inputs.numpy().reshape(len(data.inputs), -1)
        self.num_columns = self.raw.shape[1]
        self.dtype = np.float64 if self.num_columns <= 256 else np.float32
        self.shift, self.scale = np.zeros(1, self.dtype), np.ones(1, self.dtype)
        self.num_continuous = self.num_columns
        self._hashes: np.ndarray | None = None
        self.kind = "images" if "images" in data.words else "tables"
        if self.kind == "tables":
            self._standardise()

    def _standardise(self) -> None:
        sample = self.raw[:: -(-len(self.raw) // NUM_AGAINST)].astype(np.float64)
        known = ~np.isnan(sample)
        count = np.maximum(known.sum(0), 1)
        mean = np.where(known, sample, 0).sum(0) / count
        deviation = np.sqrt((np.where(known, sample - mean, 0) ** 2).sum(0) / count)
        self.shift = mean.astype(self.dtype)
        self.scale = np.where(deviation > 0, deviation, 1.0).astype(self.dtype)
        few = sample[:: -(-len(sample) // NUM_PAIRS)]
        distinct = (np.diff(np.sort(few, axis=0), axis=0) > 0).sum(0) + 1
        several = int((distinct > SEVERAL_VALUES).sum()) // SEVERAL_COUNT_AS_ONE
        self.num_continuous = max(int((distinct > CONTINUOUS * len(few)).sum()), several)

    def values(self, indices: np.ndarray, fill: bool = False) -> np.ndarray:
        """(N, columns) on the common scale; `fill` puts the mean in the place of what is missing."""
        values = (self.raw[indices].astype(self.dtype) - self.shift) / self.scale
        return np.nan_to_num(values, copy=False, nan=0.0) if fill else values

    def projected(self, indices: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        return np.concatenate([self.values(chunk, fill=True) @ matrix for chunk in _chunks(indices)])

    def squared_differences(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """(N,) squared distances of row one[i] and row other[i]."""
        ours, theirs = self.values(one), self.values(other)
        gap = ours - theirs
        missing = np.isnan(gap)
        if missing.any():
            gap[missing] = (np.isnan(ours) != np.isnan(theirs))[missing]
        return np.einsum("ij,ij->i", gap, gap)

    def hashes(self, indices: np.ndarray) -> np.ndarray:
        """(N,) 64-bit hashes of the values; all rows are hashed once."""
        if self._hashes is None:
            self._hashes = np.concatenate([self._hashed(chunk) for chunk in _chunks(np.arange(len(self.raw)))])
        return self._hashes[indices]

    def _hashed(self, chunk: np.ndarray) -> np.ndarray:
        values = self.raw[chunk]
        if np.issubdtype(values.dtype, np.floating):
            values = values + 0.0  # -0.0 equals 0.0
            values[np.isnan(values)] = np.nan  # whatever its bits
        width, data = values.strides[0], np.ascontiguousarray(values).tobytes()
        starts = range(0, len(data), width)
        digests = b"".join(hashlib.blake2b(data[s : s + width], digest_size=8).digest() for s in starts)
        return np.frombuffer(digests, np.uint64)
