"""Members leave a pack without touching the others: divergence, early stopping, compaction."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from dampen import EMA, L2, SGD, Adam, Dropout, EarlyStopping, Freeze, Recipe, WeightDecay
from dampen.laws import plan_for, stepped
from dampen.training.fit import fit_pack
from dampen.training.problem import Member, Problem
from dampen.worlds import small_data, small_problem


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("optimizer", [SGD(lr=0.05), Adam(lr=0.01)], ids=["SGD", "Adam"])
def test_a_member_that_diverges_is_named_and_leaves_the_other_seven_as_they_are(optimizer, dtype):
    problem = small_problem(dtype, epochs=4)
    sane = Recipe((Dropout(rate=0.2),), optimizer)
    wild = Recipe((Dropout(rate=0.2),), dataclasses.replace(optimizer, lr=1e9))
    members = [Member("", sane, seed) for seed in range(7)]
    tolerance = {"rtol": 1e-12, "atol": 1e-12} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 1e-5}

    eight = fit_pack(problem, [*members[:3], Member("", wild, 99), *members[3:]], plan_for(problem, sane, 8))
    seven = fit_pack(problem, members, plan_for(problem, sane, 7))

    assert [f.history.outcome for f in eight] == ["finished"] * 3 + ["diverged"] + ["finished"] * 4
    for ours, expected in zip([*eight[:3], *eight[4:]], seven, strict=True):
        for name, tensor in expected.params.items():
            torch.testing.assert_close(ours.params[name], tensor, **tolerance)
        ours_losses = [record["objective"] for record in ours.history.epochs]
        expected_losses = [record["objective"] for record in expected.history.epochs]
        torch.testing.assert_close(torch.tensor(ours_losses), torch.tensor(expected_losses), **tolerance)


def test_a_diverged_member_scores_as_guessing_the_most_frequent_class():
    problem = small_problem(epochs=2)
    recipe = Recipe((), SGD(lr=1e9))

    (fitted,) = fit_pack(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1))

    parts = problem.split(1)
    most_frequent = problem.targets[parts.train].mean(0).argmax()
    share = (problem.targets[parts.test].argmax(1) == most_frequent).double().mean().item()
    assert fitted.history.outcome == "diverged"
    torch.testing.assert_close(fitted.test["metric"], share)


def test_a_member_that_stops_early_serves_its_best_epoch_and_the_others_go_on_unchanged():
    problem = small_problem(epochs=12)
    patient, hasty = Recipe((EarlyStopping(patience_epochs=100),)), Recipe((EarlyStopping(1.0, min_delta=0.05),))
    members = [Member("", hasty if seed % 2 else patient, seed) for seed in range(8)]

    mixed = fit_pack(problem, members, plan_for(problem, Recipe(), 8))
    calm = fit_pack(problem, [m._replace(recipe=patient) for m in members], plan_for(problem, Recipe(), 8))

    stopped = [f for f in mixed if f.history.outcome == "stopped"]
    assert {f.member.seed % 2 for f in stopped} == {1}
    for ours, expected in zip(mixed, calm, strict=True):
        if ours.history.outcome == "finished":
            for name, tensor in expected.params.items():
                torch.testing.assert_close(ours.params[name], tensor, rtol=1e-12, atol=1e-12)
    for ours in mixed:
        best = min(record["val_loss"] for record in ours.history.epochs)
        if ours.member.seed % 2 == 0:
            torch.testing.assert_close(ours.validation["loss"], best)


def test_the_best_weights_are_served_even_where_the_last_ones_are_worse():
    problem = small_problem(epochs=12)
    recipe = Recipe((EarlyStopping(patience_epochs=100),), Adam(lr=0.3))
    members = [Member("", recipe, seed) for seed in range(4)]

    fitted = fit_pack(problem, members, plan_for(problem, Recipe(), 4))

    losses = [[record["val_loss"] for record in f.history.epochs] for f in fitted]
    assert any(min(of_one) < of_one[-1] for of_one in losses), "somewhere the best epoch must not be the last"
    torch.testing.assert_close([f.validation["loss"] for f in fitted], [min(of_one) for of_one in losses])


def test_frozen_tensors_do_not_move():
    problem = small_problem(epochs=2)
    frozen = Recipe((Freeze(num_epochs=2),))
    untouched = Recipe((), SGD(lr=0.0, momentum=0.0))

    (start,) = fit_pack(problem, [Member("", untouched, 1)], plan_for(problem, untouched, 1))
    (still,) = fit_pack(problem, [Member("", frozen, 1)], plan_for(problem, frozen, 1))

    for name, tensor in start.params.items():
        if name.startswith("body"):
            torch.testing.assert_close(still.params[name], tensor, rtol=0, atol=0)
        else:
            assert not torch.equal(still.params[name], tensor)


def test_a_tensor_that_thaws_counts_its_own_steps():
    """Adam's very first step of a tensor is as long as the learning rate; with the pack's count it would be shorter."""
    problem, recipe = small_problem(epochs=4), Recipe((Freeze(num_epochs=1),), Adam(lr=1e-3))
    members, plan = [Member("", recipe, 1)], plan_for(problem, recipe, 1)

    before, _ = stepped(problem, members, plan, steps=5)
    after, _ = stepped(problem, members, plan, steps=6)

    assert before.steps_per_epoch == 5
    moved = (after.pack.params["body.0.bias"] - before.pack.params["body.0.bias"]).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 1e-3), rtol=1e-3, atol=0)


def test_tensors_that_the_user_froze_do_not_train_whatever_the_recipe_does():
    def partly_frozen():
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
        net[1].requires_grad_(False)
        return net

    problem = Problem(small_data(), partly_frozen, epochs=2, batch_size=11, dtype=torch.float64)
    recipe = Recipe((WeightDecay(0.5), EMA(3.0), L2(0.1)))
    still = Recipe((), SGD(lr=0.0, momentum=0.0))

    (moved,) = fit_pack(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1))
    (start,) = fit_pack(problem, [Member("", still, 1)], plan_for(problem, still, 1))

    torch.testing.assert_close(moved.params["1.weight"], start.params["1.weight"], rtol=0, atol=0)
    assert not torch.equal(moved.params["3.weight"], start.params["3.weight"])


def test_the_network_that_is_handed_over_may_have_tied_weights_and_buffers_that_are_not_saved():
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Linear(64, 64), torch.nn.Linear(64, 64)
            self.b.weight = self.a.weight
            self.out = torch.nn.Linear(64, 3)
            self.register_buffer("shift", torch.ones(64), persistent=False)

        def forward(self, x):
            return self.out(torch.tanh(self.b(torch.tanh(self.a(x.flatten(1) + self.shift)))))

    problem = Problem(small_data(), Tied, epochs=2, batch_size=11)

    (fitted,) = fit_pack(problem, [Member("", Recipe(), 1)], plan_for(problem, Recipe(), 1))

    model, rows = fitted.model(), problem.split(1).test
    with torch.no_grad():
        score = problem.metric.score(model(problem.feed.inputs[rows])[None], problem.targets[rows][None]).item()
    torch.testing.assert_close(score, fitted.test["metric"])
    assert model.b.weight is model.a.weight
