import numpy as np
import pytest
import torch
from helpers import agrees, an_at, arrays, lifted, numbers, rejects

from dampen import reference
from dampen.techniques.gradient.sam import SAM

PARAMS = {"w": numbers(4, 3), "b": numbers(3, seed=1)}
X, Y = numbers(7, 4, seed=2), numbers(7, 3, seed=3)


def gradient_of(params):
    """Gradient of sum (tanh(X w + b) - Y)^2, and a note of which pass this was."""
    leaves = {name: p.detach().clone().requires_grad_() for name, p in params.items()}
    loss = (torch.tanh(X @ leaves["w"] + leaves["b"]) - Y).square().sum()
    return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True)), loss.detach()


def numpy_gradient_of(params):
    """The same by hand."""
    squashed = np.tanh(X.numpy() @ params["w"] + params["b"])
    inner = 2 * (squashed - Y.numpy()) * (1 - squashed**2)
    return {"w": X.numpy().T @ inner, "b": inner.sum(0)}


@pytest.mark.parametrize("rho", [0.0, 0.05, 1.0])
def test_it_is_the_gradient_at_the_worst_point_nearby(rho):
    grads, _ = lifted(SAM(rho)).around_gradient(gradient_of, an_at())(PARAMS)

    agrees(grads, reference.sam(numpy_gradient_of, arrays(PARAMS), rho))
    rejects(grads, reference.sam(numpy_gradient_of, arrays(PARAMS), rho + 0.01))


def test_on_a_quadratic_it_is_the_closed_form():
    # L = w' A w / 2 has the gradient A w; a step rho along it of length 1 adds rho A A w / |A w|.
    root = numbers(5, 5)
    a, w, rho = root @ root.T, numbers(5, seed=1), 0.3

    grads, _ = SAM(rho).around_gradient(lambda p: ({"w": a @ p["w"]}, None), an_at())({"w": w})

    agrees(grads["w"], a @ w + rho * (a @ a @ w) / torch.linalg.norm(a @ w))


def test_what_is_seen_is_the_first_pass_and_the_weights_are_not_moved():
    params = {name: p.clone() for name, p in PARAMS.items()}

    _, seen = lifted(SAM(0.5)).around_gradient(gradient_of, an_at())(params)

    agrees(seen, gradient_of(PARAMS)[1])
    agrees(params, PARAMS, rtol=0, atol=0)


def test_a_flat_place_is_left_where_it_is():
    visited = []

    def flat(params):
        visited.append(params)
        return {name: torch.zeros_like(p) for name, p in params.items()}, None

    lifted(SAM(0.5)).around_gradient(flat, an_at())(PARAMS)

    agrees(visited, [PARAMS, PARAMS], rtol=0, atol=0)
