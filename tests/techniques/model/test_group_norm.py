import pytest
import torch
from helpers import agrees, an_at, numbers, rejects
from torch import nn

from dampen import DampenError, reference
from dampen.models.layout import layout_of
from dampen.techniques.model.group_norm import GroupNorm


def rebuilt(model, x, technique):
    return technique.rebuild(model.double(), an_at(layout=layout_of(model.double(), x)))


@pytest.fixture(params=["linear", "conv"])
def case(request):
    """A rebuilt network in three groups whose gain and shift are no round numbers, and its input."""
    torch.manual_seed(0)
    linear = request.param == "linear"
    plain = nn.Sequential(
        nn.Linear(4, 48) if linear else nn.Conv2d(2, 48, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)
    )
    x = numbers(8, 4) if linear else numbers(8, 2, 5, 5)
    plain.double()(x)
    model = rebuilt(plain, x, GroupNorm(num_groups=3, eps=0.01))
    for seed, tensor in enumerate((model[0].norm.weight, model[0].norm.bias)):
        tensor.data.copy_(numbers(48, seed=seed))
    return model, x


@pytest.mark.parametrize("training", [True, False])
def test_each_example_is_standardised_over_groups_of_channels(case, training):
    model, x = case
    model.train(training)
    linear = nn.functional.linear if x.dim() == 2 else nn.functional.conv2d
    z = linear(x, model[0].weight, model[0].bias).detach().numpy()
    gain, shift = (t.detach().numpy() for t in (model[0].norm.weight, model[0].norm.bias))

    y = model[0](x)

    agrees(y, reference.group_norm_forward(z, gain, shift, 3, eps=0.01))
    rejects(y, reference.group_norm_forward(z, gain, shift, 3, eps=0.011))
    rejects(y, reference.group_norm_forward(z, gain, shift, 2, eps=0.01))


def test_backward_is_the_chain_rule(case):
    model, x = case
    norm = model[0].norm
    z = numbers(8, 48, *model[0](x).shape[2:], seed=3).requires_grad_()
    grad_y = numbers(*z.shape, seed=4)

    grads = torch.autograd.grad(norm(z), (z, norm.weight, norm.bias), grad_y)

    parts = grad_y.numpy(), z.detach().numpy(), norm.weight.detach().numpy()
    agrees(grads, reference.group_norm_backward(*parts, 3, eps=0.01))
    rejects(grads, reference.group_norm_backward(*parts, 3, eps=0.011))


@pytest.mark.parametrize("num_groups", [1, 2, 3, 4, 5, 32])
@pytest.mark.parametrize("channels", [1, 2, 6, 7, 8, 64, 128])
def test_a_layer_gets_the_most_groups_that_fit_it(num_groups, channels):
    for places in (1, 25):
        conv = nn.Sequential(nn.Conv2d(1, channels, 5 if places == 1 else 1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
        conv.double()(numbers(2, 1, 5, 5))

        norm = rebuilt(conv, numbers(2, 1, 5, 5), GroupNorm(num_groups))[0].norm

        assert norm.num_groups == reference.groups_of(channels, places, num_groups)
        assert norm.num_groups <= num_groups


def test_64_channels_with_places_get_the_paper_s_32_groups_and_64_units_without_4():
    assert (reference.groups_of(64, 49, 32), reference.groups_of(64, 1, 32)) == (32, 4)


def test_a_hidden_layer_of_one_unit_is_refused():
    narrow = nn.Sequential(nn.Linear(4, 1), nn.ReLU(), nn.Linear(1, 3)).double()

    with pytest.raises(DampenError, match="GroupNorm needs hidden layers of at least two units; '0' has one"):
        GroupNorm().check(an_at(layout=layout_of(narrow, numbers(8, 4))))
