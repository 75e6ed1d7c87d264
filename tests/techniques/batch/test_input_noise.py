import math

import numpy as np
import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, rejects
from small_tables import BINARY, SCHEMA, a_table
from tabular_sets import needs_shared, shared

from dampen import MLP, DampenError, Recipe, fit, reference
from dampen.data import facts_of, load_table
from dampen.data.schema import Column, Schema
from dampen.randomness import make_key
from dampen.techniques.batch.input_noise import InputNoise


def noisy(technique, batch, at, step=5):
    draws = technique.draw(batch, make_key(3, step), at)
    return technique.batch(batch, draws, at), draws["noise"]


@pytest.mark.parametrize("stddev", [0.0, 0.1, 3.0, 100.0])
def test_it_is_the_definition_on_plain_columns(stddev):
    batch = a_batch(30, 4)._replace(inputs=a_batch(30, 4).inputs * torch.tensor([1.0, 1e3, 1e-3, 0.0]))
    at = an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))

    made, noise = noisy(lifted(InputNoise(stddev)), batch, at)

    inputs, std = batch.inputs.numpy(), batch.inputs.numpy().std(0)
    agrees(made.inputs, reference.input_noise(inputs, noise.numpy(), stddev, std))
    rejects(made.inputs, reference.input_noise(inputs, noise.numpy(), 1.1 * stddev + 0.01, std))
    agrees(made[1:], batch[1:], rtol=0, atol=0)


def test_in_a_table_with_a_schema_only_numbers_get_noise_and_missing_ones_stay_missing():
    batch, at = a_table()

    made, noise = noisy(lifted(InputNoise(0.2)), batch, at)

    inputs, std = batch.inputs.numpy(), np.nanstd(batch.inputs.numpy(), 0)
    expected = reference.input_noise(inputs, noise.numpy(), 0.2, std, left_out=BINARY)
    agrees(made.inputs, expected, equal_nan=True)
    agrees(made.inputs[:, 3:], batch.inputs[:, 3:], rtol=0, atol=0)
    agrees(made.inputs[:, 1].isnan(), batch.inputs[:, 1].isnan())
    assert bool((noise[:, :3] != 0).all())


def test_the_noise_of_every_column_has_its_share_of_the_columns_deviation():
    scales = torch.tensor([1e-3, 1.0, 1e4], dtype=torch.float64)
    batch = a_batch(20000, 3)._replace(inputs=a_batch(20000, 3).inputs * scales)
    at = an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))

    made, _ = noisy(InputNoise(0.25), batch, at)

    agrees((made.inputs - batch.inputs).std(0) / batch.inputs.std(0), torch.full((3,), 0.25).double(), rtol=0.02)


def test_images_get_noise_in_units_of_their_channel():
    images = a_batch(40, 2, 6, 6).inputs * torch.tensor([1.0, 50.0], dtype=torch.float64)[:, None, None]
    batch = a_batch(40, 1)._replace(inputs=images)
    at = an_at(facts=facts_of(images, batch.targets, "classes"))

    made, noise = noisy(InputNoise(0.1), batch, at)

    std = images.numpy().std((0, 2, 3)).reshape(1, 2, 1, 1)
    agrees(made.inputs, images.numpy() + 0.1 * std * noise.numpy())


def test_at_0_nothing_changes():
    batch, at = a_table()

    agrees(noisy(lifted(InputNoise(0.0)), batch, at)[0], batch, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan, -0.1, 101, True, "much"])
def test_a_strength_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(DampenError, match=r"InputNoise\.stddev must be"):
        InputNoise(wrong)


def test_token_ids_are_refused():
    with pytest.raises(DampenError, match="InputNoise needs inputs that are numbers, not token ids"):
        Recipe(InputNoise()).check(frozenset({"tokens", "classes"}))


def test_a_table_of_categories_alone_is_refused():
    schema = Schema(tuple(c for c in SCHEMA.columns if c.kind == "category"))
    inputs = a_table()[0].inputs[:, 4:]
    facts = facts_of(inputs, a_table()[0].targets, "classes", schema=schema)

    with pytest.raises(DampenError, match="InputNoise needs a column of numbers; all columns are categories"):
        InputNoise().check(an_at(facts=facts))
    InputNoise().check(a_table()[1])
    InputNoise().check(an_at(facts=facts_of(inputs, a_table()[0].targets, "classes")))


@needs_shared
def test_on_a_real_table_of_categories_it_is_refused_before_training():
    data = load_table(shared("kr-vs-kp"), target="target")

    with pytest.raises(DampenError, match="all columns are categories"):
        fit(MLP((4,)), data, InputNoise(), epochs=1)


def test_regression_targets_stay():
    batch = a_batch(20, 4)._replace(targets=a_batch(20, 2, seed=4).inputs)
    at = an_at(facts=facts_of(batch.inputs, batch.targets, "numbers"))

    made, _ = noisy(lifted(InputNoise(0.5)), batch, at)

    agrees(made.targets, batch.targets, rtol=0, atol=0)
    rejects(made.inputs, batch.inputs)


def test_a_column_of_numbers_alone_needs_no_other_columns():
    schema = Schema((Column("n", "number"),))
    batch = a_batch(20, 1)
    at = an_at(facts=facts_of(batch.inputs, batch.targets, "classes", schema=schema))

    made, noise = noisy(lifted(InputNoise(0.5)), batch, at)

    agrees(made.inputs, batch.inputs + 0.5 * batch.inputs.std(correction=0) * noise)
