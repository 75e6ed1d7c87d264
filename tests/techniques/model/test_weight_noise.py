import pytest
import torch
from helpers import agrees, an_at, arrays, lifted, numbers, rejects
from torch import nn
from torch.func import functional_call

from dampen import reference
from dampen.models.layout import layout_of
from dampen.randomness import make_key
from dampen.techniques.model.weight_noise import WeightNoise


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 3)).double()


def noisy(model, technique, key):
    at, params = (
        an_at(layout=layout_of(model, numbers(5, model[0].in_features))),
        dict(model.named_parameters()),
    )
    draws = technique.draw(params, key, at)
    return params, draws, technique.parameters(params, draws, at)


def test_it_adds_scaled_noise_to_the_weights_and_to_no_bias_and_no_norm(model):
    params, draws, edited = noisy(model, lifted(WeightNoise(0.3)), make_key(3, 5))

    assert set(draws) == {"0.weight", "3.weight"}
    agrees(edited, reference.weight_noise(arrays(params), arrays(draws), 0.3))
    rejects(edited, reference.weight_noise(arrays(params), arrays(draws), 0.31))


def test_layers_may_be_chosen_by_path(model):
    _, draws, _ = noisy(model, lifted(WeightNoise(0.3, layers=("3",))), make_key(3, 5))

    assert set(draws) == {"3.weight"}


def test_the_gradient_goes_to_the_weights_themselves(model):
    def loss(weights):
        return functional_call(model, weights, (numbers(5, 4, seed=1),)).square().sum()

    params, _, edited = noisy(model, lifted(WeightNoise(0.3)), make_key(3, 5))
    fixed = {name: w.detach().requires_grad_() for name, w in edited.items()}

    through_the_noise = torch.autograd.grad(loss(edited), list(params.values()))
    at_the_noisy_place = torch.autograd.grad(loss(fixed), list(fixed.values()))

    agrees(through_the_noise, at_the_noisy_place)


def test_each_tensor_and_each_step_has_noise_of_its_own():
    twins = nn.Sequential(nn.Linear(30, 30), nn.ReLU(), nn.Linear(30, 30)).double()

    _, first, _ = noisy(twins, lifted(WeightNoise(0.3)), make_key(3, 5))
    _, second, _ = noisy(twins, lifted(WeightNoise(0.3)), make_key(3, 6))

    rejects(first["0.weight"], first["2.weight"], at_least=0.5)
    rejects(first["0.weight"], second["0.weight"], at_least=0.5)
    agrees(first["0.weight"].var(), 1.0, rtol=0.15)
