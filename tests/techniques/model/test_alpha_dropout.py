import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects

from dampen import Recipe, reference
from dampen.errors import DampenError
from dampen.randomness import make_key
from dampen.techniques.model.alpha_dropout import LOWEST, AlphaDropout
from dampen.training.problem import check_fits
from dampen.worlds import small_problem


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_it_is_the_definition(rate):
    technique, x = lifted(AlphaDropout(rate)), numbers(8, 6)
    draws = technique.draw(x, make_key(3, 5), an_at())

    y = technique.activation(x, draws, an_at())

    agrees(y, reference.alpha_dropout(x.numpy(), draws["keep"].numpy() != 0, rate))
    rejects(y, reference.alpha_dropout(x.numpy(), draws["keep"].numpy() != 0, rate + 0.01))


def test_a_silent_unit_takes_the_lowest_value_of_selu():
    agrees(torch.tensor(LOWEST, dtype=torch.float64), torch.selu(torch.tensor(-1e3, dtype=torch.float64)))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_mean_0_and_variance_1_stay(rate):
    technique, x = lifted(AlphaDropout(rate)), numbers(400, 500)

    y = technique.activation(x, technique.draw(x, make_key(1, 1), an_at()), an_at())

    agrees([y.mean(), y.var()], [0.0, 1.0], atol=0.02)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_rate_0_changes_no_bit_and_rate_1_gives_zeros_with_a_zero_gradient(dtype):
    x = numbers(50, 40).to(dtype).requires_grad_()
    still, gone = (
        technique.activation(x, technique.draw(x, make_key(1, 1), an_at()), an_at())
        for technique in (lifted(AlphaDropout(rate)) for rate in (0.0, 1.0))
    )

    (grad_x,) = torch.autograd.grad(gone.sum(), x)

    zeros = torch.zeros_like(x)
    agrees([still, gone, grad_x], [x, zeros, zeros], rtol=0, atol=0)
    agrees(reference.alpha_dropout(x.detach().double().numpy(), (zeros != 0).numpy(), 1.0), zeros.double())


def test_a_network_with_other_activations_is_refused():
    with pytest.raises(DampenError, match="AlphaDropout needs SELU as every hidden activation"):
        check_fits(small_problem(), Recipe((AlphaDropout(),)))
