import math

import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, numbers, rejects
from small_tables import GROUPS, a_table, is_whole
from tabular_sets import needs_shared, shared, wine

from dampen import CNN, DampenError, Recipe, fit, load, reference
from dampen.data import facts_of, load_table
from dampen.randomness import make_key
from dampen.techniques.batch.swap_noise import SwapNoise
from dampen.worlds import small_problem


def swapped(technique, batch, at, step=5):
    draws = technique.draw(batch, make_key(3, step), at)
    return technique.batch(batch, draws, at), draws["uniform"]


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.7, 1.0])
def test_it_is_the_definition_and_touches_nothing_but_inputs(rate):
    batch, at = a_table()

    made, uniform = swapped(lifted(SwapNoise(rate)), batch, at)

    inputs, uniform = batch.inputs.numpy(), uniform.numpy()
    agrees(made.inputs, reference.swap_noise(inputs, uniform, rate, GROUPS), equal_nan=True)
    nudged = reference.swap_noise(inputs, uniform, rate - 0.1 if rate else 0.3, GROUPS)
    rejects(made.inputs.nan_to_num(), torch.from_numpy(nudged).nan_to_num())
    agrees(made[1:], batch[1:], rtol=0, atol=0)


def test_a_table_without_a_schema_moves_feature_by_feature():
    batch = a_batch(9, 5)
    at = an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))

    made, uniform = swapped(lifted(SwapNoise(0.5)), batch, at)

    agrees(made.inputs, reference.swap_noise(batch.inputs.numpy(), uniform.numpy(), 0.5, [(n,) for n in range(5)]))


def test_every_row_stays_a_row_that_the_table_could_hold():
    batch, at = a_table(200)

    made, _ = swapped(lifted(SwapNoise(0.5)), batch, at)

    assert is_whole(made.inputs, at.facts.schema)
    agrees(made.inputs[:, 4:7].sum(1), torch.ones(200).double())
    agrees(made.inputs[:, 7:].sum(1), torch.ones(200).double())


def test_at_rate_1_every_cell_comes_from_another_row_all_of_them_alike():
    # Each row holds its own number, so that the number says where a cell came from.
    rows, columns = 6, 5000
    batch = a_batch(rows, 1)._replace(inputs=torch.arange(rows).double()[:, None].expand(rows, columns))
    at = an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))

    made, _ = swapped(lifted(SwapNoise(1.0)), batch, at)

    came_from = torch.stack([(made.inputs == row).double().mean(1) for row in range(rows)], 1)
    agrees(came_from.diagonal(), torch.zeros(rows).double(), rtol=0, atol=0)
    agrees(came_from, (1 - torch.eye(rows).double()) / (rows - 1), atol=0.02)


def test_the_share_of_swapped_cells_is_the_rate():
    batch = a_batch(300, 100)
    at = an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))

    made, _ = swapped(lifted(SwapNoise(0.15)), batch, at)

    agrees((made.inputs != batch.inputs).double().mean(), 0.15, rtol=0.05)


def test_a_row_alone_in_its_batch_has_nobody_to_swap_with():
    batch = a_batch(1, 4)
    at = an_at(facts=facts_of(a_batch(8, 4).inputs, a_batch(8, 4).targets, "classes"))

    agrees(swapped(lifted(SwapNoise(1.0)), batch, at)[0], batch, rtol=0, atol=0)


@needs_shared
def test_real_rows_stay_rows_that_the_table_could_hold():
    """38 columns, most of them categories, with 22,175 missing cells."""
    data = load_table(shared("anneal"), target="target")
    batch = a_batch(len(data.inputs), 1)._replace(inputs=data.inputs)
    at = an_at(facts=facts_of(data.inputs, data.targets, "classes", schema=data.schema))

    made, _ = swapped(lifted(SwapNoise(0.3)), batch, at)

    assert is_whole(made.inputs, data.schema)
    rejects(made.inputs.nan_to_num(), batch.inputs.nan_to_num())


def test_a_missing_number_moves_with_its_mark(tmp_path):
    wine().write_csv(tmp_path / "wine.csv")
    data = load_table(tmp_path / "wine.csv", target="kind")
    batch = a_batch(len(data.inputs), 1)._replace(inputs=data.inputs)
    at = an_at(facts=facts_of(data.inputs, data.targets, "classes", schema=data.schema))

    made, _ = swapped(lifted(SwapNoise(0.5)), batch, at)

    moved = made.inputs[:, 2].isnan() != data.inputs[:, 2].isnan()
    assert bool(moved.any())
    assert is_whole(made.inputs, data.schema)


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan, -0.1, 1.1, None])
def test_a_rate_that_is_no_share_is_refused(wrong):
    with pytest.raises(DampenError, match=r"SwapNoise\.rate must be"):
        SwapNoise(wrong)


def test_images_are_refused():
    with pytest.raises(DampenError, match=r"SwapNoise needs rows of a table \(N, columns\); this problem has none"):
        fit(CNN((4,)), load("digits"), SwapNoise(), epochs=1)


def test_regression_targets_stay():
    batch = a_batch(20, 4)._replace(targets=numbers(20, 2, seed=4))
    at = an_at(facts=facts_of(batch.inputs, batch.targets, "numbers"))

    made, _ = swapped(lifted(SwapNoise(0.5)), batch, at)

    agrees(made.targets, batch.targets, rtol=0, atol=0)
    rejects(made.inputs, batch.inputs)


def test_it_suits_plain_columns_as_well_as_a_schema():
    for world in ("cells", "columns"):
        Recipe(SwapNoise()).check(small_problem(world=world).words)
