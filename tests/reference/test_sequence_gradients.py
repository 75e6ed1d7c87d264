"""The reference for sequences, held against central differences and against itself at its edges."""

import numpy as np
import pytest
from test_gradients import close, differences

from dampen import reference

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_locked_dropout(axis):
    x, grad_y = RNG.standard_normal((3, 4, 5)), RNG.standard_normal((3, 4, 5))
    kept = RNG.random([size for place, size in enumerate(x.shape) if place != axis]) < 0.6

    gradient = reference.locked_dropout_backward(grad_y, kept, 0.4, axis)

    close(gradient, differences(lambda v: np.sum(reference.locked_dropout_forward(v, kept, 0.4, axis) * grad_y), x))


def test_a_swap_of_two_chosen_tokens_exchanges_them():
    assert reference.token_swap([5, 6, 7, 8, 0], [0.9, 0.2, 0.8, 0.1, 0.0], 0.5) == [5, 8, 7, 6, 0]


def test_one_chosen_token_stays():
    assert reference.token_swap([5, 6, 7, 8], [0.9, 0.2, 0.8, 0.7], 0.5) == [5, 6, 7, 8]
