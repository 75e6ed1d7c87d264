import pytest
import torch
from helpers import agrees, an_at, arrays, lifted, numbers, rejects
from torch import nn
from torch.func import functional_call

from dampen import reference
from dampen.models.layout import layout_of
from dampen.randomness import make_key
from dampen.techniques.model.drop_connect import DropConnect


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 3)).double()


def masked(model, technique, key):
    at, params = an_at(layout=layout_of(model, numbers(5, 4))), dict(model.named_parameters())
    draws = technique.draw(params, key, at)
    kept = {name: mask.numpy() != 0 for name, mask in draws.items()}
    return params, kept, technique.parameters(params, draws, at)


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.8, 1.0])
def test_weights_are_masked_and_scaled_and_biases_and_norms_are_not(model, rate):
    params, kept, used = masked(model, lifted(DropConnect(rate)), make_key(3, 5))

    assert set(kept) == {"0.weight", "3.weight"}
    agrees(used, reference.drop_connect_forward(arrays(params), kept, rate))
    if rate < 1:
        rejects(used["0.weight"], reference.drop_connect_forward(arrays(params), kept, rate + 0.01)["0.weight"])


@pytest.mark.parametrize("rate", [0.3, 0.8, 1.0])
def test_a_dropped_weight_gets_no_gradient_and_the_others_a_scaled_one(model, rate):
    def loss(weights):
        return functional_call(model, weights, (numbers(5, 4, seed=1),)).square().sum()

    params, kept, used = masked(model, lifted(DropConnect(rate)), make_key(3, 5))
    leaves = {name: w.detach().requires_grad_() for name, w in used.items()}

    grads = torch.autograd.grad(loss(used), list(params.values()))
    by_used = dict(zip(leaves, torch.autograd.grad(loss(leaves), list(leaves.values())), strict=True))

    grads = dict(zip(params, grads, strict=True))
    agrees(grads, reference.drop_connect_backward(arrays(by_used), kept, rate))
    if rate < 1:
        nudged = reference.drop_connect_backward(arrays(by_used), kept, rate + 0.01)
        rejects(grads["3.weight"], nudged["3.weight"])


def test_layers_may_be_chosen_by_path_or_by_being_recurrent(model):
    _, kept, _ = masked(model, lifted(DropConnect(0.3, layers=("3",))), make_key(3, 5))
    lstm = nn.LSTM(4, 3).double()
    at = an_at(layout=layout_of(lstm, numbers(2, 5, 4)))

    assert set(kept) == {"3.weight"}
    assert set(DropConnect(layers="recurrent").draw(dict(lstm.named_parameters()), make_key(1, 1), at)) == {
        "weight_hh_l0"
    }


def test_each_tensor_and_each_step_has_a_mask_of_its_own_that_drops_its_share():
    twins = nn.Sequential(nn.Linear(4, 500), nn.ReLU(), nn.Linear(500, 500), nn.ReLU(), nn.Linear(500, 500)).double()

    _, first, _ = masked(twins, lifted(DropConnect(0.3)), make_key(3, 5))
    _, second, _ = masked(twins, lifted(DropConnect(0.3)), make_key(3, 6))

    for one, other in ((first["2.weight"], first["4.weight"]), (first["2.weight"], second["2.weight"])):
        agrees((one != other).mean(), 2 * 0.3 * 0.7, rtol=0.02)
    agrees(1 - first["2.weight"].mean(), 0.3, rtol=0.02)
