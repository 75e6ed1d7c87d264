"""What `diagnose` says of curves whose truth is known: drawn by hand, 400 synthetic ones, and four real trainings."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from synthetic_histories import make_cases

import dampen
from dampen import DampenError, History, diagnose
from dampen.diagnosis import KINDS, Finding
from dampen.diagnosis.advice import BESIDES, RECIPES
from dampen.diagnosis.series import lowest, noise, rises, slope_at_end, smooth
from dampen.presets import as_recipe

EPOCHS = np.arange(1, 41)


def history(train, val=None, train_metric=None, val_metric=None, **rest):
    columns = {"train_loss": train, "val_loss": val, "train_metric": train_metric, "val_metric": val_metric}
    known = {name: np.asarray(column, dtype=float) for name, column in columns.items() if column is not None}
    epochs = [{name: float(column[i]) for name, column in known.items()} for i in range(len(train))]
    return History(epochs, **{"outcome": "finished", "metric": "accuracy" if train_metric is not None else "", **rest})


def falling(end, start=2.3, epochs=EPOCHS, speed=0.3):
    return end + (start - end) * np.exp(-speed * (epochs - 1))


def kinds(found):
    return [finding.kind for finding in found.findings]


# ------------------------------------------------------------------ curves drawn by hand


def test_a_training_that_goes_well_has_no_finding():
    found = diagnose(history(falling(0.1), falling(0.15), 1 - falling(0.02, 0.8), 1 - falling(0.04, 0.8)))

    assert found.healthy
    assert "Nothing stands out." in str(found)


def test_a_validation_loss_that_rises_with_a_metric_that_falls_is_overfitting_since_its_minimum():
    val = np.where(EPOCHS < 12, falling(0.5), falling(0.5)[11] + 0.03 * (EPOCHS - 12))
    metric = 0.8 - 0.004 * np.maximum(0, EPOCHS - 12)

    found = diagnose(history(falling(0.01), val, 1 - falling(0.0, 0.7), metric))

    (finding,) = found.findings
    assert (finding.kind, finding.severity) == ("overfitting", "high")
    assert abs(finding.evidence["onset"] - 12) <= 1
    assert finding.evidence["onset_low"] <= 12 <= finding.evidence["onset_high"]
    assert_allclose(finding.evidence["last_val_loss"], val[-1], rtol=0.1)


def test_a_validation_loss_that_rises_alone_is_overfitting_of_the_loss():
    val = np.where(EPOCHS < 12, falling(0.5), falling(0.5)[11] + 0.02 * (EPOCHS - 12))

    found = diagnose(history(falling(0.01), val, 1 - falling(0.0, 0.7), 0.9 - falling(0.0, 0.5)))

    assert kinds(found) == ["overfitting of the loss"]


def test_rows_learned_by_heart_far_from_validation_are_overfitting_without_an_onset():
    found = diagnose(history(falling(0.01), falling(0.5), 1 - falling(0.0, 0.7), 0.85 - falling(0.0, 0.5)))

    (finding,) = found.findings
    assert (finding.kind, finding.severity) == ("overfitting", "medium")
    assert "onset" not in finding.evidence
    assert_allclose(finding.evidence["metric_gap"], 0.15, atol=0.01)


def test_a_noisy_validation_loss_that_stays_is_no_overfitting():
    """Its lowest value lies two or three deviations below its level: by chance."""
    generator = np.random.default_rng(0)
    noisy = [falling(0.5) + 0.05 * generator.standard_normal(40) for _ in range(100)]

    told = [diagnose(history(falling(0.1), val)).findings for val in noisy]

    assert sum(map(bool, told)) <= 3


def test_a_slow_rise_is_found_though_it_is_only_three_times_the_noise():
    generator = np.random.default_rng(0)
    epochs = np.arange(1, 101)
    course = falling(0.5, epochs=epochs) + 0.15 * np.maximum(0, epochs - 20) / 80
    noisy = [course + 0.05 * generator.standard_normal(100) for _ in range(50)]

    found = [kinds(diagnose(history(falling(0.01, epochs=epochs, speed=0.05), val))) for val in noisy]

    assert sum("overfitting" in told for told in found) >= 45


def test_a_metric_of_which_less_is_better_is_turned():
    val = np.where(EPOCHS < 12, falling(0.5), falling(0.5)[11] + 0.03 * (EPOCHS - 12))
    error = 0.2 + 0.004 * np.maximum(0, EPOCHS - 12)

    found = diagnose(history(falling(0.01), val, falling(0.0, 0.7), error, metric="error", higher_is_better=False))

    assert kinds(found) == ["overfitting"]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_any_more_is_divergence_and_nothing_else(bad):
    train = falling(0.1)
    train[20:] = bad

    found = diagnose(history(train, falling(0.2)))

    (finding,) = found.findings
    assert (finding.kind, finding.severity, finding.evidence["epoch"]) == ("divergence", "high", 21)


def test_a_loss_that_is_no_number_once_and_comes_back_is_told_less_gravely():
    train = falling(0.1)
    train[20] = math.nan

    (finding,) = diagnose(history(train, falling(0.2))).findings

    assert (finding.kind, finding.severity, finding.evidence["epoch"]) == ("divergence", "medium", 21)


def test_what_was_not_measured_in_every_epoch_is_no_divergence():
    made = history(falling(0.1), falling(0.15))
    for index, record in enumerate(made.epochs):
        if index % 5:
            del record["val_loss"]

    assert diagnose(made).healthy


def test_a_log_of_metrics_alone_says_nothing():
    assert diagnose(History([{"val_metric": 0.5 + i / 100} for i in range(20)])).healthy


def test_a_loss_that_explodes_without_becoming_infinite_is_divergence():
    train = np.where(EPOCHS < 30, falling(0.1), 1e5)

    assert kinds(diagnose(history(train, train))) == ["divergence"]


def test_a_loss_that_ends_where_it_began_is_underfitting():
    found = diagnose(history(falling(2.2), falling(2.2), falling(0.14, 0.1), falling(0.13, 0.1)))

    (finding,) = found.findings
    assert (finding.kind, finding.severity) == ("underfitting", "high")


def test_a_hard_task_that_was_learned_is_not_underfitting():
    """Of ten classes 70 % right with a loss of 2: far more often than who guesses so."""
    found = diagnose(history(falling(1.8), falling(1.82), 0.7 - falling(0, 0.2), 0.69 - falling(0, 0.2)))

    assert found.healthy


def test_a_penalty_that_rules_and_nothing_learned_is_too_strong():
    made = history(falling(2.2), falling(2.2), falling(0.14, 0.1), falling(0.13, 0.1))
    for record in made.epochs:
        record["penalty_share"] = 0.9

    assert kinds(diagnose(made)) == ["too strong"]


def test_a_training_loss_that_rises_again_and_again_has_too_large_steps():
    train = np.where(EPOCHS % 3 == 0, 1.5, 0.8)

    (finding,) = diagnose(history(train, train)).findings

    assert finding.kind == "unstable learning rate"
    assert finding.evidence["rises"] == 13


def test_jumps_near_zero_are_no_harm():
    train = falling(0.0) + np.where(EPOCHS % 3 == 0, 0.003, 0.001)

    assert diagnose(history(train, falling(0.2))).healthy


def test_validation_that_is_always_better_than_clean_training_is_leakage():
    made = history(falling(0.5), falling(0.3), 0.8 - falling(0, 0.5), 0.9 - falling(0, 0.5))

    assert kinds(diagnose(made)) == ["leakage"]


def test_training_losses_with_noise_in_them_show_no_leakage():
    made = history(falling(0.5), falling(0.3), 0.8 - falling(0, 0.5), 0.9 - falling(0, 0.5), clean=False)

    assert diagnose(made).healthy


def test_labels_that_have_nothing_to_do_with_inputs_are_told():
    val = 2.4 + 0.1 * (EPOCHS - 1)
    made = history(falling(0.02), val, 1 - falling(0.0, 0.9), np.full(40, 0.11))

    (finding,) = diagnose(made).findings

    assert (finding.kind, finding.severity) == ("label noise", "high")


def test_a_loss_that_still_falls_is_not_converged_unless_it_was_stopped():
    train = 2.3 - 0.04 * EPOCHS

    assert kinds(diagnose(history(train, train + 0.1))) == ["not converged"]
    assert diagnose(history(train, train + 0.1, outcome="stopped")).healthy


def test_without_validation_training_alone_is_looked_at():
    assert diagnose(history(falling(0.1))).healthy
    assert kinds(diagnose(history(2.3 - 0.04 * EPOCHS))) == ["not converged"]


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_of_a_handful_of_epochs_nothing_is_said(count):
    assert diagnose(history(np.linspace(2, 1, count), np.linspace(2, 3, count))).healthy


# ------------------------------------------------------------------ several seeds, words, records


def test_of_several_seeds_counts_what_at_least_half_of_them_show():
    bad = np.where(EPOCHS < 12, falling(0.5), falling(0.5)[11] + 0.03 * (EPOCHS - 12))
    ill, well = history(falling(0.01), bad), history(falling(0.1), falling(0.15))

    assert kinds(diagnose([ill, ill, well, well])) == ["overfitting"]
    assert diagnose([ill, well, well]).healthy


def test_an_onset_of_several_seeds_is_in_the_middle_of_theirs():
    def since(epoch):
        return history(
            falling(0.01), np.where(epoch > EPOCHS, falling(0.5), falling(0.5)[epoch - 1] + 0.03 * (EPOCHS - epoch))
        )

    (finding,) = diagnose([since(8), since(12), since(16)]).findings

    assert abs(finding.evidence["onset"] - 12) <= 1
    assert finding.evidence["onset_low"] <= 9
    assert finding.evidence["onset_high"] >= 14
    assert finding.said.startswith("In 3 of 3 trainings")


def test_the_gravest_stands_first_and_all_are_strict_json():
    cases = [case for case in make_cases(200, held_out=False, seed=5) if case.kind == "label noise"]
    for case in cases:
        record = diagnose(case.history).to_record()
        order = [("high", "medium", "low").index(finding["severity"]) for finding in record["findings"]]
        assert order == sorted(order)
        assert dampen.diagnosis.finding.strict(record) == record


def test_a_finding_survives_its_record():
    finding = Finding("overfitting", "high", "said", {"onset": 3, "depth": math.inf}, ("Dropout",))

    assert Finding.from_record(finding.to_record()) == finding


def test_what_to_try_are_techniques_of_the_catalogue_and_one_command():
    for recipes in RECIPES.values():
        for text in recipes:
            assert as_recipe(text).techniques
    assert {*RECIPES, *BESIDES} <= {*KINDS}
    val = np.where(EPOCHS < 12, falling(0.5), falling(0.5)[11] + 0.03 * (EPOCHS - 12))

    told = str(diagnose(history(falling(0.01), val), data="my data.csv"))

    line = next(line for line in told.splitlines() if "dampen compare" in line).strip()
    assert line.startswith("dampen compare 'my data.csv' --recipe 'Dropout(rate=0.3)'")
    assert line.endswith("--epochs 40")


def test_every_line_but_the_command_fits_a_terminal():
    for case in make_cases(60, held_out=False, seed=1):
        for line in str(diagnose(case.history)).splitlines():
            assert len(line) <= 80 or "dampen compare" in line, line


@pytest.mark.parametrize("wrong", [[], [1], "run.csv", None])
def test_something_else_than_histories_is_refused(wrong):
    with pytest.raises((DampenError, TypeError)):
        diagnose(wrong)


# ------------------------------------------------------------------ synthetic trainings (2,000: benchmarks/curves.py)


@pytest.fixture(scope="module")
def scored():
    return [(case, diagnose(case.history).findings) for case in make_cases(400, held_out=True, seed=11)]


def test_at_most_one_healthy_training_in_fifty_is_called_gravely_ill(scored):
    healthy = [found for case, found in scored if case.kind == "healthy"]

    grave = [found for found in healthy if any(finding.severity == "high" for finding in found)]

    assert len(healthy) == 100
    assert len(grave) <= 2


def test_at_least_85_in_a_hundred_of_what_is_wrong_is_found(scored):
    ill = [case.accepted & {finding.kind for finding in found} for case, found in scored if case.kind != "healthy"]

    assert sum(map(bool, ill)) >= 0.85 * len(ill)


def test_at_the_lower_noise_levels_the_onset_is_within_two_epochs(scored):
    away = [
        abs(finding.evidence["onset"] - case.onset)
        for case, found in scored
        for finding in found
        if case.onset and case.noise in ("smooth", "slight") and "onset" in finding.evidence
    ]

    assert len(away) > 20
    assert np.mean(np.array(away) <= 2) >= 0.95


# ------------------------------------------------------------------ four real trainings


def trained(inputs, labels, recipe=None, epochs=60):
    network = dampen.MLP((128, 128))
    return [
        dampen.fit(network, (inputs, labels), recipe, epochs=epochs, seed=s, precision="float32").history
        for s in (0, 1, 2)
    ]


@pytest.fixture(scope="module")
def digits():
    inputs, labels = load_digits(return_X_y=True)
    return inputs.astype("float32"), labels


def test_digits_without_regularization_are_learned_by_heart_at_no_cost_but_certainty(digits):
    """Everything is right in training, 97 % in validation; the loss may rise, the accuracy does not fall."""
    found = diagnose(trained(*digits))

    assert set(kinds(found)) <= {"overfitting of the loss"}
    assert not any(finding.severity == "high" for finding in found.findings)


def test_digits_with_regularization_are_healthy(digits):
    recipe = "LabelSmoothing + Dropout(rate=0.2) + WeightDecay(strength=0.01) + OneCycle"

    assert diagnose(trained(*digits, recipe)).healthy


def test_200_rows_of_digits_are_overfitted(digits):
    some = np.random.default_rng(0).permutation(len(digits[1]))[:200]

    found = diagnose(trained(digits[0][some], digits[1][some], epochs=100))

    assert kinds(found) == ["overfitting"]


def test_permuted_labels_are_suspected(digits):
    found = diagnose(trained(digits[0], np.random.default_rng(0).permutation(digits[1]), epochs=100))

    assert kinds(found) == ["label noise"]
    assert found.findings[0].severity == "high"


def test_labels_of_which_some_are_wrong_are_suspected(digits):
    generator = np.random.default_rng(0)
    labels = np.where(generator.random(len(digits[1])) < 0.4, generator.integers(0, 10, len(digits[1])), digits[1])

    assert set(kinds(diagnose(trained(digits[0], labels)))) == {"overfitting", "label noise"}


# ------------------------------------------------------------------ series


def test_noise_is_that_of_the_epochs_not_of_the_course():
    generator = np.random.default_rng(0)
    values = falling(0.1, epochs=np.arange(400), speed=0.01) + 0.05 * generator.standard_normal(400)

    assert_allclose(noise(values), 0.05, rtol=0.15)
    assert_allclose(noise(np.linspace(3, 1, 50)), 0, atol=1e-12)


def test_smoothing_is_a_mean_that_shrinks_at_the_ends():
    values = np.array([1.0, 5.0, 3.0, 7.0, 2.0])

    assert_allclose(smooth(values, 3), [1, 3, 5, 4, 2])
    assert_allclose(smooth(values, 5), [1, 3, 3.6, 4, 2])


def test_the_lowest_place_of_a_clean_curve_is_its_minimum():
    values = (np.log(np.arange(1, 101)) - math.log(30)) ** 2

    turn = lowest(values)

    assert turn.epoch == 30
    assert_allclose(turn.depth, values[-1], rtol=1e-6)


def test_the_interval_of_the_lowest_place_holds_the_truth_under_noise():
    generator = np.random.default_rng(0)
    truth = (np.log(np.arange(1, 101)) - math.log(30)) ** 2
    turns = [lowest(truth + 0.02 * generator.standard_normal(100)) for _ in range(200)]

    assert np.mean([turn.low <= 30 <= turn.high for turn in turns]) >= 0.9
    assert np.median([abs(turn.epoch - 30) for turn in turns]) <= 2


def test_a_straight_line_s_slope_is_found_with_its_error():
    change, error = slope_at_end(np.linspace(5, 1, 40))

    assert_allclose(change, -4 * 9 / 39, rtol=1e-9)
    assert error < 1e-9


def test_rises_are_counted_that_are_large_against_where_it_began():
    assert rises(np.array([2.0, 1.0, 1.3, 1.0, 1.05, 0.01, 0.02])) == 1


def test_the_end_of_a_history_is_told_in_the_usual_metrics():
    made = history(falling(0.1), falling(0.2), 1 - falling(0.02, 0.8), 1 - falling(0.04, 0.8))
    made.epochs[-1] |= {"weight_norm": 4.0, "weight_norm_l1": 20.0}

    metrics = diagnose(made).metrics

    assert_allclose(metrics["overfitting_score"], 2.0, rtol=1e-3)
    assert_allclose(metrics["loss_gap"], 0.1, rtol=1e-3)
    assert_allclose(metrics["metric_gap"], 0.02, rtol=1e-3)
    assert_allclose(metrics["norm_ratio"], 5.0)


# ------------------------------------------------------------------ what careful readers asked


def test_seeds_of_which_some_show_no_onset_are_told_together():
    def member(val):
        return history(falling(0.01), val, 1 - falling(0.0, 0.7), np.where(EPOCHS < 12, 0.85, 0.8))

    risen = np.where(EPOCHS < 12, falling(0.5), falling(0.5)[11] + 0.03 * (EPOCHS - 12))

    (finding,) = diagnose([member(risen), member(falling(0.5)), member(risen)]).findings

    assert finding.kind == "overfitting"


def test_accuracies_in_percent_are_shares_all_the_same():
    made = history(falling(0.1), falling(0.15), 100 - falling(2, 80), 100 - falling(4, 80))

    assert diagnose(made).healthy


def test_a_loss_below_zero_that_falls_smoothly_is_stable():
    assert diagnose(history(falling(-3.0, start=-1.0), falling(-2.9, start=-1.0))).healthy


def test_jumps_where_the_learning_rate_starts_anew_are_the_schedule_s():
    made = history(falling(0.1) * np.where(EPOCHS % 5 == 0, 2.0, 1.0), None)
    for epoch, record in enumerate(made.epochs, start=1):
        record["lr"] = 0.1 if epoch % 5 == 0 else 0.01

    assert diagnose(made).healthy


def test_early_stopping_that_serves_the_best_epoch_is_no_grave_overfitting():
    val = np.where(EPOCHS < 12, falling(0.5), falling(0.5)[11] + 0.03 * (EPOCHS - 12))
    made = history(falling(0.01), val, outcome="stopped", served_epoch=12)

    (finding,) = diagnose(made).findings

    assert (finding.kind, finding.severity) == ("overfitting", "low")
    assert not any("EarlyStopping" in recipe for recipe in finding.recipes)


def test_validation_that_is_nan_where_it_was_not_measured_is_no_divergence():
    val = falling(0.15)
    val[1::2] = math.nan
    val[-1] = 0.15

    assert diagnose(history(falling(0.1), val)).healthy


def test_a_training_that_runs_still_and_one_whose_rate_was_led_to_zero_are_not_told_to_go_on():
    train = 2.3 - 0.04 * EPOCHS
    annealed = history(train, train + 0.1)
    for epoch, record in enumerate(annealed.epochs):
        record["lr"] = 0.1 * (1 - epoch / 40) ** 2

    assert diagnose(history(train, train + 0.1, outcome="running")).healthy
    assert diagnose(annealed).healthy


def test_a_regression_is_not_called_too_sure():
    val = np.where(EPOCHS < 12, falling(0.5), falling(0.5)[11] + 0.03 * (EPOCHS - 12))
    made = history(falling(0.01), val, falling(0.01, 0.2), falling(0.1, 0.2), metric="mae", higher_is_better=False)

    assert kinds(diagnose(made)) == ["overfitting"]


def test_a_metric_other_than_accuracy_is_not_compared_with_guessing():
    made = history(falling(0.05), falling(1.2), 1 - falling(0.0, 0.9), np.full(40, 0.3), metric="f1")

    assert "label noise" not in kinds(diagnose(made))
