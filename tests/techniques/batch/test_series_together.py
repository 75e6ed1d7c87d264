"""All techniques for series in one training."""

import torch
from series_sets import needs_series, series_set

from dampen import MLP, Recipe, SeriesJitter, SeriesScaling, SpecAugment, TimeMask, TimeWarp, WindowSlice, fit

TOGETHER = (SeriesJitter(), SeriesScaling(), TimeWarp(), WindowSlice(), TimeMask(), SpecAugment())


@needs_series
def test_a_network_trained_on_67_days_with_all_of_them_tells_summer_from_winter():
    fitted = fit(MLP((32,)), series_set("ItalyPowerDemand"), Recipe(TOGETHER), epochs=150, batch_size=16)

    assert fitted.test["metric"] > 0.85
    assert all(torch.isfinite(tensor).all() for tensor in fitted.params.values())
