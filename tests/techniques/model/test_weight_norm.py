import copy

import pytest
import torch
from helpers import agrees, an_at, numbers, rejects
from torch import nn
from torch.func import functional_call
from torch.nn.utils.parametrizations import weight_norm

from dampen import EMA, SGD, Adam, Freeze, Recipe, WeightDecay, reference
from dampen.laws import plan_for, stepped
from dampen.models.layout import layout_of
from dampen.techniques.model.weight_norm import WeightNorm
from dampen.training.fit import fit_pack
from dampen.training.problem import Member
from dampen.worlds import small_problem

LAYERS = {
    "linear": (nn.Linear(5, 6), 0, (3, 5)),
    "convolution": (nn.Conv2d(2, 6, 3), 0, (3, 2, 5, 5)),
    "transposed convolution": (nn.ConvTranspose2d(2, 6, 3), 1, (3, 2, 5, 5)),
}


def set_out(model, x):
    """(parameters, `at` with the technique's own tensors as training starts with them)."""
    technique = WeightNorm()
    params, at = dict(model.named_parameters()), an_at(layout=layout_of(model, x))
    own = {name: t.to(x.dtype) for name, t in technique.adds(at.layout).items()}
    state = technique.start({name: p.detach() for name, p in params.items()}, at)
    return params, at._replace(state=state, own=own)


def a_model(dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_network_starts_as_it_was_to_the_last_bit(dtype):
    model = a_model(dtype)

    params, at = set_out(model, numbers(4, 5).to(dtype))

    agrees(WeightNorm().parameters(params, {}, at), params, rtol=0, atol=0)


@pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)
def test_a_unit_s_weights_have_the_length_g_and_the_direction_of_v_and_both_get_the_paper_s_gradient(case):
    layer, axis, shape = case
    layer = copy.deepcopy(layer).double()
    _, at = set_out(layer, numbers(*shape))
    own = (0.3 * numbers(*at.own["weight"].shape, seed=1)).requires_grad_()
    v = numbers(*layer.weight.shape, seed=2).requires_grad_()
    params = {"weight": v, "bias": layer.bias}
    at = at._replace(own={"weight": own})

    used = WeightNorm().parameters(params, {}, at)
    grad_w = numbers(*v.shape, seed=3)
    grads = torch.autograd.grad(used["weight"], (v, own), grad_w)

    def first(tensor):
        return tensor.detach().movedim(axis, 0).numpy()

    g = (at.state["weight"] + own).detach().flatten().numpy()
    agrees(used["weight"].movedim(axis, 0), reference.weight_norm(first(v), g))
    rejects(used["weight"].movedim(axis, 0), reference.weight_norm(first(v), g + 0.01))
    grad_v, grad_g = reference.weight_norm_backward(first(grad_w), first(v), g)
    agrees([grads[0].movedim(axis, 0), grads[1].flatten()], [grad_v, grad_g])
    agrees(used["bias"], layer.bias, rtol=0, atol=0)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop])
def test_five_steps_of_an_optimizer_are_those_on_torch_s_own_weight_norm(kind):
    ours, theirs, x = a_model(), a_model(), numbers(8, 5)
    params, at = set_out(ours, x)
    own = {name: t.requires_grad_() for name, t in at.own.items()}
    for layer in (theirs[0], theirs[2]):
        weight_norm(layer, dim=0)
    mine, torchs = kind([*params.values(), *own.values()], lr=0.01), kind(theirs.parameters(), lr=0.01)

    for step in range(5):
        y = numbers(8, 3, seed=step)
        for optimizer in (mine, torchs):
            optimizer.zero_grad()
        used = WeightNorm().parameters(params, {}, at._replace(own=own))
        (functional_call(ours, used, (x,)) - y).square().mean().backward()
        (theirs(x) - y).square().mean().backward()
        mine.step()
        torchs.step()

    used = WeightNorm().parameters(params, {}, at._replace(own=own))
    agrees([used["0.weight"], used["2.weight"]], [theirs[0].weight, theirs[2].weight], rtol=1e-10)
    rejects(used["0.weight"], a_model()[0].weight.detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_unit_that_starts_at_zero_trains_as_if_nothing_were_there(dtype):
    model = a_model(dtype)
    with torch.no_grad():
        model[0].weight[2] = 0
    params, at = set_out(model, numbers(4, 5).to(dtype))
    own = {name: t.requires_grad_() for name, t in at.own.items()}

    used = WeightNorm().parameters(params, {}, at._replace(own=own))["0.weight"]
    grad_w = numbers(6, 5).to(dtype)
    grad_v, grad_own = torch.autograd.grad(used, (params["0.weight"], own["0.weight"]), grad_w)

    agrees(grad_v[2], grad_w[2], rtol=0, atol=0)
    assert grad_v.isfinite().all()
    assert grad_own.isfinite().all()


RECIPES = {
    "alone": Recipe((WeightNorm(),)),
    "with SGD": Recipe((WeightNorm(),), SGD(0.1)),
    "averaged and decayed": Recipe((WeightNorm(), WeightDecay(), EMA()), Adam(0.01)),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_network_handed_over_has_the_user_s_own_keys_and_scores_as_reported(recipe):
    problem = small_problem()

    (fitted,) = fit_pack(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1))

    model, rows = fitted.model(), problem.split(1).test
    score = problem.metric.score(model(problem.feed.inputs[rows])[None], problem.targets[rows][None])
    agrees(score.item(), fitted.test["metric"])
    (plain,) = fit_pack(problem, [Member("", Recipe(), 1)], plan_for(problem, Recipe(), 1))
    assert list(model.state_dict()) == list(plain.model().state_dict())
    assert {"WeightNorm:body.0.weight", "WeightNorm:head.weight"} <= set(fitted.params)


def test_the_gain_of_a_frozen_weight_is_frozen_too():
    problem, recipe = small_problem(epochs=2), Recipe((WeightNorm(), Freeze(num_epochs=9)))
    run, _ = stepped(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1), steps=4)

    own = {name: t.abs().max().item() for name, t in run.pack.params.items() if name.startswith("WeightNorm:")}

    assert own.pop("WeightNorm:head.weight") > 0
    assert set(own.values()) == {0.0}
