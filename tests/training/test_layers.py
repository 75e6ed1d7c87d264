"""What a history tells of layers, against NumPy on the weights that are handed over."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

import dampen
from dampen.training.layers import AliveUnits, chosen_layers, dead_fraction, histograms, layer_measures, zeros_fraction
from dampen.training.metrics import calibration


def fitted(recipe=None, epochs=5, **rest):
    return dampen.fit(dampen.MLP((16, 8)), "digits", recipe, epochs=epochs, precision="float32", **rest)


# ------------------------------------------------------------------ of whole trainings


def test_the_last_column_is_of_the_weights_that_are_handed_over():
    trained = fitted()
    layers = trained.history.layers

    assert set(layers) == {name for name in trained.params if name.endswith("weight")}
    for name, columns in layers.items():
        weights = trained.params[name].double().numpy()
        assert {len(column) for column in columns.values()} == {5}
        assert_allclose(columns["l1"][-1], np.abs(weights).sum(), rtol=2e-5)
        assert_allclose(columns["l2"][-1], np.sqrt((weights**2).sum()), rtol=2e-5)
        assert_allclose(columns["zeros_fraction"][-1], 0)


def test_whole_norms_are_those_of_everything_that_trains():
    trained = fitted()

    everything = np.concatenate([t.double().numpy().ravel() for t in trained.params.values()])

    last = trained.history.epochs[-1]
    assert_allclose(last["weight_norm"], np.linalg.norm(everything), rtol=1e-5)
    assert_allclose(last["weight_norm_l1"], np.abs(everything).sum(), rtol=1e-5)


@pytest.mark.parametrize("techniques", [(), (dampen.WeightDecay(0.0001),)], ids=["plain", "with a weights hook"])
def test_the_update_is_the_epoch_s_last_step(techniques):
    """Plain descent: a step is the learning rate times the gradient."""
    trained = fitted(dampen.Recipe(techniques, dampen.SGD(lr=0.05, momentum=0.0)))

    last = trained.history.epochs[-1]

    assert_allclose(last["update_ratio"], 0.05 * last["gradient_norm"] / last["weight_norm"], rtol=5e-3)


def test_pruned_weights_are_counted_as_exact_zeros():
    last = fitted("MagnitudePruning(sparsity=0.7)", epochs=8).history

    assert_allclose(last.epochs[-1]["zeros_fraction"], 0.7, atol=0.02)
    assert all(columns["zeros_fraction"][-1] > 0.5 for columns in last.layers.values())


def test_histograms_are_of_the_first_the_middle_and_the_last_epoch():
    trained = fitted(epochs=7)

    looks = trained.history.weights

    assert [look["epoch"] for look in looks] == [1, 4, 7]
    for name, found in looks[-1]["layers"].items():
        weights = trained.params[name].numpy()
        assert_allclose([found["low"], found["high"]], [weights.min(), weights.max()], rtol=1e-5)
        expected, _ = np.histogram(weights, bins=64, range=(weights.min(), weights.max()))
        assert np.abs(expected - found["counts"]).sum() <= 4, "rounding at the edges of bins"


def test_who_stops_early_serves_the_best_epoch_and_says_which():
    trained = fitted("EarlyStopping(patience_epochs=3)", epochs=60, seed=1)
    losses = trained.history.column("val_loss")

    assert trained.history.outcome in ("stopped", "finished")
    assert trained.history.served_epoch == int(np.argmin(losses)) + 1
    assert fitted(epochs=3).history.served_epoch == 3


def test_how_sure_it_is_is_counted_on_the_test_part():
    trained = fitted(epochs=4)
    rows = trained.problem.split(0).test
    inputs, targets = (part[rows] for part in (trained.problem.data.inputs, trained.problem.data.targets))
    with torch.no_grad():
        shares = trained.model()(inputs.float()).softmax(-1)

    final = trained.history.final

    assert (final["part"], final["rows"]) == ("test", len(rows))
    assert final["mistakes"] == int((shares.argmax(1) != targets.argmax(1)).sum())
    error = dampen.expected_calibration_error(shares, targets.argmax(1))
    assert_allclose(final["error"], error, rtol=1e-4)
    assert sum(each["rows"] for each in final["bins"]) == len(rows)
    assert_allclose(sum(b["rows"] * b["right"] for b in final["bins"]) / len(rows), trained.test["metric"], rtol=1e-6)


def test_numbers_have_no_calibration():
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((80, 3)).astype("float32")

    trained = dampen.fit(dampen.MLP((8,)), (inputs, inputs.sum(1)), epochs=2)

    assert trained.history.final == {}


def test_a_history_survives_strict_json():
    history = fitted("EarlyStopping", epochs=3).history

    assert dampen.History.from_record(history.to_record()) == history


def test_members_of_a_pack_tell_the_same_as_alone():
    alone = fitted(epochs=4, seed=1).history
    answer = dampen.compare(dampen.MLP((16, 8)), "digits", ["Dropout"], seeds=[0, 1, 2], epochs=4, precision="float32")

    packed = answer.histories["baseline"][1]

    for name, columns in alone.layers.items():
        for column, values in columns.items():
            assert_allclose(packed.layers[name][column], values, rtol=1e-3, err_msg=f"{name} {column}")
    assert_allclose(packed.column("dead_fraction"), alone.column("dead_fraction"), atol=0.05)


# ------------------------------------------------------------------ piece by piece


def test_dead_units_of_a_convolution_are_channels():
    watch = AliveUnits(["relu"], {})
    maps = torch.zeros(5, 3, 4, 4)
    maps[2, 1, 3, 0] = 1.0

    watch.edits["relu"][0](maps, (), "relu")

    assert watch.alive["relu"].tolist() == [False, True, False]
    assert_allclose(dead_fraction({"relu": watch.alive["relu"][None]}).numpy(), [2 / 3], rtol=1e-6)


def test_units_in_time_are_the_last_axis():
    watch = AliveUnits(["relu"], {"relu": 1})
    states = torch.zeros(5, 7, 2)
    states[0, 6, 1] = -1.0

    watch.edits["relu"][0](states, (), "relu")

    assert watch.alive["relu"].tolist() == [False, True]


def test_histograms_say_nothing_of_weights_that_are_not_finite():
    weights = {"w": torch.tensor([[1.0, 2.0], [math.nan, 1.0]])}

    first, second = histograms(weights)

    assert sum(first["w"]["counts"]) == 2
    assert second == {}


def test_equal_weights_lie_in_one_bin():
    (found,) = histograms({"w": torch.zeros(1, 10)})

    assert sorted(found["w"]["counts"])[-2:] == [0, 10]


def test_zeros_are_counted_over_all_layers():
    weights = {"a": torch.tensor([[0.0, 1.0], [1.0, 1.0]]), "b": torch.tensor([[[0.0, 0.0]], [[0.0, 3.0]]])}

    measures = layer_measures(weights, weights, weights)

    assert_allclose(zeros_fraction(measures, weights).numpy(), [3 / 4, 1 / 4])


def test_columns_are_per_member():
    now = {"w": torch.tensor([[3.0, 4.0], [0.0, 2.0]])}
    before = {"w": torch.tensor([[3.0, 3.0], [0.0, 1.0]])}

    (measures,) = layer_measures(now, now, before).values()
    columns = {name: values.numpy() for name, values in measures.items()}

    assert_allclose(columns["l1"], [7, 2])
    assert_allclose(columns["l2"], [5, 2])
    assert_allclose(columns["update_ratio"], [0.2, 0.5])
    assert_allclose(columns["zeros_fraction"], [0, 0.5])


def test_of_very_deep_networks_layers_are_chosen_over_the_depth():
    layout = SimpleNamespace(tensors={f"{i}.weight": SimpleNamespace(kind="weight") for i in range(100)})

    chosen = chosen_layers(layout)

    assert len(chosen) == 24
    assert (chosen[0], chosen[-1]) == ("0.weight", "99.weight")


def test_calibration_by_hand():
    shares = torch.tensor([[[0.95, 0.05], [0.65, 0.35], [0.62, 0.38]]])
    targets = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]])

    (found,) = calibration(shares, targets)

    assert (found["rows"], found["mistakes"]) == (3, 1)
    assert_allclose(found["confidence_on_mistakes"], 0.65, rtol=1e-6)
    assert_allclose(found["brier"], (2 * 0.05**2 + 2 * 0.65**2 + 2 * 0.38**2) / 3, rtol=1e-5)
    assert_allclose(found["error"], (abs(0.95 - 1) + abs(0.65 + 0.62 - 1)) / 3, rtol=1e-5)
    assert [each["rows"] for each in found["bins"]] == [2, 1]


def test_no_mistake_has_no_confidence():
    (found,) = calibration(torch.tensor([[[0.9, 0.1]]]), torch.tensor([[[1.0, 0.0]]]))

    assert math.isnan(found["confidence_on_mistakes"])


def test_only_modules_that_put_out_exact_zeros_are_watched():
    trained = dampen.fit(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10)), "digits", epochs=1
    )

    assert "dead_fraction" not in trained.history.epochs[-1]
    assert "dead_fraction" in fitted(epochs=1).history.epochs[-1]
