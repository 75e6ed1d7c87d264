"""Which rows train, which choose, which judge: decided by the seed."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import DampenError
from .dataset import NUM_PARTS, Dataset

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.2
TRIES = 1000
"""Divisions of the groups that are drawn before a class counts as one that cannot be kept in training."""


class Split(NamedTuple):
    """Row numbers, int64, in order."""

    train: Tensor
    validation: Tensor
    test: Tensor


def split(data: Dataset, seed: int) -> Split:
    """60 % train, 20 % validation, 20 % test of every class, at least one row of it each; where the data set brings
    its own test part, that one stays and 80 % / 20 % of the other rows train and validate. Where it brings test and
    validation part (rows in time), all seeds train on the same rows. Where rows have groups, no group stands in two
    parts.

    How many rows each part has does not depend on the seed: members of different seeds can share a pack.
    """
    if data.validation_rows is not None and data.test_rows is not None:
        fixed = torch.cat([data.validation_rows, data.test_rows]).numpy()
        train = np.setdiff1d(np.arange(len(data.inputs)), fixed)
        return Split(torch.from_numpy(train), data.validation_rows, data.test_rows)
    generator = np.random.Generator(np.random.PCG64(seed))
    return _by_group(data, generator) if data.groups is not None else _by_class(data, generator)


def with_outer(data: Dataset, number: int) -> Dataset:
    """The data set with a test part of its own, cut off by its fingerprint and a number: the same for every seed, a
    fifth of every class, whole groups. Data that bring a test part keep it."""
    if data.test_rows is None:
        digest = hashlib.blake2b(f"{data.fingerprint} {number}".encode(), digest_size=4).digest()
        return dataclasses.replace(data, test_rows=split(data, int.from_bytes(digest)).test)
    if number:
        raise DampenError(f"outer must be 0 where the data bring their own test part; got {number}. Leave it out.")
    return data


def with_share(data: Dataset, share: float) -> Dataset:
    """The data set with a share of the rows outside of its own test and validation part, of every class at least
    three, whole groups; the same at every call, and those of a smaller share are among those of a larger one."""
    kept = [rows.numpy() for rows in (data.test_rows, data.validation_rows) if rows is not None]
    fixed = np.concatenate(kept) if kept else np.empty(0, dtype=int)
    rest = np.setdiff1d(np.arange(len(data.inputs)), fixed)
    generator = np.random.Generator(np.random.PCG64(0))
    labels = data.targets.argmax(1).numpy()[rest] if data.task == "classes" else np.zeros(len(rest), dtype=int)
    if data.groups is not None:
        labels = np.zeros(len(rest), dtype=int)
        order = generator.permutation(len(np.unique(data.groups.numpy())))
        ranks = order[np.unique(data.groups.numpy(), return_inverse=True)[1]][rest]
    else:
        ranks = generator.permutation(len(rest))
    chosen = [_first(rest[labels == label], ranks[labels == label], share) for label in np.unique(labels)]
    rows = np.sort(np.concatenate([fixed, *chosen]))
    places = torch.from_numpy(rows)

    def moved(part: Tensor | None) -> Tensor | None:
        return None if part is None else torch.from_numpy(np.searchsorted(rows, part.numpy()))

    return dataclasses.replace(
        data,
        inputs=data.inputs[places],
        targets=data.targets[places],
        groups=None if data.groups is None else data.groups[places],
        test_rows=moved(data.test_rows),
        validation_rows=moved(data.validation_rows),
    )


def _first(rows: np.ndarray, ranks: np.ndarray, share: float) -> np.ndarray:
    """The rows whose ranks are lowest; rows of one rank stay together."""
    count = min(len(rows), max(NUM_PARTS, round(share * len(rows))))
    return rows[ranks <= np.sort(ranks)[count - 1]]


def _by_class(data: Dataset, generator: np.random.Generator) -> Split:
    rows = np.arange(len(data.inputs))
    own_test = None if data.test_rows is None else data.test_rows.numpy()
    rest = rows if own_test is None else np.setdiff1d(rows, own_test)
    labels = data.targets.argmax(1).numpy() if data.task == "classes" else np.zeros(len(rows), dtype=int)
    fractions = (TEST_FRACTION if own_test is None else 0.0, VALIDATION_FRACTION)
    test, validation, train = [], [], []
    for label in np.unique(labels[rest]):
        members = generator.permutation(rest[labels[rest] == label])
        first, second = (max(1, round(fraction * len(members))) if fraction else 0 for fraction in fractions)
        test.append(members[:first])
        validation.append(members[first : first + second])
        train.append(members[first + second :])
    parts = (train, validation, test if own_test is None else [own_test])
    return Split(*(torch.from_numpy(np.sort(np.concatenate(part))) for part in parts))


def _by_group(data: Dataset, generator: np.random.Generator) -> Split:
    """Groups are drawn until the test part has its rows, then the validation part; the other groups train. What is
    drawn too much is left out at random, in training too, so that every seed has parts of the same size: less than
    the two largest groups' worth of rows stands idle. Groups of a test part that the data set brings are not drawn."""
    groups = data.groups.numpy()  # type: ignore[union-attr]
    own_test = None if data.test_rows is None else data.test_rows.numpy()
    rest = np.arange(len(groups)) if own_test is None else np.flatnonzero(~np.isin(groups, groups[own_test]))
    _, codes = np.unique(groups[rest], return_inverse=True)
    sizes = np.bincount(codes)
    counts = sizes_by_group(codes, TEST_FRACTION if own_test is None else 0.0)
    for _ in range(TRIES):
        order = generator.permutation(len(sizes))
        ends = np.cumsum(sizes[order])
        first = int(np.searchsorted(ends, counts.test)) + 1 if counts.test else 0  # the fewest that hold these rows
        taken = ends[first - 1] if first else 0
        second = int(np.searchsorted(ends, taken + counts.validation)) + 1
        place = np.empty(len(sizes), dtype=int)
        place[order] = np.repeat([2, 1, 0], [first, second - first, len(sizes) - second])
        found = [_thinned(np.flatnonzero(place[codes] == part), counts[part], generator) for part in range(3)]
        train, validation, test = (rest[rows] for rows in found)
        if data.task != "classes" or bool((data.targets[train].amax(0) > 0).all()):
            test = test if own_test is None else own_test
            return Split(*(torch.from_numpy(rows) for rows in (train, validation, test)))
    raise DampenError(
        "Every class must stand in the training part, whatever groups are drawn for the others; no such division was "
        "found. Merge rare classes, or split by another column."
    )


class Sizes(NamedTuple):
    """Rows of each part."""

    train: int
    validation: int
    test: int


def sizes_by_group(codes: np.ndarray, test_fraction: float = TEST_FRACTION) -> Sizes:
    """How many rows each part has where whole groups are drawn, under any seed; refused where groups are too large."""
    sizes = np.bincount(codes)
    test, validation = (round(fraction * len(codes)) for fraction in (test_fraction, VALIDATION_FRACTION))
    train = len(codes) - sum(wanted + _surplus(wanted, sizes) for wanted in (test, validation) if wanted)
    if train < max(test, validation):
        raise DampenError(
            f"Groups must be small enough to divide {len(codes)} rows into three parts; the largest of {len(sizes)} "
            f"has {sizes.max()} rows. Split by another column, or leave --group out."
        )
    return Sizes(train, validation, test)


def _surplus(wanted: int, sizes: np.ndarray) -> int:
    """At most so many rows more than wanted are drawn when whole groups are."""
    return int(-wanted % sizes[0] if (sizes == sizes[0]).all() else sizes.max() - 1)


def _thinned(rows: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    return np.sort(generator.choice(rows, count, replace=False))
