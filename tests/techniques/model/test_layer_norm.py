import copy

import pytest
import torch
from helpers import agrees, an_at, numbers, rejects
from torch import nn

from dampen import DampenError, reference
from dampen.models.layout import layout_of
from dampen.techniques.model.batch_norm import BatchNorm
from dampen.techniques.model.layer_norm import LayerNorm

MODELS = {
    "linear": (nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)), (8, 4)),
    "conv": (nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(54, 3)), (8, 2, 5, 5)),
    "series": (nn.Sequential(nn.Conv1d(2, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(18, 3)), (8, 2, 5)),
}


def rebuilt(plain, x, *techniques):
    model = copy.deepcopy(plain).double()
    for technique in techniques:
        model = technique.rebuild(model, an_at(layout=layout_of(model, x)))
    return model


@pytest.fixture(params=MODELS)
def case(request):
    """A rebuilt network whose gain and shift are no round numbers, and its input."""
    torch.manual_seed(0)
    plain, shape = MODELS[request.param]
    model = rebuilt(plain, numbers(*shape), LayerNorm(eps=0.01))
    for seed, tensor in enumerate((model[0].norm.weight, model[0].norm.bias)):
        tensor.data.copy_(numbers(6, seed=seed))
    return model, numbers(*shape)


@pytest.mark.parametrize("training", [True, False])
def test_each_example_is_standardised_over_its_units_and_places_in_training_and_prediction(case, training):
    model, x = case
    model.train(training)
    linear = nn.functional.linear if x.dim() == 2 else getattr(nn.functional, f"conv{x.dim() - 2}d")
    z = linear(x, model[0].weight, model[0].bias).detach().numpy()
    gain, shift = (t.detach().numpy() for t in (model[0].norm.weight, model[0].norm.bias))

    y = model[0](x)

    agrees(y, reference.layer_norm_forward(z, gain, shift, eps=0.01))
    rejects(y, reference.layer_norm_forward(z, gain, shift, eps=0.011))


def test_backward_is_the_chain_rule(case):
    model, x = case
    norm = model[0].norm
    z = numbers(8, 6, *model[0](x).shape[2:], seed=3).requires_grad_()
    grad_y = numbers(*z.shape, seed=4)

    grads = torch.autograd.grad(norm(z), (z, norm.weight, norm.bias), grad_y)

    parts = grad_y.numpy(), z.detach().numpy(), norm.weight.detach().numpy()
    agrees(grads, reference.layer_norm_backward(*parts, eps=0.01))
    rejects(grads, reference.layer_norm_backward(*parts, eps=0.011))


@pytest.mark.parametrize("places", [(), (5, 5)])
def test_the_definition_is_torch_s_layer_norm_over_everything_but_the_rows(places):
    x, gain, shift = numbers(8, 6, *places), numbers(6, seed=1), numbers(6, seed=2)
    wide = [t.view(6, *(1 for _ in places)).expand(6, *places) for t in (gain, shift)]

    ours = reference.layer_norm_forward(x.numpy(), gain.numpy(), shift.numpy(), eps=0.01)

    agrees(nn.functional.layer_norm(x, (6, *places), *wide, eps=0.01), ours)


def test_the_bias_before_the_norm_stays_and_no_tensor_of_the_user_is_renamed(case):
    model, _ = case

    names = [name for name, _ in model.named_parameters() if "norm" not in name]

    assert names == ["0.weight", "0.bias", f"{len(model) - 1}.weight", f"{len(model) - 1}.bias"]


@pytest.mark.parametrize(("first", "then"), [(BatchNorm(), LayerNorm()), (LayerNorm(), BatchNorm())])
def test_two_norms_of_a_recipe_stand_one_after_the_other(first, then):
    plain, shape = MODELS["linear"]
    x = numbers(*shape)

    model = rebuilt(plain, x, first, then)

    layer = model[0]
    z = nn.functional.linear(x, layer.weight, layer.bias)
    agrees(layer(x), layer.norm_2(layer.norm(z)))
    assert (layer.bias is None) == isinstance(first, BatchNorm)


def test_a_hidden_layer_of_one_unit_is_refused():
    narrow = nn.Sequential(nn.Linear(4, 1), nn.ReLU(), nn.Linear(1, 3)).double()

    with pytest.raises(DampenError, match="LayerNorm needs hidden layers of at least two units; '0' has one"):
        LayerNorm().check(an_at(layout=layout_of(narrow, numbers(8, 4))))
