"""Noise whose size is learned: what it computes, weight by weight, and its gradients by the learned numbers."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

# ------------------------------------------------------------------ variational dropout


def variational_dropout(x: Array, weight: Array, bias: Array, alpha: Array, e: Array) -> Array:
    """z_nj = sum_i x_ni w_ji + bias_j + sqrt(sum_i x_ni^2 alpha_ji w_ji^2) * e_nj

    If every weight were drawn from N(w_ji, alpha_ji * w_ji^2) for every example, its output would be normal with
    this mean and this variance: one number e per output does the work of one number per weight.

    x: (N, I). weight, alpha: (J, I). bias: (J,). e: (N, J), standard normal. Returns (N, J).
    Kingma et al., Variational Dropout and the Local Reparameterization Trick, 2015, equations 6 and 7.
    """
    z = np.zeros(e.shape)
    for example, unit in np.ndindex(e.shape):
        mean, variance = bias[unit], 0.0
        for i in range(x.shape[1]):
            mean += x[example, i] * weight[unit, i]
            variance += x[example, i] ** 2 * alpha[unit, i] * weight[unit, i] ** 2
        z[example, unit] = mean + math.sqrt(variance) * e[example, unit]
    return z


K1, K2, K3 = 0.63576, 1.87320, 1.48695


def variational_divergence(log_alpha: Array) -> float:
    """KL = -sum (k1 * sigmoid(k2 + k3 log alpha) - log(1 + 1 / alpha) / 2 - k1), one summand per weight

    Close to the divergence of N(w, alpha w^2) from the log-uniform prior, whose value does not depend on w. It
    falls to 0 as alpha grows: noise is what the prior likes.

    log_alpha: any shape, one per weight.
    Molchanov et al., Variational Dropout Sparsifies Deep Neural Networks, 2017, equation 14.
    """
    total = 0.0
    for value in log_alpha.ravel().tolist():
        total -= K1 / (1 + math.exp(-(K2 + K3 * value))) - 0.5 * math.log(1 + 1 / math.exp(value)) - K1
    return total


def variational_divergence_gradient(log_alpha: Array) -> Array:
    """dKL/dlog alpha = -k1 k3 s (1 - s) - 1 / (2 (1 + alpha)), s = sigmoid(k2 + k3 log alpha)

    Never positive: the divergence only ever pushes the noise up. Returns the shape of log_alpha.
    """
    gradient = np.zeros(log_alpha.shape)
    for place in np.ndindex(log_alpha.shape):
        s = 1 / (1 + math.exp(-(K2 + K3 * log_alpha[place])))
        gradient[place] = -K1 * K3 * s * (1 - s) - 0.5 / (1 + math.exp(log_alpha[place]))
    return gradient


# ------------------------------------------------------------------ concrete dropout


def concrete_dropout(x: Array, u: Array, rate: float, temperature: float = 0.1) -> Array:
    """y = x * (1 - s) / (1 - rate), s = sigmoid((log(rate / (1 - rate)) + log(u / (1 - u))) / temperature)

    s is nearly 1 where u > 1 - rate, which happens with probability rate, and nearly 0 elsewhere: a dropout mask
    that has a derivative with respect to the rate.

    x: (N, C, ...). u: (N, C, ...) in (0, 1), or with axes of length 1 where a mask is shared. Returns x's shape.
    Gal et al., Concrete Dropout, 2017, equation 5.
    """
    y = np.zeros(x.shape)
    shared = np.broadcast_to(u, x.shape)
    for place in np.ndindex(x.shape):
        y[place] = x[place] * (1 - _dropped(shared[place], rate, temperature)) / (1 - rate)
    return y


def concrete_dropout_backward(
    grad_y: Array, x: Array, u: Array, rate: float, temperature: float = 0.1
) -> tuple[Array, float]:
    """dL/dx = dL/dy * (1 - s) / (1 - rate), and dL/dlogit for logit = log(rate / (1 - rate))

    The logit reaches y by two roads: ds/dlogit = s (1 - s) / temperature, and 1 / (1 - rate) = 1 + exp(logit)
    with the derivative exp(logit) = rate / (1 - rate).
    """
    grad_x = np.zeros(x.shape)
    grad_logit = 0.0
    shared = np.broadcast_to(u, x.shape)
    for place in np.ndindex(x.shape):
        s = _dropped(shared[place], rate, temperature)
        grad_x[place] = grad_y[place] * (1 - s) / (1 - rate)
        by_logit = -s * (1 - s) / temperature / (1 - rate) + (1 - s) * rate / (1 - rate)
        grad_logit += float(grad_y[place] * x[place] * by_logit)
    return grad_x, grad_logit


def _dropped(u: float, rate: float, temperature: float) -> float:
    return 1 / (1 + math.exp(-(math.log(rate / (1 - rate)) + math.log(u / (1 - u))) / temperature))


def concrete_penalty(
    weight: Array, rate: float, num_units: int, num_rows: int, weight_strength: float, entropy_strength: float
) -> float:
    """(weight_strength * sum w^2 / (1 - rate) + entropy_strength * num_units * (p log p + q log q)) / num_rows

    with p = rate and q = 1 - rate. The first part asks for small weights and low rates, the second for rates near a
    half; rows speak against both.

    weight: of the layer that reads the units. Gal et al., Concrete Dropout, 2017, equations 3 and 4.
    """
    squares = sum(value**2 for value in weight.ravel().tolist())
    negative_entropy = rate * math.log(rate) + (1 - rate) * math.log(1 - rate)
    return (weight_strength * squares / (1 - rate) + entropy_strength * num_units * negative_entropy) / num_rows


def concrete_penalty_gradient(
    weight: Array, rate: float, num_units: int, num_rows: int, weight_strength: float, entropy_strength: float
) -> tuple[Array, float]:
    """The derivatives with respect to the weights and to logit = log(rate / (1 - rate))

    d(1 / (1 - rate))/dlogit = rate / (1 - rate), and d(p log p + q log q)/dlogit = logit * rate * (1 - rate).
    """
    squares, logit = sum(value**2 for value in weight.ravel().tolist()), math.log(rate / (1 - rate))
    by_logit = weight_strength * squares * rate / (1 - rate) + entropy_strength * num_units * logit * rate * (1 - rate)
    return 2 * weight_strength * weight / (1 - rate) / num_rows, by_logit / num_rows
