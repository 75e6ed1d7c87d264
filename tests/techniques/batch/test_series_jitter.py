import math

import pytest
import torch
from helpers import agrees, an_at, lifted, rejects
from series_sets import changed, needs_series, some_series, training_batch

from dampen import DampenError, Recipe, reference
from dampen.data import facts_of
from dampen.techniques.batch.series_jitter import SeriesJitter


@pytest.mark.parametrize("stddev", [0.0, 0.05, 2.0, 100.0])
def test_it_is_the_definition_and_touches_nothing_but_inputs(stddev):
    batch, at = some_series(7, 3, 9)

    made, draws = changed(lifted(SeriesJitter(stddev)), batch, at)

    series, noise, std = batch.inputs.numpy(), draws["noise"].numpy(), batch.inputs.numpy().std((0, 2))
    agrees(made.inputs, reference.series_jitter(series, noise, stddev, std))
    rejects(made.inputs, reference.series_jitter(series, noise, 1.1 * stddev + 0.01, std))
    agrees(made[1:], batch[1:], rtol=0, atol=0)
    if stddev == 0:
        agrees(made, batch, rtol=0, atol=0)


def test_a_channel_that_never_varies_gets_no_noise():
    batch, _ = some_series(7, 2, 9)
    still = torch.cat([batch.inputs[:, :1], torch.full_like(batch.inputs[:, 1:], 3.0)], 1)
    at = an_at(facts=facts_of(still, batch.targets, "classes"))

    made, _ = changed(lifted(SeriesJitter(1.0)), batch._replace(inputs=still), at)

    agrees(made.inputs[:, 1], still[:, 1], rtol=0, atol=0)
    rejects(made.inputs[:, 0], still[:, 0])


@needs_series
def test_on_power_demand_the_default_leaves_the_signal_400_times_as_strong_as_the_noise():
    batch, at = training_batch("ItalyPowerDemand")

    made, _ = changed(SeriesJitter(), batch, at)

    agrees(batch.inputs.var() / (made.inputs - batch.inputs).var(), 400.0, rtol=0.1)


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan, -0.1, 101, None])
def test_a_strength_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(DampenError, match=r"SeriesJitter\.stddev must be"):
        SeriesJitter(stddev=wrong)


def test_a_table_is_refused():
    with pytest.raises(DampenError, match=r"SeriesJitter needs series \(N, C, T\); this problem has none"):
        Recipe(SeriesJitter()).check(frozenset({"table", "continuous", "classes"}))
