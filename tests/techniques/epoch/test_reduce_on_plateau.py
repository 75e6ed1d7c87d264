import math
import random

import pytest
import torch
from helpers import agrees, rejects

from dampen import reference
from dampen.contracts import Clock
from dampen.history import History
from dampen.techniques.epoch.reduce_on_plateau import ReduceOnPlateau


def walked(technique, rate, losses):
    """The rate of every epoch and of the one that would follow, each asked with the history so far."""
    histories = [[{"val_loss": loss} for loss in losses[:epoch]] for epoch in range(len(losses) + 1)]
    clock = Clock(0, 100, 0, 100)
    return [technique.strengths({"optimizer.lr": rate}, clock, history)["optimizer.lr"] for history in histories]


def histories(count=400):
    """Random walks downwards of up to 25 losses, some below 0, with numbers that are none among them."""
    source = random.Random(5)
    for _ in range(count):
        loss = source.choice([1.0, -2.0])
        losses = []
        for _ in range(source.randrange(1, 26)):
            loss += source.gauss(-0.02, 0.1)
            losses.append(source.choice([math.nan, math.inf]) if source.random() < 0.05 else round(loss, 2))
        yield losses


CHOICES = [(0.5, 3.0, 0.0), (0.1, 1.0, 0.05), (0.3, 2.0, 0.1), (1.0, 2.0, 0.0), (0.0, 4.0, 0.0)]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_the_rates_are_the_definition_on_random_histories(choice):
    for losses in histories():
        agrees(walked(ReduceOnPlateau(*choice), 0.1, losses), reference.reduce_on_plateau(0.1, losses, *choice))


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_the_rates_are_torchs_on_random_histories(choice):
    """torch lets `patience` failures pass and acts on the next one."""
    factor, patience, min_delta = choice
    if factor == 1.0:
        factor = 0.99999  # torch refuses what does nothing
    for losses in histories(200):
        sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(
            sgd, "min", factor, int(patience) - 1, threshold=min_delta, threshold_mode="abs", eps=0.0
        )
        rates = [0.1]
        for loss in losses:
            torchs.step(loss)
            rates.append(sgd.param_groups[0]["lr"])

        agrees(walked(ReduceOnPlateau(factor, patience, min_delta), 0.1, losses), rates)


@pytest.mark.parametrize("nudge", [(0.51, 2.0, 0.05), (0.5, 3.0, 0.05), (0.5, 1.0, 0.05), (0.5, 2.0, 0.08)])
def test_every_strength_counts(nudge):
    losses = [1.0, 0.9, 0.83, 0.83, 0.84, 0.83, 0.7, 0.7, 0.71, 0.72, 0.73]
    rejects(walked(ReduceOnPlateau(0.5, 2.0, 0.05), 0.1, losses), reference.reduce_on_plateau(0.1, losses, *nudge))


def test_after_three_epochs_without_improvement_the_rate_is_halved_and_the_count_begins_anew():
    losses = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.9]

    agrees(walked(ReduceOnPlateau(), 0.8, losses), [0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2])


def test_losses_that_are_shifted_below_zero_are_judged_alike():
    technique = ReduceOnPlateau(0.5, 2.0, 0.055)
    for losses in histories(50):
        shifted = [loss - 64.0 for loss in losses]
        agrees(walked(technique, 0.1, shifted), walked(technique, 0.1, losses))


def test_a_history_that_was_saved_and_read_again_gives_the_same_rate():
    for losses in histories(100):
        history = [{"val_loss": loss} for loss in losses]
        read = History.from_record(History(history).to_record()).epochs

        rates = [
            ReduceOnPlateau(0.5, 2.0).strengths({"optimizer.lr": 0.1}, Clock(0, 1, 0, 1), known)["optimizer.lr"]
            for known in (history, read)
        ]
        assert rates[0] == rates[1]
