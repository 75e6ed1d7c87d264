import pytest
import torch
from helpers import agrees, rejects

from dampen import reference
from dampen.contracts import Clock
from dampen.techniques.epoch.one_cycle import OneCycle


def walked(technique, peak, num_steps):
    values = {"optimizer.lr": peak, "Dropout.rate": 0.5}
    clocks = [Clock(step, num_steps, 0, 1) for step in range(num_steps)]
    return [technique.strengths(values, clock, [])["optimizer.lr"] for clock in clocks]


@pytest.mark.parametrize("num_steps", [1, 2, 10, 37])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.3, 0.5, 1.0])
def test_the_learning_rates_of_a_whole_training_are_the_definition(num_steps, warmup):
    rates = walked(OneCycle(warmup, 20.0, 1e3), 0.1, num_steps)

    agrees(rates, reference.one_cycle(0.1, num_steps, warmup, 20.0, 1e3))


@pytest.mark.parametrize("nudge", [(0.33, 20.0, 1e3), (0.3, 21.0, 1e3), (0.3, 20.0, 500.0)])
def test_every_strength_moves_the_curve(nudge):
    rates = walked(OneCycle(0.3, 20.0, 1e3), 0.1, 37)

    rejects(rates, reference.one_cycle(0.1, 37, *nudge), at_least=1e-5)


@pytest.mark.parametrize(("num_steps", "warmup"), [(100, 0.3), (37, 0.25), (7, 0.5)])
def test_it_is_torchs_one_cycle_without_momentum(num_steps, warmup):
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        sgd, 0.1, total_steps=num_steps, pct_start=warmup, cycle_momentum=False
    )
    torchs = []
    for _ in range(num_steps):
        torchs.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()

    agrees(walked(OneCycle(warmup), 0.1, num_steps), torchs)


def test_it_starts_low_peaks_at_the_recipes_rate_and_ends_near_nothing():
    rates = walked(OneCycle(0.5, 25.0, 1e4), 0.1, 21)

    agrees([rates[0], rates[-1]], [0.1 / 25, 0.1 / 25 / 1e4])
    agrees(max(walked(OneCycle(0.5), 0.1, 20)), 0.1)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_it_schedules_the_strength_it_is_told_and_no_other():
    values = {"optimizer.lr": 0.1, "Dropout.rate": 0.5}

    moved = OneCycle(of="Dropout.rate").strengths(values, Clock(0, 100, 0, 1), [])

    agrees(moved, {"optimizer.lr": 0.1, "Dropout.rate": 0.5 / 25})
