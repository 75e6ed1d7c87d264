import numpy as np
import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, rejects

from dampen import reference
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


def test_before_or_after_mixup_it_gives_the_same_targets():
    batch, smoothing, mixup = a_batch(6, 4), LabelSmoothing(0.2), MixUp()
    draws = {"mix": torch.tensor(0.3, dtype=torch.float64), "partner": torch.tensor([3, 0, 5, 4, 1, 2])}

    before = mixup.batch(smoothing.batch(batch, {}, an_at()), draws, an_at())
    after = smoothing.batch(mixup.batch(batch, draws, an_at()), {}, an_at())

    agrees(before, after)
