"""What norms, reparametrised weights, skips and thawing compute, unit by unit; the norms forward and backward."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .model import batch_norm_forward

Array: TypeAlias = NDArray[np.float64]

# ------------------------------------------------------------------ norms of one example


def layer_norm_forward(x: Array, gain: Array, shift: Array, eps: float = 1e-5) -> Array:
    """y = gain * (x - mean) / sqrt(var + eps) + shift, example by example

    mean and var are those of all m numbers of the example: every unit, every place (var divides by m). gain and
    shift belong to a unit and are the same at all of its places. Prediction does the same as training.

    x: (N, C) or (N, C, ...), C units. gain, shift: (C,). Returns y in the shape of x.
    Ba, Kiros and Hinton, Layer Normalization, 2016, section 3, equation 3.
    """
    return group_norm_forward(x, gain, shift, 1, eps)


def layer_norm_backward(grad_y: Array, x: Array, gain: Array, eps: float = 1e-5) -> tuple[Array, Array, Array]:
    """The chain rule through y = gain * (x - mean) / sqrt(var + eps) + shift: `group_norm_backward` of one group."""
    return group_norm_backward(grad_y, x, gain, 1, eps)


def group_norm_forward(x: Array, gain: Array, shift: Array, num_groups: int, eps: float = 1e-5) -> Array:
    """y = gain * (x - mean) / sqrt(var + eps) + shift, example by example and group by group

    The C channels fall, in order, into groups of C / num_groups; mean and var are those of all numbers of a group.

    x: (N, C) or (N, C, ...). gain, shift: (C,). Returns y in the shape of x.
    Wu and He, Group Normalization, 2018, section 3, equations 1, 2, 6 and 7.
    """
    y = np.zeros(x.shape)
    for n in range(x.shape[0]):
        for group in _groups(x.shape[1], num_groups):
            mean, spread = _mean_and_spread(x[n, group], eps)
            for channel in group:
                y[n, channel] = gain[channel] * (x[n, channel] - mean) / spread + shift[channel]
    return y


def group_norm_backward(
    grad_y: Array, x: Array, gain: Array, num_groups: int, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """dL/dx = (g - mean(g) - s * mean(g * s)) / sqrt(var + eps),  g = gain * dL/dy,  s = (x - mean) / sqrt(var + eps)

    The means are over a group: what moves all of it alike, or stretches it, the norm takes away again.

    grad_y: dL/dy, in the shape of x. Returns dL/dx, dL/dgain (C,), dL/dshift (C,).
    """
    grad_x, grad_gain, grad_shift = np.zeros(x.shape), np.zeros(gain.shape), np.zeros(gain.shape)
    for n in range(x.shape[0]):
        for group in _groups(x.shape[1], num_groups):
            mean, spread = _mean_and_spread(x[n, group], eps)
            standard = {channel: (x[n, channel] - mean) / spread for channel in group}
            g = {channel: gain[channel] * grad_y[n, channel] for channel in group}
            mean_g = np.mean([g[channel] for channel in group])
            mean_gs = np.mean([g[channel] * standard[channel] for channel in group])
            for channel in group:
                grad_x[n, channel] = (g[channel] - mean_g - standard[channel] * mean_gs) / spread
                grad_gain[channel] += np.sum(grad_y[n, channel] * standard[channel])
                grad_shift[channel] += np.sum(grad_y[n, channel])
    return grad_x, grad_gain, grad_shift


def groups_of(num_channels: int, num_places: int, num_groups: int) -> int:
    """How many groups a layer gets: the most, up to num_groups, of equal size, two channels and 16 numbers each"""
    best = 1
    for groups in range(1, num_groups + 1):
        channels = num_channels / groups
        if channels == int(channels) and channels >= 2 and channels * num_places >= 16:
            best = groups
    return best


def _groups(num_channels: int, num_groups: int) -> list[list[int]]:
    size = num_channels // num_groups
    return [list(range(first, first + size)) for first in range(0, num_channels, size)]


def _mean_and_spread(numbers: Array, eps: float) -> tuple[float, float]:
    listed = numbers.ravel().tolist()
    mean = math.fsum(listed) / len(listed)
    return mean, math.sqrt(math.fsum((number - mean) ** 2 for number in listed) / len(listed) + eps)


# ------------------------------------------------------------------ ghost batch norm


def ghost_batch_norm_forward(
    x: Array,
    gain: Array,
    shift: Array,
    running_mean: Array,
    running_var: Array,
    *,
    ghost_size: int,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """Batch normalisation of each chunk of ghost_size rows on its own; the running statistics end at the mean of
    where the chunks would have taken them

    A chunk is rows that follow each other. In prediction there are no chunks.

    Arguments and results as in `batch_norm_forward`; ghost_size divides N.
    Hoffer, Hubara and Soudry, Train longer, generalize better, 2017, section 4, algorithm 1 (which moves the running
    statistics chunk after chunk).
    """
    parts = (gain, shift, running_mean, running_var)
    if not training:
        return batch_norm_forward(x, *parts, training=False, eps=eps)
    y, means, variances = np.zeros(x.shape), [], []
    for first in range(0, x.shape[0], ghost_size):
        rows = list(range(first, first + ghost_size))
        y[rows], mean, var = batch_norm_forward(x[rows], *parts, training=True, momentum=momentum, eps=eps)
        means.append(mean)
        variances.append(var)
    return y, np.mean(means, axis=0), np.mean(variances, axis=0)


# ------------------------------------------------------------------ whitening


def whitening(inputs: Array, training: Array, epsilon: float, kind: str = "zca") -> Array:
    """x <- W (x - mean),  W = U (S + epsilon)^-1/2 U^T, U S U^T the covariance of the training inputs

    The axes U and variances S come from the singular values of the centred training inputs themselves: no covariance
    is made. kind "standardise" divides every column by sqrt(its variance + epsilon) instead.

    inputs: (N, F). training: (M, F), standardised. Returns (N, F).
    Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009, appendix A.
    """
    mean = training.mean(0)
    centred = training - mean
    if kind == "standardise":
        return (inputs - mean) / np.sqrt((centred**2).mean(0) + epsilon)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=True)
    white = np.zeros(inputs.shape)
    for number, axis in enumerate(axes):
        variance = lengths[number] ** 2 / len(training) if number < len(lengths) else 0.0
        along = (inputs - mean) @ axis
        white += np.outer(along / math.sqrt(variance + epsilon), axis)
    return white


# ------------------------------------------------------------------ weights in another form


def weight_standardization(weight: Array, scale: float, eps: float) -> Array:
    """w_u = scale * (w_u - mean) / sqrt(var + eps), mean and var those of the unit's incoming weights

    weight: (units, ...). Returns the same shape.
    Qiao et al., Micro-Batch Training with Batch-Channel Normalization and Weight Standardization, 2019.
    """
    standardised = np.zeros(weight.shape)
    for unit in range(weight.shape[0]):
        mean, spread = _mean_and_spread(weight[unit], eps)
        standardised[unit] = scale * (weight[unit] - mean) / spread
    return standardised


def weight_norm(v: Array, g: Array) -> Array:
    """w_u = g_u * v_u / ||v_u||

    v: (units, ...). g: (units,). Returns w in the shape of v.
    Salimans and Kingma, Weight Normalization, 2016, equation 2.
    """
    return np.stack([g[unit] * v[unit] / _length(v[unit]) for unit in range(len(v))])


def weight_norm_backward(grad_w: Array, v: Array, g: Array) -> tuple[Array, Array]:
    """dL/dg = dL/dw . v / ||v||,  dL/dv = g / ||v|| * dL/dw - g * dL/dg / ||v||^2 * v, unit by unit

    What is left of dL/dw in v's direction goes to g alone. Returns dL/dv, dL/dg.
    Salimans and Kingma, Weight Normalization, 2016, equation 3.
    """
    grad_v, grad_g = np.zeros(v.shape), np.zeros(g.shape)
    for unit in range(len(v)):
        length = _length(v[unit])
        grad_g[unit] = np.sum(grad_w[unit] * v[unit]) / length
        grad_v[unit] = g[unit] / length * grad_w[unit] - g[unit] * grad_g[unit] / length**2 * v[unit]
    return grad_v, grad_g


def _length(vector: Array) -> float:
    return math.sqrt(math.fsum((vector.ravel() ** 2).tolist()))


def spectral_norm(weight: Array, u: Array, v: Array) -> tuple[Array, Array, Array]:
    """W / sigma with sigma = u^T W v, and u and v after one power iteration: v <- W^T u, u <- W v, both of length 1

    weight: (units, ...), taken as the matrix (units, rest). u: (units,). v: (rest,).
    Returns the divided weight, which is of the u and v that came in, then the new u and v.
    Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018, algorithm 1.
    """
    matrix = weight.reshape(len(weight), -1)
    sigma = sum(u[i] * matrix[i, j] * v[j] for i, j in np.ndindex(matrix.shape))
    new_v = np.array([sum(matrix[i, j] * u[i] for i in range(len(u))) for j in range(len(v))])
    new_v /= _length(new_v)
    new_u = np.array([sum(matrix[i, j] * new_v[j] for j in range(len(v))) for i in range(len(u))])
    return weight / sigma, new_u / _length(new_u), new_v


# ------------------------------------------------------------------ skips


def skip_connections(x: Array, layers: Sequence[tuple[Array, Array]], activation: Callable[[Array], Array]) -> Array:
    """h <- activation(W h + b), plus h where it has as many units; the last layer is W h + b

    x: (N, F). layers: weights (units, inputs) and biases (units,), in order. Returns (N, units of the last).
    He et al., Deep Residual Learning for Image Recognition, 2016, equation 1 (whose branch holds two layers).
    """
    hidden = x
    for weight, bias in layers[:-1]:
        came = hidden
        hidden = activation(came @ weight.T + bias)
        if hidden.shape == came.shape:
            hidden = hidden + came
    weight, bias = layers[-1]
    return hidden @ weight.T + bias


# ------------------------------------------------------------------ thawing


def gradual_unfreezing(
    tensors: Sequence[str], layers: Sequence[Sequence[str]], num_epochs: int, epoch: int
) -> tuple[str, ...]:
    """w <- w for the tensors of the l-th layer from the last, l = 1, 2, ..., while epoch < l * num_epochs

    tensors: all names, in order. layers: names per layer, first to last; what is in none always trains. epoch: from
    0. Returns the tensors that train, in order.
    Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, 2018, section 3.3.
    """
    waits = {name: place * num_epochs for place, layer in enumerate(reversed(layers), start=1) for name in layer}
    return tuple(name for name in tensors if epoch >= waits.get(name, 0))


def head_then_all(tensors: Sequence[str], head: Sequence[str], num_epochs: int, epoch: int) -> tuple[str, ...]:
    """The head's tensors alone during the first num_epochs epochs, then all

    Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution, 2022 (LP-FT).
    """
    return tuple(name for name in tensors if epoch >= num_epochs or name in head)
