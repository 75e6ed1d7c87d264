import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects

from dampen import reference
from dampen.randomness import make_key
from dampen.techniques.model.spatial_dropout import SpatialDropout

SHAPES = {"series": (4, 6, 9), "images": (4, 6, 5, 7), "volumes": (4, 6, 2, 3, 4)}
every_kind = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


@every_kind
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.8])
def test_forward_and_backward_are_the_definition(shape, rate):
    technique = lifted(SpatialDropout(rate))
    x, grad_y = numbers(*shape).requires_grad_(), numbers(*shape, seed=1)
    draws = technique.draw(x, make_key(3, 5), an_at())

    y = technique.activation(x, draws, an_at())
    (grad_x,) = torch.autograd.grad(y, x, grad_y)

    kept = draws["keep"].flatten(1).numpy() != 0
    assert kept.shape == shape[:2]
    agrees(y, reference.spatial_dropout_forward(x.detach().numpy(), kept, rate))
    rejects(y, reference.spatial_dropout_forward(x.detach().numpy(), kept, rate + 0.01))
    agrees(grad_x, reference.spatial_dropout_backward(grad_y.numpy(), kept, rate))
    rejects(grad_x, reference.spatial_dropout_backward(grad_y.numpy(), kept, rate + 0.01))


@every_kind
def test_a_channel_is_silent_everywhere_or_nowhere_and_each_example_has_its_own(shape):
    x = torch.ones(200, *shape[1:])

    y = SpatialDropout(0.5).activation(x, SpatialDropout(0.5).draw(x, make_key(1, 1), an_at()), an_at())

    silent = (y == 0).double().flatten(2)
    agrees(silent.amax(2), silent.amin(2))
    rejects(silent[1:, :, 0], silent[:-1, :, 0])
    agrees(silent.mean(), 0.5, rtol=0.1)


@every_kind
def test_rate_1_gives_zeros_and_a_zero_gradient(shape):
    technique, x = lifted(SpatialDropout(1.0)), numbers(*shape).requires_grad_()

    y = technique.activation(x, technique.draw(x, make_key(1, 1), an_at()), an_at())
    (grad_x,) = torch.autograd.grad(y.sum(), x)

    agrees([y, grad_x], [torch.zeros_like(x), torch.zeros_like(x)], rtol=0, atol=0)
    agrees(y, reference.spatial_dropout_forward(x.detach().numpy(), (y != 0).flatten(2).any(2).numpy(), 1.0))
