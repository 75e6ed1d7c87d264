import numpy as np
import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects

from dampen import reference
from dampen.contracts import Site
from dampen.randomness import make_key
from dampen.techniques.model.shake_drop import ShakeDrop


def at_block(block, num_blocks=4):
    return an_at(site=Site("branch", block / num_blocks))


def numbers_of(draws, probability, block):
    """b, alpha and beta of every example, found back from the two factors (0 where b = 1 hides them)."""
    expectation = 1 - probability * block / 4
    forward, backward = (draws[name].flatten().numpy() * expectation for name in ("forward", "backward"))
    kept = (abs(forward - 1) < 1e-9) & (abs(backward - 1) < 1e-9)
    return kept, forward * ~kept, backward * ~kept


@pytest.mark.parametrize("shape", [(20, 6), (20, 2, 3, 3)])
@pytest.mark.parametrize("probability", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("block", [1, 4])
def test_forward_and_backward_are_the_definition(shape, probability, block):
    technique, at = lifted(ShakeDrop(probability)), at_block(block)
    branch, grad_y = numbers(*shape).requires_grad_(), numbers(*shape, seed=1)
    draws = technique.draw(branch, make_key(3, 5), at)

    y = technique.activation(branch, draws, at)
    (grad,) = torch.autograd.grad(y, branch, grad_y)

    kept, alpha, beta = numbers_of(draws, probability, block)
    x, grad_y = branch.detach().numpy(), grad_y.numpy()
    agrees(y, reference.shake_drop_forward(x, kept, alpha, probability, block, 4))
    agrees(grad, reference.shake_drop_backward(grad_y, kept, beta, probability, block, 4))
    rejects(y, reference.shake_drop_forward(x, kept, alpha, probability + 0.01, block, 4))
    rejects(grad, reference.shake_drop_backward(grad_y, kept, beta, probability + 0.01, block, 4))


def test_it_shakes_whole_examples_as_often_as_the_probability_says_by_numbers_of_the_papers_ranges():
    technique, x, at = lifted(ShakeDrop(0.8)), torch.ones(5000, 2, 2, 2, dtype=torch.float64), at_block(3)

    draws = technique.draw(x, make_key(1, 1), at)
    y = technique.activation(x, draws, at).flatten(1)
    kept, alpha, beta = numbers_of(draws, 0.8, 3)

    agrees(y, y[:, :1].expand(-1, 8), rtol=0, atol=0)
    agrees((~kept).mean(), 0.6, atol=0.02)
    agrees([alpha[~kept].mean(), beta[~kept].mean()], [0.0, 0.5], atol=0.03)
    agrees([alpha[~kept].std(), beta[~kept].std()], [2 / 12**0.5, 1 / 12**0.5], rtol=0.03)
    assert -1 <= alpha.min() < -0.99
    assert 0.99 < alpha.max() <= 1
    assert beta.min() >= 0
    assert 0.99 < beta.max() <= 1


def test_alpha_and_beta_are_independent():
    technique, x, at = lifted(ShakeDrop(0.8)), torch.ones(5000, 1, dtype=torch.float64), at_block(4)

    kept, alpha, beta = numbers_of(technique.draw(x, make_key(1, 1), at), 0.8, 4)

    agrees(np.corrcoef(alpha[~kept], beta[~kept])[0, 1], 0.0, atol=0.05)


def test_the_mean_over_many_draws_is_the_branch_itself():
    technique, x, at = lifted(ShakeDrop(0.6)), numbers(6), at_block(3)

    draws = [technique.draw(x, make_key(1, step), at) for step in range(4000)]

    mean = torch.stack([technique.activation(x, d, at) for d in draws]).mean(0)
    agrees(mean, x, rtol=0.08)


def test_probability_0_is_the_branch_itself_with_its_own_gradient():
    technique, at, x = lifted(ShakeDrop(0.0)), at_block(4), numbers(50, 4).requires_grad_()

    y = technique.activation(x, technique.draw(x, make_key(1, 1), at), at)

    grad_y = numbers(50, 4, seed=1)
    agrees([y, *torch.autograd.grad(y, x, grad_y)], [x, grad_y], rtol=0, atol=0)
