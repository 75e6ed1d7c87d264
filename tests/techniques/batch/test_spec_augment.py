import math

import pytest
import torch
from helpers import agrees, an_at, lifted, rejects
from series_sets import changed, needs_series, some_series, training_batch

from dampen import DampenError, Recipe, reference
from dampen.data import facts_of
from dampen.randomness import make_key
from dampen.techniques.batch.spec_augment import SpecAugment


@pytest.mark.parametrize("time_mask_fraction", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("freq_mask_fraction", [0.0, 0.4, 1.0])
def test_it_is_the_definition_and_touches_nothing_but_inputs(time_mask_fraction, freq_mask_fraction):
    batch, at = some_series(20, 6, 11)
    strengths = {"time_mask_fraction": time_mask_fraction, "freq_mask_fraction": freq_mask_fraction}

    made, draws = changed(lifted(SpecAugment(**strengths)), batch, at)

    series, uniform, mean = batch.inputs.numpy(), draws["uniform"].numpy(), batch.inputs.numpy().mean((0, 2))
    agrees(made.inputs, reference.spec_augment(series, uniform, mean=mean, **strengths))
    for name, value in strengths.items():
        nudged = {**strengths, name: value - 0.5 if value > 0.5 else value + 0.5}
        rejects(made.inputs, reference.spec_augment(series, uniform, mean=mean, **nudged))
    agrees(made[1:], batch[1:], rtol=0, atol=0)
    if time_mask_fraction == freq_mask_fraction == 0:
        agrees(made, batch, rtol=0, atol=0)


def test_a_band_lies_apart_from_the_times():
    """Length and place of the two are independent of each other."""
    draws = lifted(SpecAugment()).draw(some_series(4000, 2, 3)[0], make_key(1, 1), an_at())["uniform"]

    correlations = torch.corrcoef(draws.reshape(4, -1))

    agrees(correlations, torch.eye(4).double(), atol=0.06)


@needs_series
def test_the_spectrogram_of_a_real_series_loses_whole_stretches_and_bands():
    """OSULeaf's outlines as spectrograms of 33 frequencies and 27 times."""
    outlines, _ = training_batch("OSULeaf")
    window = torch.hann_window(64, dtype=torch.float64)
    spectra = torch.stft(outlines.inputs[:, 0], 64, 16, window=window, return_complex=True).abs().log1p()
    batch = outlines._replace(inputs=spectra)
    at = an_at(facts=facts_of(spectra, batch.targets, "classes"))

    made, _ = changed(lifted(SpecAugment()), batch, at)

    hidden = (made.inputs == at.facts.mean).double()
    times, bands = hidden.amin(1), hidden.amin(2)
    agrees(hidden, torch.maximum(times[:, None], bands[:, :, None]))
    agrees([times.sum(1).max(), bands.sum(1).max()], [5.0, 7.0])
    agrees([times.mean(), bands.mean()], [0.1, 0.1], rtol=0.2)


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan, -0.1, 1.1, None])
def test_a_strength_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(DampenError, match=r"SpecAugment\.time_mask_fraction must be"):
        SpecAugment(time_mask_fraction=wrong)


def test_a_table_is_refused():
    with pytest.raises(DampenError, match=r"SpecAugment needs series \(N, C, T\); this problem has none"):
        Recipe(SpecAugment()).check(frozenset({"table", "continuous", "classes"}))
