import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects
from torch import nn

from dampen import reference
from dampen.models.layout import layout_of
from dampen.techniques.weights.max_norm import MaxNorm
from dampen.tensors import unit_norms

# One layer each, its unit axis, and an input; weights are spread so that some units are long and some short.
LAYERS = {
    "linear": (nn.Linear(5, 6), 0, (3, 5)),
    "convolution": (nn.Conv2d(2, 6, 3), 0, (3, 2, 5, 5)),
    "transposed convolution": (nn.ConvTranspose2d(2, 6, 3), 1, (3, 2, 5, 5)),
}


@pytest.fixture(params=LAYERS)
def layer(request):
    """The tensors of a layer, its unit axis, and an `at` that knows its layout."""
    module, axis, shape = LAYERS[request.param]
    module = module.double()
    lengths = torch.linspace(0.1, 2, 6, dtype=torch.float64)
    weight = (numbers(*module.weight.shape).movedim(axis, -1) * lengths).movedim(-1, axis)
    at = an_at(layout=layout_of(module, numbers(*shape)))
    return {"weight": weight, "bias": 10 * numbers(6)}, axis, at


def test_long_units_are_shortened_and_short_ones_and_biases_are_left(layer):
    params, axis, at = layer

    result, _ = lifted(MaxNorm(2.0)).weights(params, {}, at)

    agrees(result["weight"], reference.max_norm(params["weight"].numpy(), 2.0, axis))
    rejects(result["weight"], reference.max_norm(params["weight"].numpy(), 2.1, axis))
    rejects(result["weight"], reference.max_norm(params["weight"].numpy(), 2.0, 1 - axis))
    agrees(result["bias"], params["bias"], rtol=0, atol=0)


def test_no_unit_is_longer_afterwards_and_a_second_time_changes_nothing(layer):
    params, axis, at = layer
    technique = lifted(MaxNorm(2.0))

    once, _ = technique.weights(params, {}, at)
    twice, _ = technique.weights(once, {}, at)

    assert unit_norms(once["weight"], axis).max() <= 2.0 * (1 + 1e-12)
    agrees(twice, once)


def test_a_unit_of_zeros_stays_zeros_and_infinity_changes_nothing(layer):
    params, _, at = layer
    zeros = {name: torch.zeros_like(w) for name, w in params.items()}

    for max_value in (0.0, 2.0):
        agrees(lifted(MaxNorm(max_value)).weights(zeros, {}, at)[0], zeros, rtol=0, atol=0)
    agrees(lifted(MaxNorm(float("inf"))).weights(params, {}, at)[0], params, rtol=0, atol=0)
    agrees(lifted(MaxNorm(float("inf"))).weights(zeros, {}, at)[0], zeros, rtol=0, atol=0)
