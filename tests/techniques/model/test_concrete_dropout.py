import math

import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects
from torch import nn

from dampen import Adam, Recipe, load, reference
from dampen.contracts import Seen, Site
from dampen.data.dataset import from_arrays
from dampen.errors import DampenError
from dampen.laws import plan_for
from dampen.models.layout import layout_of
from dampen.randomness import make_key
from dampen.techniques.model.concrete_dropout import ConcreteDropout
from dampen.training.fit import fit_pack
from dampen.training.problem import Member, Problem


class Rows:
    num_rows = 17


def at_site(offset, **fields):
    own = {"1": torch.tensor(offset, dtype=torch.float64, requires_grad=True)}
    return an_at(site=Site("1", 1.0), own=own, facts=Rows, **fields)


def moved(rate, offset):
    return 1 / (1 + math.exp(-(math.log(rate / (1 - rate)) + offset)))


@pytest.mark.parametrize("shape", [(9, 6), (3, 4, 5, 5), (4, 5, 3)])
@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("offset", [0.0, 0.7])
def test_forward_and_backward_are_the_definition(shape, rate, offset):
    technique, at = lifted(ConcreteDropout(rate)), at_site(offset)
    x, grad_y = numbers(*shape).requires_grad_(), numbers(*shape, seed=1)
    draws = technique.draw(x, make_key(3, 5), at)

    y = technique.activation(x, draws, at)
    grads = torch.autograd.grad(y, (x, at.own["1"]), grad_y)

    u, now = torch.sigmoid(draws["logit"]).numpy(), moved(rate, offset)
    agrees(y, reference.concrete_dropout(x.detach().numpy(), u, now), rtol=1e-10)
    rejects(y, reference.concrete_dropout(x.detach().numpy(), u, now + 0.01))
    expected = reference.concrete_dropout_backward(grad_y.numpy(), x.detach().numpy(), u, now)
    agrees(grads, expected, rtol=1e-9, atol=1e-9)
    rejects(grads, reference.concrete_dropout_backward(grad_y.numpy(), x.detach().numpy(), u, now + 0.01))


@pytest.mark.parametrize(
    ("shape", "time_axis", "masks"),
    [
        ((5, 6), None, (5, 6)),
        ((5, 6, 4, 4), None, (5, 6, 1, 1)),
        ((5, 6, 4), 1, (5, 6, 4)),
        ((5, 6, 4), 2, (5, 6, 1)),
    ],
)
def test_channels_of_images_and_series_share_a_mask(shape, time_axis, masks):
    at = at_site(0.0)

    draws = ConcreteDropout().draw(numbers(*shape), make_key(1, 1), at._replace(site=Site("1", 1.0, (), time_axis)))

    assert draws["logit"].shape == masks


@pytest.mark.parametrize(
    ("model", "example", "num_units", "reader"),
    [
        (nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)), numbers(5, 4), 6, "2"),
        (nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 3, 3)), numbers(5, 2, 7, 7), 6, "2"),
        (nn.Sequential(nn.Conv1d(2, 6, 3), nn.ReLU(), nn.Conv1d(6, 3, 3)), numbers(5, 2, 9), 6, "2"),
        (nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.LSTM(6, 3)), numbers(5, 7, 4), 6, "2"),
    ],
    ids=["units", "channels", "series", "sequence"],
)
def test_the_penalty_is_the_papers_with_the_weights_that_read_the_site(model, example, num_units, reader):
    model = model.double()
    technique = lifted(ConcreteDropout(0.2, weight_strength=0.3, entropy_strength=0.7))
    at = at_site(0.4, layout=layout_of(model, example))
    params = dict(model.named_parameters())
    seen = Seen(params, numbers(3, 3), {}, None, {})
    (name,) = (n for n in at.layout.weights((reader,)) if "weight_hh" not in n)

    penalty = technique.penalty(seen, at)
    grads = torch.autograd.grad(penalty, (params[name], at.own["1"]))

    def arguments(rate=0.2, weight_strength=0.3, entropy_strength=0.7, units=num_units):
        return params[name].detach().numpy(), moved(rate, 0.4), units, 17, weight_strength, entropy_strength

    agrees(penalty, reference.concrete_penalty(*arguments()))
    agrees(grads, reference.concrete_penalty_gradient(*arguments()))
    rejects(penalty, reference.concrete_penalty(*arguments(rate=0.21)))
    rejects(penalty, reference.concrete_penalty(*arguments(weight_strength=0.31)))
    rejects(penalty, reference.concrete_penalty(*arguments(entropy_strength=0.71)))
    rejects(penalty, reference.concrete_penalty(*arguments(units=7)))


def test_rate_0_changes_exactly_nothing_whatever_the_other_strengths():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    technique, at = lifted(ConcreteDropout(0.0)), at_site(0.0, layout=layout_of(model, numbers(5, 4)))
    x, seen = numbers(5, 6), Seen(dict(model.named_parameters()), numbers(5, 3), {}, None, {})

    y = technique.activation(x, technique.draw(x, make_key(1, 1), at), at)
    penalty = technique.penalty(seen, at)
    (gradient,) = torch.autograd.grad(y.sum() + penalty, at.own["1"])

    agrees([y, penalty, gradient], [x, 0.0, 0.0], rtol=0, atol=0)


def test_the_mean_over_many_masks_is_nearly_the_activation_and_the_silent_share_nearly_the_rate():
    technique, at, x = lifted(ConcreteDropout(0.3)), at_site(0.0), torch.ones(20000, 3, dtype=torch.float64)

    y = technique.activation(x, technique.draw(x, make_key(1, 1), at), at)

    agrees(y.mean(0), x[0], rtol=0.015)
    agrees((y < 0.5 / 0.7).double().mean(), 0.3, rtol=0.03)


def test_the_rate_of_a_place_that_tells_nothing_ends_higher_than_that_of_one_that_does():
    """A linear model reads a table of digits' pixels and of noise, each half with a rate of its own."""
    digits = load("digits")
    columns = torch.cat([digits.inputs[:400].flatten(1), 5 * numbers(400, 64).float()], 1)

    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.useful, self.useless, self.head = nn.Flatten(), nn.Flatten(), nn.Linear(128, 10)

        def forward(self, x):
            return self.head(torch.cat([self.useful(x[:, :64]), self.useless(x[:, 64:])], 1))

    data = from_arrays(columns.numpy(), digits.targets[:400].argmax(1).numpy())
    problem = Problem(data, Halves, epochs=80, precision="float32")
    technique = ConcreteDropout(0.3, entropy_strength=0.3, sites=("useful", "useless"))
    recipe = Recipe((technique,), Adam(lr=0.03))

    (fitted,) = fit_pack(problem, [Member("", recipe, 0)], plan_for(problem, recipe, 1))

    useful, useless = (fitted.params[f"ConcreteDropout:{site}"].item() for site in ("useful", "useless"))
    assert useless > useful + 0.3


def test_a_place_after_the_last_weights_is_refused():
    layout = layout_of(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), numbers(2, 4).float())

    with pytest.raises(DampenError) as raised:
        ConcreteDropout(sites=("1",)).check(an_at(layout=layout))

    assert str(raised.value) == (
        "ConcreteDropout must stand before a layer with weights; none runs after 1. Name other places with `sites`."
    )
