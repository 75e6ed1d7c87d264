import pytest
import torch
from helpers import agrees, an_at, numbers, rejects
from torch import nn

from dampen import Recipe, ResidualCNN, reference
from dampen.contracts import Site
from dampen.errors import DampenError
from dampen.models.layout import layout_of
from dampen.models.markers import Branch, Join
from dampen.randomness import make_key
from dampen.techniques.model.shake_shake import ShakeShake
from dampen.training.problem import check_fits
from dampen.worlds import small_problem


@pytest.mark.parametrize("shape", [(9, 6), (9, 2, 3, 3)])
def test_forward_and_backward_are_the_definition(shape):
    technique, parts = ShakeShake(), [numbers(*shape, seed=n).requires_grad_() for n in range(3)]
    at, grad_y = an_at(site=Site("join", 1.0, inputs=tuple(parts))), numbers(*shape, seed=4)
    x = Join()(*parts)
    draws = technique.draw(x, make_key(3, 5), at)

    y = technique.activation(x, draws, at)
    grads = torch.autograd.grad(y, parts, grad_y)

    alpha, beta = ((draws[name].flatten().numpy() + 1) / 2 for name in ("forward", "backward"))
    arrays = [part.detach().numpy() for part in parts]
    agrees(y, reference.shake_shake_forward(*arrays, alpha))
    agrees(grads, reference.shake_shake_backward(grad_y.numpy(), beta))
    rejects(y, reference.shake_shake_forward(*arrays, alpha + 0.01))
    rejects(grads, reference.shake_shake_backward(grad_y.numpy(), beta + 0.01))
    rejects(alpha, beta, at_least=0.1)


def test_shares_are_uniform_between_0_and_1_and_one_per_example():
    draws = ShakeShake().draw(numbers(5000, 2, 3, 3), make_key(1, 1), an_at())

    for factor in draws.values():
        share = (factor + 1) / 2
        assert share.shape == (5000, 1, 1, 1)
        assert 0 <= share.min() < 0.01
        assert 0.99 < share.max() <= 1
        agrees([share.mean(), share.std()], [0.5, 1 / 12**0.5], rtol=0.03)


def test_the_mean_over_many_draws_is_the_sum_that_predicts():
    technique, parts = ShakeShake(), [numbers(6, seed=n) for n in range(3)]
    at, x = an_at(site=Site("join", 1.0, inputs=tuple(parts))), sum(parts)

    draws = [technique.draw(x, make_key(1, step), at) for step in range(4000)]

    mean = torch.stack([technique.activation(x, d, at) for d in draws]).mean(0)
    agrees(mean, x, atol=0.05)


@pytest.mark.parametrize("num_branches", [1, 3])
def test_other_numbers_of_branches_are_refused(num_branches):
    problem = small_problem(world="blobs, two branches")
    object.__setattr__(problem, "model", ResidualCNN((4,), 1, num_branches))

    with pytest.raises(DampenError) as raised:
        check_fits(problem, Recipe((ShakeShake(),)))

    assert str(raised.value) == (
        "ShakeShake works on joins (sums of two or more residual branches); this model has none; "
        "it has inputs, activations, maps, layers, branches. "
        "Leave ShakeShake out, or name layers with `sites`."
        if num_branches == 1
        else "ShakeShake must stand where two residual branches join; blocks.0.join joins 3. Name other joins with "
        "`sites`, or leave ShakeShake out."
    )


def test_a_path_that_is_no_join_is_refused():
    layout = layout_of(nn.Sequential(nn.Linear(4, 4), Branch(nn.Linear(4, 3))), numbers(2, 4).float())

    with pytest.raises(DampenError, match="must stand where two residual branches join; 0 joins none"):
        ShakeShake(sites=("0",)).check(an_at(layout=layout))
