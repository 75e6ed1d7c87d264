import numpy as np
import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, rejects

from dampen import DampenError, reference
from dampen.data import facts_of
from dampen.techniques.batch.label_smoothing import LabelSmoothing
from dampen.techniques.batch.mixup import MixUp


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.7, 1.0])
def test_it_is_the_papers_formula_and_touches_nothing_but_targets(epsilon):
    batch = a_batch(6, 4, num_classes=5)
    batch = batch._replace(targets=0.3 * batch.targets + 0.7 * batch.targets.flip(0))

    smoothed = lifted(LabelSmoothing(epsilon)).batch(batch, {}, an_at())

    agrees(smoothed.targets, reference.label_smoothing(batch.targets.numpy(), epsilon))
    rejects(smoothed.targets, reference.label_smoothing(batch.targets.numpy(), epsilon + 0.01))
    agrees([smoothed.inputs, smoothed.weights], [batch.inputs, batch.weights])


def test_the_true_class_ends_at_1_minus_epsilon_plus_its_part_of_epsilon():
    # Others give all of epsilon to the wrong classes; here the true one gets its part back.
    batch = a_batch(1, 2, num_classes=4)._replace(targets=torch.eye(4, dtype=torch.float64)[:1])

    smoothed = LabelSmoothing(0.2).batch(batch, {}, an_at())

    agrees(smoothed.targets, np.array([[0.85, 0.05, 0.05, 0.05]]))


def test_targets_still_sum_to_1():
    smoothed = LabelSmoothing(0.3).batch(a_batch(8, 2, num_classes=7), {}, an_at())

    agrees(smoothed.targets.sum(1), torch.ones(8, dtype=torch.float64))


@pytest.mark.parametrize("towards", ["uniform", "prior"])
def test_before_or_after_mixup_it_gives_the_same_targets(towards):
    batch, smoothing, mixup = a_batch(6, 4), LabelSmoothing(0.2, towards), MixUp()
    at = an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))
    draws = {"mix": torch.tensor(0.3, dtype=torch.float64), "partner": torch.tensor([3, 0, 5, 4, 1, 2])}

    before = mixup.batch(smoothing.batch(batch, {}, at), draws, at)
    after = smoothing.batch(mixup.batch(batch, draws, at), {}, at)

    agrees(before, after)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0])
def test_towards_the_prior_common_classes_get_more(epsilon):
    batch = a_batch(6, 4, num_classes=3)
    training = torch.eye(3, dtype=torch.float64)[torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1, 2])]
    at = an_at(facts=facts_of(torch.rand(10, 4, dtype=torch.float64), training, "classes"))

    smoothed = lifted(LabelSmoothing(epsilon, "prior")).batch(batch, {}, at)

    prior = np.array([0.6, 0.3, 0.1])
    agrees(smoothed.targets, reference.label_smoothing(batch.targets.numpy(), epsilon, prior))
    rejects(smoothed.targets, reference.label_smoothing(batch.targets.numpy(), epsilon + 0.01, prior))
    rejects(smoothed.targets, reference.label_smoothing(batch.targets.numpy(), 0.5))
    agrees(smoothed.targets.sum(1), torch.ones(6, dtype=torch.float64))
    if epsilon == 1:
        agrees(smoothed.targets, np.tile(prior, (6, 1)))


def test_towards_anything_else_is_refused():
    with pytest.raises(DampenError, match=r"LabelSmoothing\.towards must be one of 'uniform', 'prior'; got 'mean'"):
        LabelSmoothing(towards="mean")
