import math

import numpy as np
import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects
from torch import nn

from dampen import MLP, Adam, BatchNorm, Recipe, load, reference
from dampen.contracts import Seen, Site
from dampen.data.dataset import from_arrays
from dampen.errors import DampenError
from dampen.laws import plan_for, stepped
from dampen.models.layout import layout_of, linear_map
from dampen.randomness import make_key
from dampen.techniques.model.variational_dropout import VariationalDropout
from dampen.training.fit import fit_pack
from dampen.training.problem import Member, Problem
from dampen.training.run import start
from dampen.worlds import small_problem

GRANULARITIES = ("fixed", "layer", "unit", "weight")


def case(technique, layer, example):
    """The technique's `at` on a layer called "0", with own tensors that are no round numbers, and its output."""
    model = nn.Sequential(layer, nn.ReLU()).double()
    layout = layout_of(model, example)
    own = {
        name: numbers(*t.shape, seed=5).requires_grad_() for name, t in technique.adds(layout).items() if name == "0"
    }
    site = Site("0", 1.0, inputs=(example,), linear=linear_map(layer))
    at = an_at(site=site, own=own, layout=layout, params={"0.weight": layer.weight})
    return at._replace(facts=type("Facts", (), {"num_rows": 17})), layer(example)


def alphas(technique, at, shape, start):
    offset = at.own.get("0", torch.zeros((), dtype=torch.float64))
    return (math.log(start) + offset).clamp(-8, 8).exp().expand(shape).detach().numpy()


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("alpha", [0.05, 20.0])
def test_a_linear_layer_has_the_noise_of_the_definition(granularity, alpha):
    technique, layer, x = lifted(VariationalDropout(alpha, granularity=granularity)), nn.Linear(4, 3), numbers(6, 4)
    at, z = case(technique, layer, x)
    draws = technique.draw(z, make_key(3, 5), at)

    noisy = technique.activation(z, draws, at)

    def expected(alpha):
        arrays = (part.detach().numpy() for part in (x, layer.weight, layer.bias))
        return reference.variational_dropout(*arrays, alphas(technique, at, (3, 4), alpha), draws["noise"].numpy())

    agrees(noisy, expected(alpha))
    rejects(noisy, expected(1.01 * alpha))


@pytest.mark.parametrize("granularity", ["fixed", "weight"])
def test_a_convolution_has_the_noise_of_a_linear_layer_on_its_patches(granularity):
    technique = lifted(VariationalDropout(0.3, granularity=granularity))
    layer, x = nn.Conv2d(2, 3, 3, stride=2, padding=1), numbers(2, 2, 5, 5)
    at, z = case(technique, layer, x)
    draws = technique.draw(z, make_key(3, 5), at)

    noisy = technique.activation(z, draws, at)

    patches = nn.functional.unfold(x, 3, stride=2, padding=1).transpose(1, 2).reshape(18, 18)
    as_rows = [t.movedim(1, -1).reshape(18, 3).detach().numpy() for t in (draws["noise"], noisy)]
    weight, bias = layer.weight.detach().reshape(3, 18).numpy(), layer.bias.detach().numpy()
    alpha = alphas(technique, at, (3, 2, 3, 3), 0.3).reshape(3, 18)
    agrees(as_rows[1], reference.variational_dropout(patches.numpy(), weight, bias, alpha, as_rows[0]))


@pytest.mark.parametrize("granularity", GRANULARITIES[1:])
@pytest.mark.parametrize("alpha", [0.05, 20.0])
def test_the_penalty_is_the_divergence_of_every_weight_over_the_rows(granularity, alpha):
    technique = lifted(VariationalDropout(alpha, kl_weight=0.7, granularity=granularity))
    at, z = case(technique, nn.Linear(4, 3), numbers(6, 4))
    seen = Seen({}, z, {}, None, {})

    penalty = technique.penalty(seen, at)
    (gradient,) = torch.autograd.grad(penalty, at.own["0"])

    def expected(alpha, kl_weight, rows):
        log_alpha = np.log(alphas(technique, at, (3, 4), alpha))
        return kl_weight * reference.variational_divergence(log_alpha) / rows

    agrees(penalty, expected(alpha, 0.7, 17))
    rejects(penalty, expected(1.01 * alpha, 0.7, 17))
    rejects(penalty, expected(alpha, 0.71, 17))
    log_alpha = np.log(alphas(technique, at, (3, 4), alpha))
    by_weight = torch.from_numpy(0.7 * reference.variational_divergence_gradient(log_alpha) / 17)
    inside = torch.from_numpy(log_alpha < 8)
    agrees(gradient, (by_weight * inside).sum_to_size(gradient.shape))


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_alpha_0_adds_exactly_nothing_and_no_gradient_that_is_no_number(granularity):
    technique, layer, x = lifted(VariationalDropout(0.0, granularity=granularity)), nn.Linear(4, 3), numbers(6, 4)
    at, z = case(technique, layer, x)
    seen = Seen({}, z, {}, None, {})

    noisy = technique.activation(z, technique.draw(z, make_key(1, 1), at), at)
    penalty = technique.penalty(seen, at)
    grads = torch.autograd.grad(noisy.sum() + penalty, [layer.weight, *at.own.values()])

    agrees([noisy, penalty], [z, 0.0], rtol=0, atol=0)
    agrees(grads, [x.sum(0).expand(3, 4), *map(torch.zeros_like, grads[1:])])
    agrees(technique.bake({"0.weight": layer.weight}, {}, at), {"0.weight": layer.weight}, rtol=0, atol=0)


def test_inputs_of_zeros_and_weights_of_zeros_have_finite_gradients():
    technique, layer = lifted(VariationalDropout(1.0)), nn.Linear(4, 3)
    nn.init.zeros_(layer.weight[0])
    x = numbers(6, 4)
    x[2:4] = 0
    at, z = case(technique, layer, x)

    noisy = technique.activation(z, technique.draw(z, make_key(1, 1), at), at)
    grads = torch.autograd.grad(noisy.square().sum(), [layer.weight, *at.own.values()])

    assert all(gradient.isfinite().all() for gradient in grads)


def test_the_noise_of_a_layer_is_that_of_noise_on_its_weights():
    """Mean and variance over draws against weights drawn from N(w, alpha w^2) for every example."""
    technique, layer, x = lifted(VariationalDropout(0.5, granularity="fixed")), nn.Linear(4, 3), numbers(1, 4)
    at, z = case(technique, layer, x.expand(20000, 4))

    noisy = technique.activation(z, technique.draw(z, make_key(1, 1), at), at)

    drawn = layer.weight * (1 + 0.5**0.5 * numbers(20000, 3, 4, seed=2))
    direct = (drawn * x).sum(-1) + layer.bias
    agrees(noisy.mean(0), direct.mean(0), atol=0.03)
    agrees(noisy.std(0), direct.std(0), rtol=0.03)


def test_a_layer_a_unit_or_a_weight_has_an_alpha_of_its_own():
    layout = layout_of(nn.Sequential(nn.Conv2d(2, 6, 3)), numbers(5, 2, 7, 7).float())

    shapes = {g: [*VariationalDropout(granularity=g).adds(layout).values()] for g in GRANULARITIES}

    agrees(
        {g: [list(t.shape) for t in tensors] for g, tensors in shapes.items()},
        {"fixed": [], "layer": [[1, 1, 1, 1]], "unit": [[6, 1, 1, 1]], "weight": [[6, 2, 3, 3]]},
    )


def test_weights_that_drown_in_noise_are_0_at_prediction():
    technique, layer = lifted(VariationalDropout(1.0)), nn.Linear(4, 3)
    at, _ = case(technique, layer, numbers(6, 4))
    log_alpha = torch.tensor([2.9, 3.1, -5.0, 9.0], dtype=torch.float64).expand(3, 4)
    at = at._replace(own={"0": log_alpha})

    baked = technique.bake({"0.weight": layer.weight, "0.bias": layer.bias}, {}, at)

    kept = torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=torch.float64)
    agrees(baked, {"0.weight": layer.weight * kept, "0.bias": layer.bias}, rtol=0, atol=0)


def test_columns_of_noise_get_more_noise_and_lose_more_weights_than_columns_that_tell_something():
    digits = load("digits")
    pixels = digits.inputs[:600].flatten(1)
    pixels = pixels[:, pixels.std(0) > 1]
    columns = torch.cat([pixels, numbers(600, 40).float()], 1)
    problem = Problem(
        from_arrays(columns.numpy(), digits.targets[:600].argmax(1).numpy()), MLP(()), epochs=60, precision="float32"
    )
    recipe = Recipe((VariationalDropout(alpha=1.0),), Adam(lr=0.03))

    (fitted,) = fit_pack(problem, [Member("", recipe, 0)], plan_for(problem, recipe, 1))

    offsets, pruned = fitted.params["VariationalDropout:head"], (fitted.params["head.weight"] == 0).float()
    useful, useless = slice(pixels.shape[1]), slice(pixels.shape[1], None)
    assert offsets[:, useless].mean() > offsets[:, useful].mean() + 0.5
    assert pruned[:, useless].mean() > pruned[:, useful].mean() + 0.05
    assert fitted.test["metric"] > 0.9


def test_a_layer_that_runs_twice_has_one_alpha_and_two_noises():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.again, self.head = nn.Linear(64, 8), nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.again(self.again(self.first(x.flatten(1)).tanh()).tanh()).tanh())

    problem = Problem(small_problem().data, Twice, epochs=2, batch_size=11)
    recipe = Recipe((VariationalDropout(),))

    run, losses = stepped(problem, [Member("", recipe, 0)], plan_for(problem, recipe, 1), steps=3)

    assert losses.isfinite().all()
    assert sum(":" in name for name in run.pack.params) == 3


def test_layers_that_are_none_are_refused():
    layout = layout_of(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), numbers(2, 4).float())

    with pytest.raises(DampenError) as no_layer:
        VariationalDropout(sites=("1",)).check(an_at(layout=layout))

    assert str(no_layer.value) == (
        "VariationalDropout must stand on linear and convolutional layers with weights of their own; got 1. "
        "Name others with `sites`."
    )


def test_the_noise_comes_before_a_norm_that_another_technique_adds():
    """What the layer itself puts out is drowned in noise; BatchNorm then sees noise of variance 1 and nothing else."""
    problem = small_problem()
    both = Recipe((BatchNorm(), VariationalDropout(alpha=20.0, granularity="fixed")))
    with torch.no_grad():
        run = start(problem, [Member("", both, 0)], plan_for(problem, both, 1), train_sample=1)
        seen = []
        layer = run.program.forward.model.get_submodule("body.0")
        layer.norm.register_forward_hook(lambda module, args, output: seen.append((args[0], output)))
        run.step(run.clock(0, 0), run.batch(run.order(0)[:, 0]), run.trained(0))

    (before, after), *_ = seen
    assert (before.std(0) > 1.5).all()
    agrees(after.std(0, correction=0), torch.ones(12, dtype=torch.float64), rtol=1e-4, atol=0)
