"""Monitor: the metrics of overfitting in somebody else's loop."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

import dampen
from dampen import DampenError, Monitor


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3))


def moved(model, by):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by)


def flat(model):
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])


def test_an_epoch_is_what_was_said_and_the_norms_of_the_weights():
    model = network()
    monitor = Monitor(model, metric="accuracy")
    before = flat(model)
    moved(model, 0.01)

    record = monitor.epoch(0.5, torch.tensor(0.7), train_metric=0.9, val_metric=0.8, lr=0.1)

    now = flat(model)
    told = [record[name] for name in ("train_loss", "val_loss", "train_metric", "val_metric", "lr")]
    assert_allclose(told, [0.5, 0.7, 0.9, 0.8, 0.1], rtol=1e-6)
    assert_allclose(record["weight_norm"], math.sqrt((now**2).sum()), rtol=1e-5)
    assert_allclose(record["weight_norm_l1"], np.abs(now).sum(), rtol=1e-5)
    assert_allclose(record["update_ratio"], np.linalg.norm(now - before) / np.linalg.norm(now), rtol=1e-5)
    assert monitor.history.metric == "accuracy"
    assert not monitor.history.clean


def test_layers_are_weights_without_biases_and_norms():
    model = network()
    monitor = Monitor(model)
    with torch.no_grad():
        model[0].weight[:2] = 0

    record = monitor.epoch(1.0, 1.0)

    assert set(monitor.history.layers) == {"0.weight", "3.weight"}
    first = monitor.history.layers["0.weight"]
    weight = model[0].weight.detach().numpy()
    assert_allclose(first["l1"], [np.abs(weight).sum()], rtol=1e-5)
    assert_allclose(first["l2"], [np.linalg.norm(weight)], rtol=1e-5)
    assert_allclose(first["zeros_fraction"], [0.25])
    assert_allclose(record["zeros_fraction"], 8 / (32 + 24))


def test_the_gradient_s_norm_is_that_of_what_lies_in_grad():
    model = network()
    monitor = Monitor(model)
    assert "gradient_norm" not in monitor.epoch(1.0, 1.0)
    model(torch.ones(5, 4)).sum().backward()

    record = monitor.epoch(1.0, 1.0)

    grads = np.concatenate([p.grad.numpy().ravel() for p in model.parameters()])
    assert_allclose(record["gradient_norm"], np.linalg.norm(grads), rtol=1e-5)


def test_dead_units_are_those_that_are_zero_for_every_row_of_the_sample():
    model = network()
    with torch.no_grad():
        model[0].bias[:3] = -100.0
        model[0].bias[3:] = 100.0
    sample = torch.randn(16, 4)
    model[2].eval()
    statistics = model[2].running_mean.clone()

    record = Monitor(model, sample=sample).epoch(1.0, 1.0)

    assert_allclose(record["dead_fraction"], 3 / 8)
    assert model.training
    assert not model[2].training, "modes are put back"
    assert_allclose(model[2].running_mean, statistics)


def test_histograms_are_of_the_first_the_newest_and_an_epoch_between():
    model = network()
    monitor = Monitor(model)

    for _ in range(10):
        monitor.epoch(1.0, 1.0)

    epochs = [look["epoch"] for look in monitor.history.weights]
    assert epochs[0] == 1
    assert epochs[-1] == 10
    assert len(epochs) == 3
    assert 3 <= epochs[1] <= 8
    counts = monitor.history.weights[-1]["layers"]["0.weight"]
    weight = model[0].weight.detach().numpy()
    expected, _ = np.histogram(weight, bins=64, range=(weight.min(), weight.max()))
    assert sum(counts["counts"]) == weight.size
    assert np.abs(expected - counts["counts"]).sum() <= 2, "rounding at the edges of bins"


def test_what_it_saw_is_diagnosed_as_any_other_training():
    monitor = Monitor(network(), metric="accuracy", clean=True)
    for epoch in range(40):
        train, val = 2.0 * 0.8**epoch + 0.01, 0.6 + 0.03 * abs(epoch - 9)
        monitor.epoch(train, val, train_metric=1 - train / 4, val_metric=0.8 - 0.01 * max(0, epoch - 9))

    findings = dampen.diagnose(monitor.finish()).findings

    assert [finding.kind for finding in findings][:1] == ["overfitting"]
    assert abs(findings[0].evidence["onset"] - 10) <= 1


def test_finish_counts_how_sure_it_is():
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    targets = torch.tensor([0, 1, 1, 0])

    final = Monitor(network()).finish(probabilities, targets).final

    assert (final["part"], final["rows"], final["mistakes"]) == ("val", 4, 1)
    assert_allclose(final["confidence_on_mistakes"], 0.8, rtol=1e-6)
    brier = np.mean([2 * 0.1**2, 2 * 0.8**2, 2 * 0.3**2, 2 * 0.4**2])
    assert_allclose(final["brier"], brier, rtol=1e-5)
    assert_allclose(final["error"], (0.1 + 0.8 + 0.3 + 0.4) / 4, rtol=1e-5)


@pytest.mark.parametrize("wrong", ["0.3", None, True, torch.ones(2)])
def test_a_loss_that_is_no_number_is_refused(wrong):
    with pytest.raises(DampenError, match="needs train_loss as a number"):
        Monitor(network()).epoch(wrong, 1.0)


def test_something_else_than_a_module_is_refused():
    with pytest.raises(DampenError, match="takes the module in training; got dict"):
        Monitor({})
