import math

import pytest
import torch
from helpers import agrees, an_at, lifted, rejects
from series_sets import changed, needs_series, some_series, training_batch

from dampen import DampenError, Recipe, reference
from dampen.data import facts_of
from dampen.techniques.batch.series_scaling import SeriesScaling


@pytest.mark.parametrize("stddev", [0.0, 0.1, 2.0, 100.0])
def test_it_is_the_definition_and_touches_nothing_but_inputs(stddev):
    batch, at = some_series(7, 3, 9)

    made, draws = changed(lifted(SeriesScaling(stddev)), batch, at)

    series, noise, mean = batch.inputs.numpy(), draws["noise"][..., 0].numpy(), batch.inputs.numpy().mean((0, 2))
    agrees(made.inputs, reference.series_scaling(series, noise, stddev, mean))
    rejects(made.inputs, reference.series_scaling(series, noise, 1.1 * stddev + 0.01, mean))
    agrees(made[1:], batch[1:], rtol=0, atol=0)
    if stddev == 0:
        agrees(made, batch, rtol=0, atol=0)


def test_where_a_unit_has_its_zero_does_not_matter():
    """Celsius or kelvin: the same weather."""
    celsius, at = some_series(7, 2, 9)
    kelvin = celsius._replace(inputs=celsius.inputs + 273.15)
    at_kelvin = an_at(facts=facts_of(kelvin.inputs, kelvin.targets, "classes"))

    scaled, _ = changed(lifted(SeriesScaling(0.5)), celsius, at)
    scaled_kelvin, _ = changed(lifted(SeriesScaling(0.5)), kelvin, at_kelvin)

    agrees(scaled_kelvin.inputs - 273.15, scaled.inputs, atol=1e-11)


@needs_series
def test_on_power_demand_the_day_keeps_its_shape_and_the_factors_are_normal_around_1():
    batch, at = training_batch("ItalyPowerDemand")
    technique, mean = lifted(SeriesScaling()), at.facts.mean

    made = torch.cat([changed(technique, batch, at, step)[0].inputs for step in range(60)])

    ratio = (made - mean) / (batch.inputs - mean).repeat(60, 1, 1)
    agrees(ratio, ratio[..., :1].expand_as(ratio), rtol=1e-6)
    agrees([ratio[..., 0].mean(), ratio[..., 0].std()], [1.0, 0.1], rtol=0.03)


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan, -0.1, 101, None])
def test_a_strength_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(DampenError, match=r"SeriesScaling\.stddev must be"):
        SeriesScaling(stddev=wrong)


def test_a_table_is_refused():
    with pytest.raises(DampenError, match=r"SeriesScaling needs series \(N, C, T\); this problem has none"):
        Recipe(SeriesScaling()).check(frozenset({"table", "continuous", "classes"}))
