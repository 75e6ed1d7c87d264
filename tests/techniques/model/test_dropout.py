import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects

from dampen import reference
from dampen.randomness import make_key
from dampen.techniques.model.dropout import Dropout


@pytest.mark.parametrize("shape", [(8, 6), (3, 4, 5, 5)])
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.8])
def test_forward_and_backward_are_the_definition(shape, rate):
    technique = lifted(Dropout(rate))
    x, grad_y = numbers(*shape).requires_grad_(), numbers(*shape, seed=1)
    draws = technique.draw(x, make_key(3, 5), an_at())

    y = technique.activation(x, draws, an_at())
    (grad_x,) = torch.autograd.grad(y, x, grad_y)

    kept = draws["keep"].numpy() != 0
    agrees(y, reference.dropout_forward(x.detach().numpy(), kept, rate))
    rejects(y, reference.dropout_forward(x.detach().numpy(), kept, rate + 0.01))
    agrees(grad_x, reference.dropout_backward(grad_y.numpy(), kept, rate))
    rejects(grad_x, reference.dropout_backward(grad_y.numpy(), kept, rate + 0.01))


def test_the_mean_over_many_masks_is_the_undisturbed_activation():
    technique, x = lifted(Dropout(0.3)), numbers(10)

    draws = [technique.draw(x, make_key(1, step), an_at()) for step in range(4000)]

    mean = torch.stack([technique.activation(x, d, an_at()) for d in draws]).mean(0)
    agrees(mean, x, rtol=0.05)


def test_rate_1_gives_zeros_and_a_zero_gradient():
    technique, x = lifted(Dropout(1.0)), numbers(50, 4).requires_grad_()

    y = technique.activation(x, technique.draw(x, make_key(1, 1), an_at()), an_at())
    (grad_x,) = torch.autograd.grad(y.sum(), x)

    agrees([y, grad_x], [torch.zeros_like(x), torch.zeros_like(x)], rtol=0, atol=0)
    agrees(reference.dropout_forward(x.detach().numpy(), y.detach().numpy() != 0, 1.0), torch.zeros_like(x))


def test_the_share_of_silent_units_is_the_rate():
    draws = Dropout(0.2).draw(numbers(100, 500), make_key(1, 1), an_at())

    agrees((draws["keep"] == 0).double().mean(), 0.2, rtol=0.02)
