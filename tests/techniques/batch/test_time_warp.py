import math

import pytest
import torch
from helpers import agrees, an_at, lifted, rejects
from series_sets import changed, needs_series, some_series, training_batch

from dampen import DampenError, Recipe, reference
from dampen.techniques.batch.time_warp import TimeWarp


@pytest.mark.parametrize("num_knots", [0, 1, 4])
@pytest.mark.parametrize("stddev", [0.0, 0.2, 2.0])
@pytest.mark.parametrize("shape", [(5, 2, 30), (5, 1, 2), (5, 2, 3)])
def test_it_is_the_definition_and_touches_nothing_but_inputs(shape, stddev, num_knots):
    batch, at = some_series(*shape)

    made, draws = changed(lifted(TimeWarp(stddev, num_knots)), batch, at)

    series, knots = batch.inputs.numpy(), draws["knots"].numpy()
    agrees(made.inputs, reference.time_warp(series, knots, stddev), rtol=1e-11, atol=1e-11)
    if shape[-1] > 2:
        rejects(made.inputs, reference.time_warp(series, knots, stddev + 0.1))
    agrees(made[1:], batch[1:], rtol=0, atol=0)
    assert knots.shape == (5, num_knots + 2)


@pytest.mark.parametrize("length", [1, 2, 24, 5000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_at_0_nothing_changes_to_the_last_bit(length, dtype):
    batch, at = some_series(3, 2, length)
    batch = type(batch)(*(part.to(dtype) for part in batch))

    agrees(changed(lifted(TimeWarp(0.0)), batch, at)[0], batch, rtol=0, atol=0)


def test_a_series_of_one_time_stays():
    batch, at = some_series(3, 2, 1)

    agrees(changed(lifted(TimeWarp(2.0)), batch, at)[0], batch, rtol=0, atol=0)


def test_time_never_runs_backwards_and_its_ends_are_fixed():
    """A series that shows the time itself."""
    clock = torch.arange(200).double().expand(500, 1, 200)
    batch = some_series(500, 1, 200)[0]._replace(inputs=clock)

    made, _ = changed(lifted(TimeWarp(2.0)), batch, an_at())

    assert bool((made.inputs.diff() > 0).all())
    agrees(made.inputs[..., [0, -1]], clock[..., [0, -1]], atol=1e-9)


def test_channels_stay_in_step_and_examples_do_not():
    batch, at = some_series(2, 1, 30)
    twice = batch._replace(inputs=batch.inputs[:1].expand(2, 2, 30))

    made, _ = changed(lifted(TimeWarp(0.5)), twice, at)

    agrees(made.inputs[:, 0], made.inputs[:, 1], rtol=0, atol=0)
    rejects(made.inputs[0], made.inputs[1])


def test_the_speed_spreads_as_its_strength_says():
    clock = torch.arange(101).double().expand(4000, 1, 101)
    batch = some_series(4000, 1, 101)[0]._replace(inputs=clock)

    made, _ = changed(lifted(TimeWarp(0.05, 0)), batch, an_at())

    speeds = made.inputs.diff()[:, 0]
    agrees((speeds[:, 0] / speeds[:, -1]).log().std(), 0.05 * math.sqrt(2), rtol=0.05)


@needs_series
def test_a_warped_leaf_keeps_its_outline_points_in_their_order():
    """What a leaf's outline shows comes in the same order, at most stretched: its turning points are as high, up to
    what falls between two points."""
    batch, at = training_batch("OSULeaf")

    made, _ = changed(lifted(TimeWarp()), batch, at)

    agrees(made.inputs[..., [0, -1]], batch.inputs[..., [0, -1]], atol=1e-9)
    step = batch.inputs.diff().abs().amax(-1)
    for extreme in (torch.amax, torch.amin):
        away = (extreme(made.inputs, -1) - extreme(batch.inputs, -1)).abs()
        assert bool((away <= step).all())
    travelled = [part.inputs.diff().abs().sum(-1) for part in (made, batch)]
    agrees(travelled[0], travelled[1], rtol=0.1)
    rejects(made.inputs, batch.inputs, at_least=0.1)


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan, -0.1, 2.1, None])
def test_a_strength_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(DampenError, match=r"TimeWarp\.stddev must be"):
        TimeWarp(stddev=wrong)


def test_a_table_is_refused():
    with pytest.raises(DampenError, match=r"TimeWarp needs series \(N, C, T\); this problem has none"):
        Recipe(TimeWarp()).check(frozenset({"table", "continuous", "classes"}))
