"""The trainings that `diagnose` is scored on are what they are said to be."""

import collections
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from synthetic_histories import KINDS, make_cases
from synthetic_worlds import NOISE, Draws

from dampen.diagnosis import KINDS as FINDINGS

COUNT = 320


@pytest.fixture(scope="module")
def cases():
    return {held_out: make_cases(COUNT, held_out, seed=3) for held_out in (False, True)}


def of(cases, kind):
    return [case for case in cases[True] if case.kind == kind]


def column(case, name):
    return np.array(case.history.column(name))


def end(values):
    return values[-max(3, len(values) // 10) :].mean()


def test_a_quarter_is_healthy_and_the_rest_is_shared_among_kinds_and_noise_levels(cases):
    kinds = collections.Counter(case.kind for case in cases[True])
    levels = collections.Counter((case.kind, case.noise) for case in cases[True])

    assert kinds.pop("healthy") == COUNT // 4
    assert set(kinds) == set(KINDS) - {"healthy"}
    assert max(kinds.values()) - min(kinds.values()) <= 1
    assert len(levels) == 10 * len(NOISE)
    assert max(levels[kind, noise] for kind in kinds for noise in NOISE) == 7
    assert min(levels[kind, noise] for kind in kinds for noise in NOISE) == 6


def test_every_kind_but_healthy_is_a_finding_and_accepts_its_own_name(cases):
    assert set(KINDS) - {"healthy"} < set(FINDINGS)
    assert all(case.accepted <= set(FINDINGS) for case in cases[True])
    assert all(case.kind in case.accepted for case in cases[True] if case.kind != "healthy")
    assert all(not case.accepted for case in of(cases, "healthy"))


def test_the_onset_is_where_the_expected_validation_loss_is_least(cases):
    for case in cases[False] + cases[True]:
        if case.kind in ("overfitting", "overfitting of the loss"):
            assert case.onset == int(np.argmin(case.expected)) + 1
            assert 2 <= case.onset <= len(case.expected) - 3
        else:
            assert case.onset is None


def test_tuning_and_held_out_parameters_come_from_disjoint_bins(cases):
    bins = {held_out: collections.defaultdict(set) for held_out in cases}
    for held_out, drawn in cases.items():
        for case in drawn:
            for name, number in case.parameters.items():
                bins[held_out][case.kind, case.noise, name].add((number.low, number.high))
                assert number.low <= number.value <= number.high

    assert set(bins[False]) & set(bins[True]), "nothing to compare"
    for place in set(bins[False]) & set(bins[True]):
        for low, high in bins[False][place]:
            assert all(high <= other[0] + 1e-9 or other[1] <= low + 1e-9 for other in bins[True][place]), place
            assert low < high or (low, high) not in bins[True][place], place


def test_the_bins_cover_the_range_in_turns():
    drawn = {}
    for held_out in (False, True):
        draws = Draws(np.random.default_rng(0), held_out)
        drawn[held_out] = np.array([draws.number("size", 1, 256, log=True) for _ in range(400)])

    number = {held_out: np.floor(np.log2(values)) for held_out, values in drawn.items()}

    assert set(number[False]) == {0, 2, 4, 6}
    assert set(number[True]) == {1, 3, 5, 7}


def test_the_same_seed_gives_the_same_cases_and_another_one_others():
    first, again, other = (make_cases(12, True, seed) for seed in (5, 5, 6))

    assert repr([case.history for case in first]) == repr([case.history for case in again])
    assert repr([case.history for case in first]) != repr([case.history for case in other])


def test_observed_losses_scatter_about_the_expected_one_as_their_standard_error_says(cases):
    away = [
        (column(case, "val_loss")[-1] - case.expected[-1]) / column(case, "val_loss_error")[-1]
        for case in cases[False] + cases[True]
        if case.kind != "divergence"
        and case.noise in ("smooth", "slight")
        and "val_loss_error" in case.history.epochs[0]
    ]

    assert len(away) > 150
    assert_allclose(np.std(away), 1, atol=0.2)
    assert_allclose(np.mean(away), 0, atol=0.25)


def test_sampling_error_is_alike_in_all_epochs(cases):
    """The rows are the same; else few of them would look like a trend."""
    drifts = []
    for case in of(cases, "healthy"):
        if "val_loss_error" in case.history.epochs[0]:
            away = (column(case, "val_loss") - case.expected) / column(case, "val_loss_error")
            drifts.append(end(away) - end(away[: len(away) // 2]))

    assert 0.02 < np.median(np.abs(drifts)) < 0.2


def test_jitter_grows_with_the_noise_level(cases):
    jitters = [
        np.median(
            [np.diff(np.log(column(case, "val_loss")))[-5:].std() for case in of(cases, "healthy") if case.noise == n]
        )
        for n in NOISE
    ]

    assert sorted(jitters) == jitters
    assert jitters[-1] > 8 * jitters[0]


def test_healthy_ones_neither_rise_nor_have_far_to_go(cases):
    for case in of(cases, "healthy"):
        expected = np.array(case.expected)
        late = expected[-max(3, round(len(expected) / 6)) :]

        assert (expected / np.minimum.accumulate(expected)).max() <= 1.003
        assert late[-1] >= 0.99 * late[0]


def test_overfitting_shows_in_loss_and_metric_and_of_the_loss_in_the_loss_alone(cases):
    for kind in ("overfitting", "overfitting of the loss"):
        for case in of(cases, kind):
            loss, metric = column(case, "val_loss"), column(case, "val_metric")
            assert end(loss) > loss.min()
            assert end(np.array(case.expected)) >= 1.05 * min(case.expected)
            if case.history.metric == "accuracy":
                error = math.sqrt(0.25 / case.parameters["rows"].value)
                assert (end(metric) < metric.max()) or kind != "overfitting"
                assert (end(metric) > metric.max() - 0.02 - 2 * error) or kind == "overfitting"


def test_divergence_blows_up_and_ours_ends_there(cases):
    for case in of(cases, "divergence"):
        loss = column(case, "train_loss")
        blown = ~(loss < 5 * loss[0])

        assert blown.any()
        assert blown[int(blown.argmax()) :].all(), "it never comes back"
        assert not case.history.clean or blown.argmax() == len(loss) - 1


def test_unstable_ones_jump_and_healthy_ones_do_not(cases):
    for kind, few in (("unstable learning rate", 3), ("healthy", 0)):
        for case in of(cases, kind):
            jumps = (np.diff(np.log(column(case, "train_loss"))) > math.log(1.3)).sum()
            assert jumps >= few if few else jumps == 0


def test_leakage_is_clean_and_better_in_validation(cases):
    for case in of(cases, "leakage"):
        assert case.history.clean
        assert np.mean(column(case, "val_loss") < column(case, "train_loss")) >= 0.9


def test_wrong_labels_are_learnt_by_heart_after_the_peak(cases):
    for case in of(cases, "label noise"):
        train, val = column(case, "train_metric"), column(case, "val_metric")

        assert end(train) >= 0.8 or not case.history.clean
        assert end(train) > train[int(val.argmax())] + 0.05
        assert end(val) < val.max() - 0.04


def test_unconverged_ones_still_improve_at_the_end(cases):
    for case in of(cases, "not converged"):
        expected = np.array(case.expected)

        left = expected[-1] / expected[-max(3, round(len(expected) / 4))]
        seen = 4 * case.parameters["jitter"].value * math.sqrt(1 - 0.7)  # at the highest loss that may be left

        assert left <= 0.95
        assert 1 / left - 1 >= seen
        assert expected.argmin() == len(expected) - 1


def test_what_is_too_strong_is_most_of_the_objective_or_holds_the_loss_where_it_began(cases):
    for case in of(cases, "too strong"):
        share = column(case, "penalty_share")

        assert "penalty_share" in case.history.epochs[0]
        assert share[-1] >= 0.5
        assert share[-1] >= 0.8 or case.parameters["held"].value >= 0.97


def test_epochs_and_columns_are_as_a_history_has_them(cases):
    for case in cases[True]:
        epochs = case.history.epochs
        assert len(epochs) <= 200
        assert case.history.metric in ("accuracy", "r2", "")
        assert ("val_metric" in epochs[0]) == bool(case.history.metric)
        if case.history.clean:
            assert {
                "val_loss_error",
                "penalty_share",
                "gradient_norm",
                "weight_norm",
                "lr",
                "epochs",
                "seconds",
            } <= set(epochs[0])
