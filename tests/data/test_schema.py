import json

import polars as pl
import pytest
import torch
from tabular_sets import wine

from dampen import DampenError
from dampen.data import Schema, load_table


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    file = tmp_path_factory.mktemp("schema") / "wine.csv"
    wine().write_csv(file)
    return load_table(file, target="kind", categories="embed", scale="quantile")


def exactly(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=0, equal_nan=True)


def test_raw_rows_become_the_rows_of_the_data_set(data):
    """Whatever the order of the columns, and whether cells came as texts or as numbers."""
    shuffled = wine().select(sorted(wine().columns))

    exactly(data.schema.encode(wine()), data.inputs)
    exactly(data.schema.encode(shuffled.with_columns(pl.all().cast(pl.String))), data.inputs)


def test_a_category_that_the_data_set_lacks_is_all_zeros(data):
    rows = wine()[:2].with_columns(pl.Series("body", ["sparkling", "strong"]))

    encoded = data.schema.encode(rows)[:, list(data.schema.groups["body"])]

    exactly(encoded, torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))


def test_groups_and_spans_say_where_each_column_went(data):
    schema = data.schema

    assert schema.groups["alcohol"] == (0,)
    assert schema.groups["ash"] == (2, 13)
    assert schema.groups["body"] == (14, 15, 16)
    assert schema.spans == ((14, 17),)
    assert sorted(f for features in schema.groups.values() for f in features) == list(range(len(schema.features)))


def test_a_schema_travels_as_json(data):
    record = json.loads(json.dumps(data.schema.to_record(), allow_nan=False))

    assert Schema.from_record(record) == data.schema


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop("hue", "ash"), "The rows must have the columns of the data set; ash, hue are not"),
        (
            lambda frame: frame.with_columns(pl.lit("much").alias("hue")),
            "The column 'hue' must hold numbers; got text in 178 rows, first 'much'.",
        ),
        (
            lambda frame: frame.with_columns(pl.lit(None).cast(pl.Float64).alias("hue")),
            "The column 'hue' must have a number in every row, as in the data set; got none in 178 rows.",
        ),
    ],
)
def test_rows_of_another_kind_are_refused(data, change, message):
    with pytest.raises(DampenError, match=f"^{message}"):
        data.schema.encode(change(wine()))
