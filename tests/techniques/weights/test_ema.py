import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects

from dampen import reference
from dampen.techniques.weights.ema import EMA


def averages(technique, start, sequence):
    """The state after each step of a training whose weights are `start`, then `sequence`."""
    state, states = technique.start({"w": start}, an_at()), []
    for step, w in enumerate(sequence):
        params, state = technique.weights({"w": w}, state, an_at(step=step, steps=len(sequence)))
        agrees(params["w"], w, rtol=0, atol=0)
        states.append(state["w"])
    return states


@pytest.mark.parametrize("half_life", [0.0, 0.5, 3.0, 20.0])
def test_the_averages_of_a_whole_training_are_the_definition(half_life):
    # After 300 steps the warm-up, (1 + t) / (10 + t), no longer bounds any of these.
    start, *sequence = numbers(301, 3, 2)

    states = averages(lifted(EMA(half_life)), start, sequence)

    arrays = [w.numpy() for w in sequence]
    agrees(states, reference.ema(start.numpy(), arrays, half_life))
    rejects(states, reference.ema(start.numpy(), arrays, half_life * 1.02 + 0.1))


def test_the_average_of_a_constant_is_the_constant():
    w = numbers(3, 2)

    states = averages(lifted(EMA(50.0)), w, [w] * 20)

    agrees(states, [w] * 20, rtol=0, atol=0)


def test_a_weight_counts_half_after_its_half_life():
    # From step 10,000 on, long after the warm-up: the old average was 1, all weights are 0 from now on.
    technique, state = lifted(EMA(25.0)), {"w": torch.ones(2).double()}

    for step in range(10_000, 10_025):
        _, state = technique.weights({"w": torch.zeros(2).double()}, state, an_at(step=step, steps=20_000))

    agrees(state["w"], torch.full((2,), 0.5).double())


def test_the_untrained_network_is_soon_forgotten_however_long_the_half_life():
    # The known fault: with decay 0.9999 a short training serves mostly its first weights.
    start, trained = torch.full((2,), 100.0).double(), torch.zeros(2).double()

    states = averages(lifted(EMA(1e6)), start, [trained] * 20)

    assert states[19].max() < 1e-4


def test_prediction_serves_the_average_with_the_newest_buffers():
    params, state = {"w": numbers(2)}, {"w": numbers(2, seed=1)}
    buffers = {"running_mean": numbers(2, seed=2)}

    served = lifted(EMA()).serving(params, buffers, state)

    agrees(served, (state, buffers), rtol=0, atol=0)


def test_the_average_shares_no_memory_with_the_weights():
    # The optimizer moves weights in place; the average must not move with them.
    w = numbers(2)
    before = w.clone()

    state = lifted(EMA()).start({"w": w}, an_at())
    w.add_(1)

    agrees(state["w"], before, rtol=0, atol=0)
