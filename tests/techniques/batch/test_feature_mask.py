import math

import numpy as np
import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, numbers, rejects
from small_tables import GROUPS, SAYS_MISSING, a_table
from tabular_sets import needs_shared, shared, wine
from torch import nn

from dampen import CNN, DampenError, fit, load, reference
from dampen.data import facts_of, load_table
from dampen.models.adopt import adopt
from dampen.randomness import make_key
from dampen.techniques.batch.feature_mask import FeatureMask


def masked(technique, batch, at, step=5):
    draws = technique.draw(batch, make_key(3, step), at)
    return technique.batch(batch, draws, at), draws["uniform"]


def unknown_row(inputs):
    """Means of the numbers present, 1 where a feature says that a cell is missing, else 0."""
    row = np.zeros(11)
    row[:3] = np.nanmean(inputs.numpy()[:, :3], 0)
    row[list(SAYS_MISSING)] = 1
    return row


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.7, 1.0])
def test_it_is_the_definition_and_touches_nothing_but_inputs(rate):
    batch, at = a_table()

    made, uniform = masked(lifted(FeatureMask(rate)), batch, at)

    def expected(rate):
        return reference.feature_mask(batch.inputs.numpy(), uniform.numpy(), rate, GROUPS, unknown_row(batch.inputs))

    agrees(made.inputs, expected(rate), equal_nan=True)
    rejects(made.inputs.nan_to_num(), torch.from_numpy(expected(rate - 0.1 if rate else 0.3)).nan_to_num())
    agrees(made[1:], batch[1:], rtol=0, atol=0)


def test_at_rate_1_every_row_is_a_row_of_which_nothing_is_known():
    batch, at = a_table()

    made, _ = masked(lifted(FeatureMask(1.0)), batch, at)

    agrees(made.inputs, np.tile(unknown_row(batch.inputs), (40, 1)))


def test_a_table_without_a_schema_is_filled_with_its_means():
    batch = a_batch(9, 5)
    at = an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))

    made, uniform = masked(lifted(FeatureMask(0.5)), batch, at)

    inputs, groups = batch.inputs.numpy(), [(n,) for n in range(5)]
    agrees(made.inputs, reference.feature_mask(inputs, uniform.numpy(), 0.5, groups, inputs.mean(0)))


def test_the_network_sees_a_hidden_cell_as_it_sees_a_missing_one(tmp_path):
    """What reaches the first layer: filled, silenced where no training row has it, standardised."""
    wine().write_csv(tmp_path / "wine.csv")
    data = load_table(tmp_path / "wine.csv", target="kind")
    facts = facts_of(data.inputs, data.targets, "classes", schema=data.schema)
    network = nn.Sequential(nn.Identity())
    adopt(network, facts)
    batch = a_batch(len(data.inputs), 1)._replace(inputs=data.inputs)

    made, _ = masked(lifted(FeatureMask(1.0)), batch, an_at(facts=facts))

    missing = wine().with_columns(ash=None, body=None)
    seen, expected = network(made.inputs), network(data.schema.encode(missing))
    features = [2, *range(13, 17)]
    agrees(seen[:, features], expected[:, features])
    others = [n for n in range(13) if n != 2]
    agrees(seen[:, others], torch.zeros(178, 12), atol=1e-6)


@needs_shared
def test_categories_of_a_real_table_are_hidden_whole():
    data = load_table(shared("anneal"), target="target")
    schema = data.schema
    batch = a_batch(len(data.inputs), 1)._replace(inputs=data.inputs)
    at = an_at(facts=facts_of(data.inputs, data.targets, "classes", schema=schema))

    made, uniform = masked(lifted(FeatureMask(0.3)), batch, at)

    hidden = uniform < 0.3
    for column, (start, stop) in zip(schema.categorical, schema.spans, strict=True):
        gone = hidden[:, schema.columns.index(column)]
        fill = torch.tensor([float(category is None) for category in column.categories])
        agrees(made.inputs[gone, start:stop], fill.expand(int(gone.sum()), -1))
        agrees(made.inputs[~gone, start:stop], data.inputs[~gone, start:stop])
    assert None in schema.categorical[0].categories


def test_the_share_of_hidden_cells_is_the_rate():
    batch = a_batch(300, 100)
    at = an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))

    made, _ = masked(lifted(FeatureMask(0.15)), batch, at)

    agrees((made.inputs != batch.inputs).double().mean(), 0.15, rtol=0.05)


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan, -0.1, 1.1, None])
def test_a_rate_that_is_no_share_is_refused(wrong):
    with pytest.raises(DampenError, match=r"FeatureMask\.rate must be"):
        FeatureMask(wrong)


def test_images_are_refused():
    with pytest.raises(DampenError, match="FeatureMask needs rows of a table"):
        fit(CNN((4,)), load("digits"), FeatureMask(), epochs=1)


def test_regression_targets_stay():
    batch = a_batch(20, 4)._replace(targets=numbers(20, 2, seed=4))
    at = an_at(facts=facts_of(batch.inputs, batch.targets, "numbers"))

    made, _ = masked(lifted(FeatureMask(0.5)), batch, at)

    agrees(made.targets, batch.targets, rtol=0, atol=0)
    rejects(made.inputs, batch.inputs)


def test_at_rate_0_even_the_smallest_number_drawn_hides_nothing():
    batch, at = a_table()
    draws = {"uniform": torch.zeros(40, 5, dtype=torch.float64)}

    agrees(lifted(FeatureMask(0.0)).batch(batch, draws, at), batch, rtol=0, atol=0, equal_nan=True)
