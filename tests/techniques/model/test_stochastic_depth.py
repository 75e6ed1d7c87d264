import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects

from dampen import reference
from dampen.contracts import Site
from dampen.randomness import make_key
from dampen.techniques.model.stochastic_depth import StochasticDepth


def at_block(block, num_blocks):
    return an_at(site=Site("branch", block / num_blocks))


@pytest.mark.parametrize("shape", [(20, 6), (20, 4, 5), (20, 2, 3, 3)])
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("block", [1, 3])
def test_forward_and_backward_are_the_definition(shape, rate, block):
    technique, at = lifted(StochasticDepth(rate)), at_block(block, 4)
    branch, grad_y = numbers(*shape).requires_grad_(), numbers(*shape, seed=1)
    draws = technique.draw(branch, make_key(3, 5), at)

    y = technique.activation(branch, draws, at)
    (grad,) = torch.autograd.grad(y, branch, grad_y)

    def expected(thing, rate, block):
        return reference.stochastic_depth(thing.detach().numpy(), draws["keep"].flatten().numpy() != 0, rate, block, 4)

    agrees(y, expected(branch, rate, block))
    agrees(grad, expected(grad_y, rate, block))
    rejects(y, expected(branch, rate + 0.01, block))
    if rate:
        rejects(y, expected(branch, rate, block + 1))


def test_a_branch_is_left_out_for_whole_examples_and_oftener_the_deeper_it_stands():
    technique, x = lifted(StochasticDepth(0.6)), torch.ones(4000, 3, 2, 2, dtype=torch.float64)

    outputs = [technique.activation(x, technique.draw(x, make_key(1, b), at), at) for b, at in blocks_of(3)]
    left_out = [(y == 0).flatten(1) for y in outputs]

    assert all((rows.all(1) == rows.any(1)).all() for rows in left_out)
    agrees([rows.double().mean() for rows in left_out], [0.2, 0.4, 0.6], atol=0.03)


def blocks_of(num_blocks):
    return [(block, at_block(block, num_blocks)) for block in range(1, num_blocks + 1)]


def test_the_mean_over_many_draws_is_the_branch_itself():
    technique, x, at = lifted(StochasticDepth(0.5)), numbers(6), at_block(2, 3)

    draws = [technique.draw(x, make_key(1, step), at) for step in range(4000)]

    mean = torch.stack([technique.activation(x, d, at) for d in draws]).mean(0)
    agrees(mean, x, rtol=0.05)


def test_rate_1_leaves_the_last_branch_out_always_and_rate_0_never():
    x, at = numbers(50, 4), at_block(3, 3)

    always, never = (lifted(StochasticDepth(rate)) for rate in (1.0, 0.0))

    key = make_key(1, 1)
    agrees(always.activation(x, always.draw(x, key, at), at), torch.zeros_like(x), rtol=0, atol=0)
    agrees(never.activation(x, never.draw(x, key, at), at), x, rtol=0, atol=0)
