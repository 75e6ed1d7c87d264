import math

import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, rejects

from dampen import MLP, DampenError, fit, reference
from dampen.randomness import make_key
from dampen.techniques.batch.disturb_label import DisturbLabel
from dampen.techniques.batch.label_smoothing import LabelSmoothing


def disturbed(technique, batch, step=5):
    draws = technique.draw(batch, make_key(3, step), an_at())
    return technique.batch(batch, draws, an_at()), draws["uniform"]


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.7, 1.0])
def test_it_is_the_definition_and_touches_nothing_but_targets(rate):
    batch = a_batch(200, 3, num_classes=7)

    made, uniform = disturbed(lifted(DisturbLabel(rate)), batch)

    agrees(made.targets, reference.disturb_label(batch.targets.numpy(), uniform.numpy(), rate))
    nudged = reference.disturb_label(batch.targets.numpy(), uniform.numpy(), rate - 0.05 if rate else 0.1)
    rejects(made.targets, nudged)
    agrees([made.inputs, made.weights], [batch.inputs, batch.weights], rtol=0, atol=0)


def test_the_true_class_is_among_the_classes_drawn():
    """A fault that others make: drawing among the wrong classes only. Rate 0.4, four classes: 0.3 end up wrong."""
    batch = a_batch(40000, 1, num_classes=4)

    made, _ = disturbed(lifted(DisturbLabel(0.4)), batch)

    wrong = (made.targets.argmax(1) != batch.targets.argmax(1)).double().mean()
    agrees(wrong, 0.4 * 3 / 4, rtol=0.03)


def test_every_class_is_drawn_alike_and_targets_stay_one_hot():
    batch = a_batch(40000, 1, num_classes=5)

    made, _ = disturbed(lifted(DisturbLabel(1.0)), batch)

    agrees(made.targets.mean(0), torch.full((5,), 0.2).double(), rtol=0.05)
    agrees(made.targets.sum(1), torch.ones(40000).double(), rtol=0, atol=0)
    agrees(made.targets.max(1).values, torch.ones(40000).double(), rtol=0, atol=0)


def test_on_average_it_is_label_smoothing():
    batch, technique = a_batch(5, 1, num_classes=3), lifted(DisturbLabel(0.3))

    mean = torch.stack([disturbed(technique, batch, step)[0].targets for step in range(4000)]).mean(0)

    agrees(mean, LabelSmoothing(0.3).batch(batch, {}, an_at()).targets, atol=0.03)


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan, -0.1, 1.1, None])
def test_a_rate_that_is_no_share_is_refused(wrong):
    with pytest.raises(DampenError, match=r"DisturbLabel\.rate must be"):
        DisturbLabel(wrong)


def test_numbers_as_targets_are_refused():
    batch = a_batch(60, 3)

    with pytest.raises(DampenError, match="DisturbLabel needs classes as targets; this problem has none"):
        fit(MLP((4,)), (batch.inputs.numpy(), batch.weights.numpy()), DisturbLabel(), epochs=1)
