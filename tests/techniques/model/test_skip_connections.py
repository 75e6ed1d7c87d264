import copy
import itertools

import numpy as np
import pytest
import torch
from helpers import agrees, an_at, numbers, rejects
from torch import nn
from torch.nn import functional as F

from dampen import BatchNorm, DampenError, Recipe, reference
from dampen.laws import plan_for
from dampen.models.layout import layout_of
from dampen.techniques.model.skip_connections import SkipConnections
from dampen.training.fit import fit_pack
from dampen.training.problem import Member, check_fits
from dampen.worlds import small_problem


def rebuilt(model, x, *techniques):
    model = copy.deepcopy(model).double()
    for technique in techniques:
        at = an_at(layout=layout_of(model, x))
        if hasattr(technique, "check"):
            technique.check(at)
        model = technique.rebuild(model, at)
    return model


def perceptron(*widths, kind=nn.Tanh):
    torch.manual_seed(0)
    layers = [part for a, b in itertools.pairwise(widths[:-1]) for part in (nn.Linear(a, b), kind())]
    return nn.Sequential(*layers, nn.Linear(*widths[-2:])).double()


@pytest.mark.parametrize("widths", [(4, 4, 3), (4, 6, 6, 3), (4, 6, 6, 5, 5, 5, 3), (5, 5, 5, 5)])
def test_layers_as_wide_as_what_they_get_add_it_to_what_they_make_of_it(widths):
    plain, x = perceptron(*widths), numbers(8, widths[0])
    tensors = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in plain if isinstance(m, nn.Linear)]

    y = rebuilt(plain, x, SkipConnections())(x)

    agrees(y, reference.skip_connections(x.numpy(), tensors, np.tanh))
    rejects(y, plain(x))


def test_an_activation_that_several_layers_share_carries_each_its_own():
    shared, x = nn.Tanh(), numbers(8, 4)
    plain = nn.Sequential(nn.Linear(4, 4), shared, nn.Linear(4, 6), shared, nn.Linear(6, 6), shared, nn.Linear(6, 3))
    tensors = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in plain.double() if isinstance(m, nn.Linear)]

    y = rebuilt(plain, x, SkipConnections())(x)

    agrees(y, reference.skip_connections(x.numpy(), tensors, np.tanh))


def test_convolutions_that_keep_channels_and_size_get_one_and_others_none():
    torch.manual_seed(0)
    conv = [
        nn.Conv2d(3, 3, 3, padding=1),
        nn.Conv2d(3, 3, 3, stride=2, padding=1),
        nn.Conv2d(3, 3, 3),
        nn.Conv2d(3, 5, 1),
    ]
    plain = nn.Sequential(*(part for c in conv for part in (c, nn.ReLU())), nn.Flatten(), nn.LazyLinear(2)).double()
    x = numbers(4, 3, 8, 8)
    plain(x)

    model = rebuilt(plain, x, SkipConnections())

    after = F.relu(conv[0](x)) + x
    for c in conv[1:]:
        after = F.relu(c(after))
    agrees(model(x), plain[-1](after.flatten(1)))


@pytest.mark.parametrize("order", [(BatchNorm(), SkipConnections()), (SkipConnections(), BatchNorm())])
def test_a_norm_stays_between_the_layer_and_its_activation_in_either_order(order):
    x = numbers(8, 4)

    model = rebuilt(perceptron(4, 4, 3), x, *order)

    layer = model[0]
    z = layer.norm(F.linear(x, layer.weight))
    agrees(model(x), model[2](torch.tanh(z) + x))


def test_a_norm_of_the_user_s_own_is_no_obstacle():
    plain = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3)).double()
    x = numbers(8, 4)

    model = rebuilt(plain, x, SkipConnections())

    agrees(model(x), model[3](torch.tanh(model[1](F.linear(x, model[0].weight, model[0].bias))) + x))


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.last(F.relu(self.first(x)))


@pytest.mark.parametrize(
    "model",
    [
        perceptron(4, 6, 3),
        nn.Sequential(nn.Linear(4, 4), nn.Tanh()),
        nn.Sequential(nn.Linear(4, 4), nn.MaxPool1d(2), nn.Tanh(), nn.Linear(2, 3)),
        Functional(),
    ],
    ids=["widths differ", "the output layer alone", "a pool between", "no activation module"],
)
def test_a_network_in_which_no_layer_fits_is_refused(model):
    with pytest.raises(DampenError, match="SkipConnections needs a hidden layer that keeps the shape"):
        rebuilt(model, numbers(8, 4), SkipConnections())


def test_a_recipe_is_refused_with_the_same_sentence_before_training():
    with pytest.raises(DampenError, match="Make two layers in a row equally wide"):
        check_fits(small_problem(), Recipe((SkipConnections(),)))


def test_a_copy_of_the_network_carries_for_itself_and_keys_stay():
    problem, recipe = small_problem(world="blobs, equal widths"), Recipe((SkipConnections(),))
    (fitted,) = fit_pack(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1))
    model, x = fitted.model(), problem.example(5)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.body[0].weight.zero_()

    before = model(x)
    twin(x)

    agrees(model(x), before, rtol=0, atol=0)
    plain = fit_pack(problem, [Member("", Recipe(), 1)], plan_for(problem, Recipe(), 1))[0].model()
    assert list(model.state_dict()) == list(plain.state_dict())
