"""What techniques on residual branches compute, example by example, forward and backward."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

# ------------------------------------------------------------------ stochastic depth


def stochastic_depth(branch: Array, kept: NDArray[np.bool_], rate: float, block: int, num_blocks: int) -> Array:
    """y = branch / (1 - p) for the examples that keep it, else 0, with p = rate * block / num_blocks

    The first of L blocks is left out with probability rate / L, the last one with probability rate. What is kept is
    made larger, so that y is the branch on average. The gradient with respect to the branch is the same function
    of the gradient with respect to y.

    branch: (N, ...). kept: (N,). block: from 1. Returns y in the shape of branch.
    Huang et al., Deep Networks with Stochastic Depth, 2016, section 3.
    """
    p = rate * block / num_blocks
    y = np.zeros(branch.shape)
    for example in range(len(branch)):
        if kept[example] and p < 1:
            y[example] = branch[example] / (1 - p)
    return y


# ------------------------------------------------------------------ ShakeDrop


def shake_drop_forward(
    branch: Array, kept: NDArray[np.bool_], alpha: Array, probability: float, block: int, num_blocks: int
) -> Array:
    """y = (b + alpha - b * alpha) * branch / E[b + alpha - b * alpha], b = 1 where kept, else 0

    p = probability * block / num_blocks is how often b is 0. alpha is 0 on average, so the expectation is 1 - p;
    the paper multiplies by it at prediction, here it is divided by in training.

    branch: (N, ...). kept, alpha: (N,), alpha in [-1, 1]. block: from 1. Returns y in the shape of branch.
    Yamada et al., ShakeDrop Regularization for Deep Residual Learning, 2019, equation 6.
    """
    expectation = 1 - probability * block / num_blocks
    y = np.zeros(branch.shape)
    for example in range(len(branch)):
        b = 1.0 if kept[example] else 0.0
        y[example] = (b + alpha[example] - b * alpha[example]) * branch[example] / expectation
    return y


def shake_drop_backward(
    grad_y: Array, kept: NDArray[np.bool_], beta: Array, probability: float, block: int, num_blocks: int
) -> Array:
    """dL/dbranch <- (b + beta - b * beta) * dL/dy / E[b + alpha - b * alpha]: beta in the place of alpha

    It is not the derivative of the forward pass: where the branch was shaken, its gradient is shaken by another
    number, in [0, 1]. The expectation is that of the forward pass: the larger branch is the paper's, divided by it.

    grad_y: (N, ...). kept, beta: (N,). Returns the shape of grad_y.
    Yamada et al., ShakeDrop Regularization for Deep Residual Learning, 2019, equation 7.
    """
    expectation = 1 - probability * block / num_blocks
    grad = np.zeros(grad_y.shape)
    for example in range(len(grad_y)):
        b = 1.0 if kept[example] else 0.0
        grad[example] = (b + beta[example] - b * beta[example]) * grad_y[example] / expectation
    return grad


# ------------------------------------------------------------------ Shake-Shake


def shake_shake_forward(skip: Array, first: Array, second: Array, alpha: Array) -> Array:
    """y = skip + 2 * (alpha * first + (1 - alpha) * second), one alpha per example

    At the mean of alpha, a half, it is skip + first + second: the sum that predicts.

    skip, first, second: (N, ...). alpha: (N,), in [0, 1]. Returns y in their shape.
    Gastaldi, Shake-Shake Regularization, 2017, equation 2.
    """
    y = np.zeros(skip.shape)
    for example, share in enumerate(alpha):
        y[example] = skip[example] + 2 * (share * first[example] + (1 - share) * second[example])
    return y


def shake_shake_backward(grad_y: Array, beta: Array) -> tuple[Array, Array, Array]:
    """dL/dskip = dL/dy,  dL/dfirst <- 2 * beta * dL/dy,  dL/dsecond <- 2 * (1 - beta) * dL/dy

    beta is another number than the forward pass's alpha. grad_y: (N, ...). beta: (N,).
    Gastaldi, Shake-Shake Regularization, 2017, section 1.2.
    """
    first, second = np.zeros(grad_y.shape), np.zeros(grad_y.shape)
    for example, share in enumerate(beta):
        first[example] = 2 * share * grad_y[example]
        second[example] = 2 * (1 - share) * grad_y[example]
    return grad_y.copy(), first, second
