"""Hooks that no technique of the catalogue uses yet: trained tensors of its own, baking, captured activations, edited
passes, schedules of any strength, weights kept beside. Each packs, resumes and serves like the others."""

from __future__ import annotations

import pytest
import torch

from dampen import L2, Decision, Dropout, Recipe, technique, tunable
from dampen.contracts import structural
from dampen.errors import DampenError
from dampen.laws import outputs_of, plan_for, stepped, varied, weights_of
from dampen.tensors import changed
from dampen.training.fit import fit_pack
from dampen.training.problem import Member, check_fits
from dampen.worlds import small_problem


@technique
class ActivityL2:
    """loss <- loss + strength * mean of squared activations. Merity 2017."""

    strength: float = tunable(0.1, off=0.0, low=0.0, meaning="weight")
    sites: str = structural("activations", meaning="where")

    def penalty(self, seen, at):
        return self.strength * sum(x.square().mean() for x in seen.activations.values())


@technique
class Gain:
    """x <- x * gain, gain trained, one per site; baked into the layer after it is not needed: gain 1 at off. 2026."""

    strength: float = tunable(1.0, off=0.0, low=0.0, meaning="how much of the gain counts")
    sites: str = structural("activations", meaning="where")

    def adds(self, layout):
        paths = layout.site_paths(self.sites)
        return {path: torch.full((1,), 1.1, dtype=torch.float64) for path in paths}

    def activation(self, x, draws, at):
        return x * (1 + self.strength * (at.own[at.site.path] - 1))


@technique
class HalfWeights:
    """w <- w / 2 in every pass, baked for prediction. 2026."""

    def parameters(self, params, draws, at):
        return changed(params, at.layout.weights("weights"), lambda name, w: w / 2)

    def bake(self, params, state, at):
        return {name: w / 2 if w.dim() > 1 else w for name, w in params.items()}


@technique
class HiddenShift:
    """loss <- loss + strength * loss with one hidden activation shifted. 2026."""

    strength: float = tunable(0.5, off=0.0, low=0.0, meaning="weight of the second pass")

    def objective(self, objective, draws, at):
        site = at.layout.sites["activations"][0]

        def shifted(params, batch, **how):
            loss, seen = objective(params, batch, **how)
            again, _ = objective(params, batch, edits={site: lambda x: x + 0.1}, noise=False, norm=False)
            return loss + self.strength * again, seen

        return shifted


@technique
class RampUp:
    """of <- peak * step / steps. 2026."""

    peak: float = tunable(0.5, low=0.0, meaning="last value")
    of: str = structural("Dropout.rate", meaning="what")

    def strengths(self, values, clock, history):
        return {**values, self.of: self.peak * clock.step / clock.steps}


@technique
class EveryOther:
    """keep also after every second epoch. 2026."""

    num_epochs: int = structural(2, low=1, meaning="how often")

    def epoch(self, history):
        return Decision(keep="also" if len(history) % self.num_epochs == 0 else None)


@technique
class Choosy:
    """x <- x, in batches of 16 only. 2026."""

    def check(self, at):
        if at.batch_size != 16:
            raise DampenError(f"Choosy needs batches of 16; got {at.batch_size}.")

    def activation(self, x, draws, at):
        return x


RECIPES = {
    "activations in a penalty": Recipe((ActivityL2(),)),
    "trained tensors": Recipe((Gain(),)),
    "edited parameters, baked": Recipe((HalfWeights(),)),
    "a second, edited pass": Recipe((Dropout(0.2), HiddenShift())),
    "a schedule of a strength": Recipe((Dropout(rate=0.0), RampUp())),
    "all of them": Recipe((Dropout(rate=0.0), Gain(), HalfWeights(), ActivityL2(), HiddenShift(), RampUp(), L2())),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_packed_member_equals_the_same_member_alone(recipe):
    problem = small_problem()
    members = [Member("", varied(recipe, position), seed=position) for position in range(5)]

    run, losses = stepped(problem, members, plan_for(problem, recipe, 5))

    for position in (0, 4):
        solo, solo_losses = stepped(problem, [members[position]], plan_for(problem, recipe, 1))
        torch.testing.assert_close(losses[:, position], solo_losses[:, 0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(outputs_of(run)[position], outputs_of(solo)[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(weights_of(run)[position], weights_of(solo)[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_it_changes_the_training_and_resumes_in_the_same_bits(recipe, tmp_path):
    problem = small_problem()
    members, plan = [Member("", recipe, 3)], plan_for(problem, recipe, 1)

    (whole,) = fit_pack(problem, members, plan)
    fit_pack(problem, members, plan, folder=tmp_path, stop_after=2)
    (resumed,) = fit_pack(problem, members, plan, folder=tmp_path)
    (plain,) = fit_pack(problem, [Member("", Recipe(), 3)], plan_for(problem, Recipe(), 1))

    torch.testing.assert_close(resumed.params, whole.params, rtol=0, atol=0)
    assert not torch.equal(whole.params["head.weight"], plain.params["head.weight"])


def test_baked_weights_predict_in_the_plain_module_what_the_edited_pass_predicts():
    problem = small_problem()
    recipe = RECIPES["edited parameters, baked"]
    (fitted,) = fit_pack(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1))

    rows = problem.split(1).test
    with torch.no_grad():
        outputs = fitted.model()(problem.feed.inputs[rows])

    score = problem.metric.score(outputs[None], problem.targets[rows][None]).item()
    torch.testing.assert_close(score, fitted.test["metric"])


@pytest.mark.parametrize("members", [1, 3])
def test_trained_tensors_of_its_own_are_trained(members):
    problem, recipe = small_problem(), RECIPES["trained tensors"]

    run, _ = stepped(problem, [Member("", recipe, seed) for seed in range(members)], plan_for(problem, recipe, members))

    gains = {name: gain for name, gain in run.pack.params.items() if name.startswith("Gain:")}
    assert len(gains) == 2
    assert all((gain - 1.1).abs().min() > 1e-3 for gain in gains.values())


def test_a_technique_may_refuse_a_problem():
    with pytest.raises(DampenError, match="needs batches of 16; got 11"):
        check_fits(small_problem(), Recipe((Choosy(),)))


def test_weights_kept_beside_come_with_the_result_and_survive_an_interruption(tmp_path):
    problem, recipe = small_problem(epochs=6), Recipe((EveryOther(),))
    members, plan = [Member("", recipe, seed) for seed in range(3)], plan_for(problem, Recipe(), 3)

    whole = fit_pack(problem, members, plan)
    fit_pack(problem, members, plan, folder=tmp_path, stop_after=3)
    resumed = fit_pack(problem, members, plan, folder=tmp_path)

    for ours, expected in zip(resumed, whole, strict=True):
        assert len(expected.also) == 3
        torch.testing.assert_close(ours.also, expected.also, rtol=0, atol=0)
        last = {name: expected.also[-1][name] for name in expected.params}
        torch.testing.assert_close(last, expected.params, rtol=0, atol=0)
