import math

import pytest
import torch
from helpers import agrees, lifted, rejects
from series_sets import changed, needs_series, some_series, training_batch

from dampen import DampenError, Recipe, reference
from dampen.techniques.batch.time_mask import TimeMask


@pytest.mark.parametrize("max_fraction", [0.0, 0.2, 0.7, 1.0])
@pytest.mark.parametrize("shape", [(20, 3, 11), (20, 1, 1)])
def test_it_is_the_definition_and_touches_nothing_but_inputs(shape, max_fraction):
    batch, at = some_series(*shape)

    made, draws = changed(lifted(TimeMask(max_fraction)), batch, at)

    series, uniform, mean = batch.inputs.numpy(), draws["uniform"].numpy(), batch.inputs.numpy().mean((0, 2))
    agrees(made.inputs, reference.time_mask(series, uniform, max_fraction, mean))
    nudged = max_fraction - 0.3 if max_fraction > 0.5 else max_fraction + 0.3
    if shape[-1] > 1:
        rejects(made.inputs, reference.time_mask(series, uniform, nudged, mean))
    agrees(made[1:], batch[1:], rtol=0, atol=0)
    if max_fraction == 0:
        agrees(made, batch, rtol=0, atol=0)


@needs_series
def test_on_power_demand_up_to_five_hours_of_a_day_are_hidden_early_ones_as_often_as_late_ones():
    batch, at = training_batch("ItalyPowerDemand")

    made = torch.cat([changed(lifted(TimeMask()), batch, at, step)[0].inputs for step in range(60)])

    hidden = (made == at.facts.mean)[:, 0]
    agrees(hidden.sum(1).double().mean(), 2.5, rtol=0.05)
    assert int(hidden.sum(1).max()) == 5
    before, after = hidden[:, :12].double().mean(), hidden[:, 12:].double().mean()
    agrees(before, after, rtol=0.05)


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan, -0.1, 1.1, None])
def test_a_strength_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(DampenError, match=r"TimeMask\.max_fraction must be"):
        TimeMask(max_fraction=wrong)


def test_a_table_is_refused():
    with pytest.raises(DampenError, match=r"TimeMask needs series \(N, C, T\); this problem has none"):
        Recipe(TimeMask()).check(frozenset({"table", "continuous", "classes"}))
