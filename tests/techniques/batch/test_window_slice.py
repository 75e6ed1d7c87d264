import math

import numpy as np
import pytest
import torch
from helpers import agrees, an_at, lifted, rejects
from series_sets import changed, needs_series, some_series, training_batch

from dampen import DampenError, Recipe, reference
from dampen.techniques.batch.window_slice import WindowSlice


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.6, 1.0])
@pytest.mark.parametrize("shape", [(5, 2, 30), (5, 1, 2), (5, 1, 1)])
def test_it_is_the_definition_and_touches_nothing_but_inputs(shape, fraction):
    batch, at = some_series(*shape)

    made, draws = changed(lifted(WindowSlice(fraction)), batch, at)

    series, uniform = batch.inputs.numpy(), draws["uniform"][:, 0].numpy()
    agrees(made.inputs, reference.window_slice(series, uniform, fraction), rtol=1e-11, atol=1e-11)
    if shape[-1] > 1:
        rejects(made.inputs, reference.window_slice(series, uniform, fraction - 0.1 if fraction else 0.1))
    agrees(made[1:], batch[1:], rtol=0, atol=0)


@pytest.mark.parametrize("length", [1, 2, 24, 5000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_at_0_nothing_changes_to_the_last_bit(length, dtype):
    batch, at = some_series(3, 2, length)
    batch = type(batch)(*(part.to(dtype) for part in batch))

    agrees(changed(lifted(WindowSlice(0.0)), batch, at)[0], batch, rtol=0, atol=0)


def test_at_1_a_single_moment_fills_the_series():
    clock = torch.arange(11).double().expand(50, 1, 11)
    batch = some_series(50, 1, 11)[0]._replace(inputs=clock)

    made, draws = changed(lifted(WindowSlice(1.0)), batch, an_at())

    agrees(made.inputs, (10 * draws["uniform"])[..., None].expand(50, 1, 11))


def test_windows_start_anywhere_that_fits_and_have_the_length_asked_for():
    clock = torch.arange(101).double().expand(4000, 1, 101)
    batch = some_series(4000, 1, 101)[0]._replace(inputs=clock)

    made, _ = changed(lifted(WindowSlice(0.3)), batch, an_at())

    first, last = made.inputs[:, 0, 0], made.inputs[:, 0, -1]
    agrees(last - first, torch.full((4000,), 70.0).double())
    agrees([first.min(), first.mean(), last.max()], [0.0, 15.0, 100.0], atol=0.5)


@needs_series
def test_a_slice_of_a_leaf_is_a_stretch_of_its_outline():
    """Read at the places it was cut from, the slice shows the outline itself."""
    batch, at = training_batch("OSULeaf")

    made, draws = changed(lifted(WindowSlice(0.5)), batch, at)

    places = draws["uniform"] * 213 + torch.linspace(0, 213, 427, dtype=torch.float64)
    for n in range(0, 200, 20):
        expected = np.interp(places[n], np.arange(427), batch.inputs[n, 0].numpy())
        agrees(made.inputs[n, 0], expected, atol=1e-9)
    assert bool((made.inputs.amax(-1) <= batch.inputs.amax(-1)).all())


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan, -0.1, 1.1, None])
def test_a_strength_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(DampenError, match=r"WindowSlice\.fraction must be"):
        WindowSlice(fraction=wrong)


def test_a_table_is_refused():
    with pytest.raises(DampenError, match=r"WindowSlice needs series \(N, C, T\); this problem has none"):
        Recipe(WindowSlice()).check(frozenset({"table", "continuous", "classes"}))
