import pytest
import torch
from helpers import agrees, an_at, arrays, lifted, numbers, rejects

from dampen import reference
from dampen.techniques.gradient.clip_norm import ClipNorm
from dampen.tensors import global_norm

GRADS = {"w": numbers(6, 4), "b": 3 * numbers(6, seed=1)}
LENGTH = reference.global_norm(arrays(GRADS))


def clipped(max_norm, grads=GRADS):
    return lifted(ClipNorm(max_norm)).gradients(grads, {}, an_at())


@pytest.mark.parametrize("max_norm", [0.0, 0.3, 1.0, LENGTH * 0.99])
def test_a_long_gradient_is_shortened_over_all_tensors_together(max_norm):
    agrees(clipped(max_norm), reference.clip_norm(arrays(GRADS), max_norm))
    rejects(clipped(max_norm), reference.clip_norm(arrays(GRADS), max_norm * 1.001 + 1e-3))


def test_it_is_torchs_own_clipping():
    params = [torch.nn.Parameter(torch.zeros_like(g)) for g in GRADS.values()]
    for param, g in zip(params, GRADS.values(), strict=True):
        param.grad = g.clone()
    torch.nn.utils.clip_grad_norm_(params, 0.7)

    agrees(list(clipped(0.7).values()), [param.grad for param in params])


@pytest.mark.parametrize("max_norm", [LENGTH * 1.01, 1e6, float("inf")])
def test_a_short_gradient_passes_bit_for_bit(max_norm):
    agrees(clipped(max_norm), GRADS, rtol=0, atol=0)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 1e3])
def test_clipping_never_lengthens_and_never_turns(scale):
    grads = {name: scale * g for name, g in GRADS.items()}

    result = clipped(1.0, grads)

    assert global_norm(result) <= min(1.0, scale * LENGTH * (1 + 1e-12))
    shares = {name: g / global_norm(result) for name, g in result.items()}
    agrees(shares, {name: g / LENGTH for name, g in GRADS.items()})


def test_a_gradient_of_zeros_stays_zeros():
    zeros = {name: torch.zeros_like(g) for name, g in GRADS.items()}

    agrees([clipped(1.0, zeros), clipped(0.0, zeros)], [zeros, zeros], rtol=0, atol=0)
