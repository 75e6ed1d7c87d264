import pytest
import torch
from helpers import agrees, an_at, numbers
from torch import nn

from dampen import BatchNorm, DampenError, Recipe, reference
from dampen.contracts import Clock
from dampen.laws import plan_for, stepped
from dampen.models.layout import layout_of
from dampen.techniques.model.head_then_all import HeadThenAll
from dampen.training.problem import Member
from dampen.worlds import small_problem


@pytest.mark.parametrize("epoch", range(5))
def test_the_output_layer_trains_alone_then_everything(epoch):
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)).double()
    layout = layout_of(model, numbers(8, 4))
    names = tuple(layout.tensors)

    train = HeadThenAll(2).trains(layout, Clock(10 * epoch, 50, epoch, 5))

    assert train == reference.head_then_all(names, ["3.weight", "3.bias"], 2, epoch)
    assert (train != reference.head_then_all(names, ["3.weight", "3.bias"], 1, epoch)) == (epoch == 1)


@pytest.mark.parametrize("epochs", [2, 3])
def test_a_training_of_the_head_alone_is_refused(epochs):
    HeadThenAll(1).check(an_at(epochs=epochs))
    with pytest.raises(DampenError, match=f"must be less than the epochs of the training; got 3 of {epochs}"):
        HeadThenAll(3).check(an_at(epochs=epochs))


def test_the_body_keeps_its_first_weights_until_then_and_its_norms_statistics_move():
    problem, recipe = small_problem(), Recipe((BatchNorm(), HeadThenAll(2)))

    def after(epochs):
        run, _ = stepped(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1), steps=1 + 5 * epochs)
        return {n: t.clone() for n, t in {**run.pack.params, **run.pack.buffers}.items()}

    start, end, later = after(0), after(1), after(2)

    body = [name for name in start if name.startswith("body") and "running" not in name and "num_" not in name]
    agrees({name: end[name] for name in body}, {name: start[name] for name in body}, rtol=0, atol=0)
    assert all(not torch.equal(later[name], start[name]) for name in body if name.endswith("weight"))
    assert not torch.equal(end["body.0.norm.running_mean"], start["body.0.norm.running_mean"])
    assert not torch.equal(end["head.weight"], start["head.weight"])
