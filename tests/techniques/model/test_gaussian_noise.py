import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects

from dampen import reference
from dampen.randomness import make_key
from dampen.techniques.model.gaussian_noise import GaussianNoise


@pytest.mark.parametrize("stddev", [0.1, 3.0])
def test_it_is_the_definition(stddev):
    technique, x = lifted(GaussianNoise(stddev)), numbers(8, 6)
    draws = technique.draw(x, make_key(3, 5), an_at())

    y = technique.activation(x, draws, an_at())

    agrees(y, reference.gaussian_noise(x.numpy(), draws["noise"].numpy(), stddev))
    rejects(y, reference.gaussian_noise(x.numpy(), draws["noise"].numpy(), stddev * 1.02))


def test_stddev_0_changes_no_bit():
    technique, x = lifted(GaussianNoise(0.0)), numbers(50, 40)

    agrees(technique.activation(x, technique.draw(x, make_key(1, 1), an_at()), an_at()), x, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_noise_has_mean_0_and_the_standard_deviation_whatever_the_activation_is(dtype):
    technique = GaussianNoise(0.5)
    for level in (0.0, 2.0):
        x = torch.full((400, 500), level, dtype=dtype)

        added = (technique.activation(x, technique.draw(x, make_key(1, 1), an_at()), an_at()) - x).double()

        agrees(added.mean(), 0.0, atol=0.005)
        agrees(added.std(), 0.5, rtol=0.01)
