"""What the figures of a training draw, against numbers counted by hand or by another route."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from figure_records import histories
from numpy.testing import assert_allclose
from scipy.stats import binomtest

from dampen import DampenError
from dampen.history import History
from dampen.reporting.figures import training_facts


def trained(losses, metrics=None, **more):
    """losses, metrics: pairs (training, validation), one per epoch."""
    records = [{"train_loss": train, "val_loss": val} for train, val in losses]
    for record, (train, val) in zip(records, metrics or [], strict=False):
        record |= {"train_metric": train, "val_metric": val}
    return History(epochs=records, **{"outcome": "finished", "metric": "accuracy", **more})


TWO = (
    trained([(1.0, 2.0), (0.5, 1.5), (0.25, 1.0)], [(0.5, 0.4), (0.7, 0.6), (0.9, 0.7)], served_epoch=3),
    trained([(2.0, 2.0), (1.5, 3.0)], [(0.3, 0.4), (0.9, 0.6)], served_epoch=1, outcome="stopped"),
)


def curve(facts, name, part="mean"):
    return facts["curves"][name][part]


def test_means_are_over_the_seeds_that_still_train_and_reach_from_the_least_to_the_greatest():
    facts = training_facts(TWO)

    assert facts["epochs"] == [1, 2, 3]
    assert facts["still_training"] == [2, 2, 1]
    assert curve(facts, "train_loss", "seeds") == [2, 2, 1]
    assert_allclose(curve(facts, "train_loss"), [1.5, 1.0, 0.25])
    assert_allclose(curve(facts, "train_loss", "low"), [1.0, 0.5, 0.25])
    assert_allclose(curve(facts, "train_loss", "high"), [2.0, 1.5, 0.25])


def test_the_overfitting_score_is_the_mean_of_the_seeds_ratios_not_the_ratio_of_means():
    assert_allclose(curve(training_facts(TWO), "overfitting_score"), [(2 + 1) / 2, (3 + 2) / 2, 4])


def test_a_gap_is_positive_where_validation_is_worse():
    facts = training_facts(TWO)

    assert_allclose(curve(facts, "loss_gap"), [0.5, 1.25, 0.75])
    assert_allclose(curve(facts, "metric_gap"), [(0.1 - 0.1) / 2, (0.1 + 0.3) / 2, 0.2], atol=1e-12)


def test_of_a_metric_that_is_better_when_lower_the_gap_turns_round():
    known = trained([(1.0, 1.0)] * 2, [(0.5, 0.8), (0.5, 0.4)], metric="mae", higher_is_better=False)

    facts = training_facts([known])

    assert_allclose(curve(facts, "metric_gap"), [0.3, -0.1])
    assert facts["loss_unit"] == "squared units of the target"


def test_a_score_over_a_loss_of_zero_is_not_known():
    facts = training_facts([trained([(0.0, 1.0), (0.5, 1.0)])])

    assert curve(facts, "overfitting_score") == [None, 2.0]


def test_a_number_that_is_not_finite_is_left_out_of_the_mean_and_its_epoch_is_told():
    diverged = trained([(1.0, 1.0), (2.0, math.inf), (math.nan, math.nan)])
    healthy = trained([(1.0, 3.0), (1.0, 2.0), (1.0, 1.0)])

    facts = training_facts([diverged, healthy])

    assert facts["not_finite_from"] == 2
    assert_allclose(curve(facts, "val_loss"), [2.0, 2.0, 1.0])
    assert curve(facts, "val_loss", "seeds") == [2, 1, 1]


def test_a_loss_that_was_never_recorded_is_not_one_that_diverged():
    facts = training_facts([History(epochs=[{"train_loss": 1.0}, {"train_loss": 0.5}])])

    assert facts["not_finite_from"] is None
    assert set(facts["curves"]) == {"train_loss"}


def test_the_served_epoch_is_the_median_of_those_that_are_known():
    unknown = trained([(1.0, 1.0)])

    assert training_facts([*TWO, unknown])["served_epochs"] == [3, 1]
    assert training_facts([*TWO, unknown])["served_epoch"] == 1
    assert training_facts([unknown])["served_epoch"] is None


def test_the_onset_is_taken_from_the_evidence_of_a_finding():
    evidence = {"onset": 9, "onset_low": 7, "onset_high": 12, "rise": 0.3}

    assert training_facts(TWO, evidence)["onset"] == {"epoch": 9, "low": 7, "high": 12}
    assert training_facts(TWO, {"rise": 0.3})["onset"] is None
    assert training_facts(TWO)["onset"] is None


def test_norms_and_their_ratio_are_there_for_the_whole_and_for_each_layer():
    known = trained([(1.0, 1.0)] * 2)
    for record, l1, l2 in zip(known.epochs, (12.0, 9.0), (3.0, 4.5), strict=True):
        record |= {"weight_norm_l1": l1, "weight_norm": l2}
    known.layers = {"a": {"l1": [4.0, 2.0], "l2": [2.0, 4.0], "zeros_fraction": [0.0, 0.5]}, "b": {"l2": [1.0, 1.5]}}
    other = trained([(1.0, 1.0)])
    other.layers = {"a": {"l1": [8.0], "l2": [2.0]}}

    facts = training_facts([known, other])

    assert_allclose(curve(facts, "norm_ratio"), [4.0, 2.0])
    assert_allclose(facts["layers"]["a"]["l1"], [6.0, 2.0])
    assert_allclose(facts["layers"]["a"]["norm_ratio"], [(2 + 4) / 2, 0.5])
    assert_allclose(facts["layers"]["a"]["zeros_fraction"], [0.0, 0.5])
    assert set(facts["layers"]["b"]) == {"l2"}


def histogram(low, high, counts):
    return {"low": low, "high": high, "counts": counts}


def together(*histograms):
    layers = {str(i): h for i, h in enumerate(histograms)}
    known = trained([(1.0, 1.0)], weights=[{"epoch": 1, "layers": layers}])
    (looked,) = training_facts([known])["weights"]
    return looked["all"]


def test_layers_in_the_same_bins_add_up():
    counts = np.arange(64)

    whole = together(histogram(-1.0, 1.0, counts.tolist()), histogram(-1.0, 1.0, counts[::-1].tolist()))

    assert_allclose(whole["counts"], np.full(64, 63.0), rtol=1e-5)


def test_a_narrow_layer_falls_into_the_bins_of_a_wide_one():
    """From 0 to 1 in bins of 1 / 32: as many weights as from 0 to 0.5 in eight of them are 4 bins' worth in each 32."""
    whole = together(histogram(-1.0, 1.0, [0] * 64), histogram(0.0, 0.5, [100] * 8))

    assert_allclose(whole["counts"], [0.0] * 32 + [50.0] * 16 + [0.0] * 16, atol=1e-9)


@pytest.mark.parametrize("place", [-1.0, 0.3, 1.0])
def test_weights_that_are_all_one_number_are_not_lost(place):
    whole = together(histogram(-1.0, 1.0, [1] * 64), histogram(place, place, [500]))

    assert_allclose(sum(whole["counts"]), 564, rtol=1e-5)
    assert max(whole["counts"]) == 501


def test_layers_that_are_all_one_number_make_a_histogram_of_it():
    whole = together(histogram(0.0, 0.0, [7]), histogram(0.0, 0.0, [3]))

    assert (whole["low"], whole["high"], sum(whole["counts"])) == (0.0, 0.0, 10.0)


def final(rows, bins, mistakes=0, brier=0.1, sure=math.nan):
    return {
        "part": "test",
        "rows": rows,
        "mistakes": mistakes,
        "error": 0.0,
        "brier": brier,
        "confidence_on_mistakes": sure,
        "bins": [dict(zip(("confidence", "right", "rows"), b, strict=True)) for b in bins],
    }


def test_calibration_is_pooled_by_rows_and_its_error_counted_anew():
    """Seed one: too sure in the last bin; seed two: not sure enough there. Together they are calibrated but for 0.5."""
    one = final(40, [(0.5, 0.25, 10), (0.96, 0.86, 30)], mistakes=12, brier=0.2, sure=0.5)
    two = final(10, [(0.96, 1.0, 10)], mistakes=4, brier=0.1, sure=0.9)

    known = training_facts([trained([(1.0, 1.0)], final=f) for f in (one, two)])["calibration"]

    low, high = known["bins"]
    assert (low["rows"], high["rows"], known["rows"], known["seeds"]) == (10, 40, 50, 2)
    assert_allclose(high["right"], (0.86 * 30 + 1.0 * 10) / 40)
    assert_allclose(known["error"], (10 * 0.25 + 40 * abs(0.895 - 0.96)) / 50)
    assert_allclose(known["brier"], (0.2 * 40 + 0.1 * 10) / 50)
    assert_allclose(known["confidence_on_mistakes"], (0.5 * 12 + 0.9 * 4) / 16)
    assert known["mistakes"] == 16


@pytest.mark.parametrize("right", [0, 3, 10])
def test_the_interval_of_a_bin_is_wilsons(right):
    known = training_facts([trained([(1.0, 1.0)], final=final(10, [(0.9, right / 10, 10)]))])["calibration"]

    exact = binomtest(right, 10).proportion_ci(0.95, method="wilson")

    assert_allclose([known["bins"][0]["low"], known["bins"][0]["high"]], [exact.low, exact.high], atol=1e-6)


def test_more_seeds_on_the_same_rows_do_not_narrow_the_interval():
    one = final(10, [(0.9, 0.5, 10)])

    alone, both = (training_facts([trained([(1.0, 1.0)], final=one)] * n)["calibration"]["bins"][0] for n in (1, 2))

    assert_allclose([both["low"], both["high"]], [alone["low"], alone["high"]])


def test_bins_are_those_of_the_calibration_error_open_below_and_closed_above():
    """2 / 15 is the end of the second bin, not the start of the third."""
    known = trained([(1.0, 1.0)], final=final(20, [(2 / 15, 0.0, 10), (2 / 15 + 1e-6, 0.0, 5), (1.0, 1.0, 5)]))

    assert [b["rows"] for b in training_facts([known])["calibration"]["bins"]] == [10, 5, 5]


def test_what_has_no_classes_has_no_calibration():
    assert training_facts(TWO)["calibration"] is None


def test_the_unit_of_a_foreign_loss_is_not_known():
    assert training_facts(TWO)["loss_unit"] == "nats"
    assert training_facts([trained([(1.0, 1.0)], outcome="unknown")])["loss_unit"] == ""


def test_facts_are_strict_json_and_come_back_the_same():
    facts = training_facts(histories(), {"onset": 9})

    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_no_history_is_a_mistake_that_is_told():
    with pytest.raises(DampenError, match="needs at least one History; got none"):
        training_facts([])
