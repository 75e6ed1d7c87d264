import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects

from dampen import reference
from dampen.errors import DampenError
from dampen.randomness import make_key
from dampen.techniques.model.gaussian_dropout import GaussianDropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.99])
def test_it_is_the_definition(rate):
    technique, x = lifted(GaussianDropout(rate)), numbers(8, 6)
    draws = technique.draw(x, make_key(3, 5), an_at())

    y = technique.activation(x, draws, an_at())

    agrees(y, reference.gaussian_dropout(x.numpy(), draws["noise"].numpy(), rate))
    rejects(y, reference.gaussian_dropout(x.numpy(), draws["noise"].numpy(), rate - 0.01))


def test_rate_0_changes_no_bit():
    technique, x = lifted(GaussianDropout(0.0)), numbers(50, 40)

    agrees(technique.activation(x, technique.draw(x, make_key(1, 1), an_at()), an_at()), x, rtol=0, atol=0)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.8])
def test_the_factor_has_the_mean_and_the_variance_of_dropout_s(rate):
    x = torch.ones(400, 500)
    technique = GaussianDropout(rate)

    factor = technique.activation(x, technique.draw(x, make_key(1, 1), an_at()), an_at()).double()

    agrees(factor.mean(), 1.0, rtol=0.02)
    agrees(factor.var(), rate / (1 - rate), rtol=0.02)


def test_rate_1_whose_variance_is_infinite_is_refused():
    with pytest.raises(DampenError, match=r"GaussianDropout.rate must be between 0 and 0.99; got 1.0"):
        GaussianDropout(1.0)
