import json

import polars as pl
import pytest
import torch
from small_tables import BINARY, GROUPS, SAYS_MISSING, SCHEMA
from tabular_sets import wine

from dampen import DampenError
from dampen.data import Schema, facts_of, load_table


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


def test_every_feature_knows_its_column_and_what_holds_for_a_cell_holds_for_its_features():
    inputs = torch.zeros(2, 11)
    facts = facts_of(inputs, torch.eye(2), "classes", schema=SCHEMA)
    cells = torch.tensor([[0.0, 10.0, 20.0, 30.0, 40.0], [1.0, 11.0, 21.0, 31.0, 41.0]])

    spread = facts.by_feature(cells)

    assert [list(SCHEMA.groups.values())[n] for n in range(5)] == [*GROUPS]
    for column, features in enumerate(GROUPS):
        exactly(spread[:, list(features)], cells[:, [column]].expand(2, len(features)))
        assert {facts.column_of_feature[feature] for feature in features} == {column}
    assert facts.num_columns == 5


def test_columns_without_a_schema_are_their_own_features():
    facts = facts_of(torch.rand(4, 3), torch.eye(2)[[0, 1, 0, 1]], "classes")

    assert (facts.num_columns, facts.column_of_feature) == (3, (0, 1, 2))
    exactly(facts.by_feature(torch.eye(3)), torch.eye(3))


def test_a_row_of_missing_cells_says_so_where_its_columns_can():
    said = torch.tensor(SCHEMA.missing_row).nonzero().flatten()

    assert tuple(said.tolist()) == SAYS_MISSING
    assert {*SAYS_MISSING} < {*BINARY}


def test_a_row_of_missing_cells_is_what_encoding_makes_of_one(data):
    rows = wine()[:1].with_columns(ash=None, body=None)

    exactly(data.schema.encode(rows)[0, 13:], torch.tensor(data.schema.missing_row)[13:])


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
