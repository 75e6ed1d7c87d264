import math

import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, numbers, rejects
from small_tables import GROUPS, a_table, is_whole
from tabular_sets import needs_shared, shared

from dampen import CNN, DampenError, fit, load, reference
from dampen.contracts import Batch
from dampen.data import facts_of, load_table
from dampen.randomness import make_key
from dampen.techniques.batch.tabular_cutmix import TabularCutMix


def mixed(technique, batch, at, step=5):
    draws = technique.draw(batch, make_key(3, step), at)
    return technique.batch(batch, draws, at), draws


def by_definition(batch, draws, probability, groups=GROUPS, **other):
    values = {name: draws[name].item() for name in ("mix", "uniform")}
    orders = {name: draws[name].numpy() for name in ("partner", "order")}
    parts = [part.numpy() for part in batch]
    return reference.tabular_cutmix(*parts, **{**values, **orders, **other}, probability=probability, groups=groups)


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_it_is_the_definition(alpha, probability):
    batch, at = a_table()
    technique = lifted(TabularCutMix(alpha, probability))

    for step in range(8):
        made, draws = mixed(technique, batch, at, step)

        agrees(made, by_definition(batch, draws, probability), equal_nan=True)


def test_other_strengths_would_be_another_batch():
    batch, at = a_table()
    draws = lifted(TabularCutMix()).draw(batch, make_key(3, 5), at)
    draws |= {"mix": torch.tensor(0.5).double(), "uniform": torch.tensor(0.4).double()}

    made = lifted(TabularCutMix(1.0, 0.5)).batch(batch, draws, at)

    rejects(made[1:], by_definition(batch, draws, 0.3)[1:])
    rejects(made[1:], by_definition(batch, draws, 0.5, mix=0.9)[1:])
    weak = lifted(TabularCutMix(0.1)).draw(batch, make_key(3, 5), at)["mix"]
    rejects(weak, lifted(TabularCutMix(1.0)).draw(batch, make_key(3, 5), at)["mix"])


def test_the_weight_of_the_targets_is_the_share_of_columns_that_stayed():
    """Five columns, mix 0.5: two and a half would leave, two do, so the target keeps 3/5, not a half."""
    batch, at = a_table()
    draws = lifted(TabularCutMix()).draw(batch, make_key(3, 5), at)
    draws |= {"mix": torch.tensor(0.5).double(), "uniform": torch.tensor(0.0).double()}

    made = lifted(TabularCutMix()).batch(batch, draws, at)

    partner = draws["partner"]
    agrees(made.targets, 0.6 * batch.targets + 0.4 * batch.targets[partner])
    agrees(made.weights, 0.6 * batch.weights + 0.4 * batch.weights[partner])
    untouched = [
        torch.equal(made.inputs[:, features].nan_to_num(), batch.inputs[:, features].nan_to_num())
        for features in map(list, GROUPS)
    ]
    assert sum(untouched) == 3


def test_mix_0_makes_the_partner_of_everybody():
    batch, at = a_table()
    draws = lifted(TabularCutMix()).draw(batch, make_key(3, 5), at)
    draws |= {"mix": torch.tensor(0.0).double(), "uniform": torch.tensor(0.0).double()}

    made = lifted(TabularCutMix()).batch(batch, draws, at)

    agrees(made, Batch(*(part[draws["partner"]] for part in batch)), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("strengths", [{"probability": 0.0}, {"alpha": 0.0, "probability": 1.0}])
def test_probability_0_and_alpha_0_leave_the_batch_as_it_is(strengths):
    batch, at = a_table()
    technique = lifted(TabularCutMix(**strengths))

    for step in range(5):
        agrees(mixed(technique, batch, at, step)[0], batch, rtol=0, atol=0, equal_nan=True)


def test_every_row_stays_a_row_that_the_table_could_hold():
    batch, at = a_table(100)
    technique = lifted(TabularCutMix(1.0, 1.0))

    for step in range(10):
        assert is_whole(mixed(technique, batch, at, step)[0].inputs, at.facts.schema)


def test_the_share_of_mixed_batches_is_the_probability():
    batch = a_batch(4, 50)
    at = an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))
    technique = lifted(TabularCutMix(4.0, 0.3))

    changed = [not torch.equal(mixed(technique, batch, at, step)[0].inputs, batch.inputs) for step in range(1000)]

    agrees(torch.tensor(changed).double().mean(), 0.3, atol=0.06)


def test_a_numbers_target_is_blended_as_the_columns_are():
    batch, at = a_table()
    batch = batch._replace(targets=numbers(40, 2, seed=4))
    technique = lifted(TabularCutMix(1.0, 1.0))

    made, draws = mixed(technique, batch, at)

    agrees(made, by_definition(batch, draws, 1.0), equal_nan=True)


@needs_shared
def test_real_rows_stay_rows_that_the_table_could_hold():
    data = load_table(shared("anneal"), target="target")
    batch = Batch(data.inputs, data.targets, torch.ones(len(data.inputs)))
    at = an_at(facts=facts_of(data.inputs, data.targets, "classes", schema=data.schema))
    draws = lifted(TabularCutMix()).draw(batch, make_key(3, 5), at)
    draws |= {"mix": torch.tensor(0.6), "uniform": torch.tensor(0.0)}

    made = lifted(TabularCutMix()).batch(batch, draws, at)

    assert is_whole(made.inputs, data.schema)
    columns = len(data.schema.columns)
    left = math.floor(0.4 * columns)
    agrees(made.targets.max(1).values.min(), torch.tensor(1 - left / columns), rtol=1e-6)


@pytest.mark.parametrize("wrong", [math.inf, math.nan, -0.1, 1.1, None])
def test_a_probability_that_is_none_is_refused(wrong):
    with pytest.raises(DampenError, match=r"TabularCutMix\.probability must be"):
        TabularCutMix(probability=wrong)


@pytest.mark.parametrize("wrong", [math.inf, math.nan, -0.1, 4.1])
def test_an_alpha_out_of_range_is_refused(wrong):
    with pytest.raises(DampenError, match=r"TabularCutMix\.alpha must be"):
        TabularCutMix(alpha=wrong)


def test_images_are_refused():
    with pytest.raises(DampenError, match="TabularCutMix needs rows of a table"):
        fit(CNN((4,)), load("digits"), TabularCutMix(), epochs=1)


def test_at_probability_0_even_the_smallest_number_drawn_mixes_nothing():
    batch, at = a_table()
    draws = lifted(TabularCutMix()).draw(batch, make_key(3, 5), at)
    draws |= {"mix": torch.tensor(0.0).double(), "uniform": torch.tensor(0.0).double()}

    made = lifted(TabularCutMix(1.0, 0.0)).batch(batch, draws, at)

    agrees(made, batch, rtol=0, atol=0, equal_nan=True)
