"""A made-up table with everything a schema knows, and what follows from it, counted by hand."""

import numpy as np
import torch
from helpers import an_at, numbers, one_hot

from dampen.contracts import Batch
from dampen.data import facts_of
from dampen.data.schema import Column, Schema

SCHEMA = Schema(
    (
        Column("colour", "category", ("blue", "green", "red")),
        Column("length", "number"),
        Column("weight", "number", missing=True),
        Column("shape", "category", ("cube", "disc", "rod", None)),
        Column("price", "number"),
    )
)
"""Features: length, weight, price, weight is missing, colour = blue, green, red, shape = cube, disc, rod, missing."""
GROUPS = ((4, 5, 6), (0,), (1, 3), (7, 8, 9, 10), (2,))
"""The features of each column, in the order of the columns."""
SAYS_MISSING = (3, 10)
BINARY = tuple(range(3, 11))


def a_table(num_rows=40, seed=0, num_classes=3):
    """A batch of the table, NaN in `weight` among it, and the `at` with facts of it; all float64."""
    source = np.random.default_rng(seed)
    values = numbers(num_rows, 3, seed=seed) * torch.tensor([1.0, 100.0, 0.01]).double() + 5
    missing = torch.from_numpy(source.random(num_rows) < 0.3)
    missing[:2] = torch.tensor([True, False])
    values[missing, 1] = torch.nan
    colour, shape = (one_hot(num_rows, count, seed=seed + count) for count in (3, 4))
    inputs = torch.cat([values, missing[:, None].double(), colour, shape], 1)
    targets = one_hot(num_rows, num_classes, seed)
    weights = 0.5 + torch.from_numpy(source.random(num_rows))
    return Batch(inputs, targets, weights), an_at(facts=facts_of(inputs, targets, "classes", schema=SCHEMA))


def is_whole(inputs, schema):
    """Whether each row is one that a table can hold: at most one category of each column, a number missing exactly
    where its mark says so."""
    count = len(schema.numbers)
    marked = [n for n, column in enumerate(schema.numbers) if column.missing]
    marks = inputs[:, count : count + len(marked)]
    categories = all(bool((inputs[:, a:b].sum(1) <= 1).all()) for a, b in schema.spans)
    return categories and bool((inputs[:, marked].isnan() == (marks == 1)).all())
