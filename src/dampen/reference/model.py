"""What techniques inside the forward pass compute, unit by unit, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

# ------------------------------------------------------------------ dropout


def dropout_forward(x: Array, kept: NDArray[np.bool_], rate: float) -> Array:
    """y = x / (1 - rate) where kept, else 0

    Each unit is kept with probability 1 - rate. What is kept is made larger, so that y is x on average and
    prediction needs no dropout at all. At rate 1 nothing is kept: y = 0.

    x: any shape. kept: the same shape, True where a unit stays. Returns y in the shape of x.
    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014, section 4.
    """
    y = np.zeros(x.shape)
    if rate < 1:
        for place in np.ndindex(x.shape):
            if kept[place]:
                y[place] = x[place] / (1 - rate)
    return y


def dropout_backward(grad_y: Array, kept: NDArray[np.bool_], rate: float) -> Array:
    """dL/dx = dL/dy / (1 - rate) where kept, else 0

    A silent unit had no part in the loss, so it gets no gradient. All arguments in the shape of x.
    """
    grad_x = np.zeros(grad_y.shape)
    if rate < 1:
        for place in np.ndindex(grad_y.shape):
            if kept[place]:
                grad_x[place] = grad_y[place] / (1 - rate)
    return grad_x


# ------------------------------------------------------------------ weight noise


def weight_noise(weights: Mapping[str, Array], noise: Mapping[str, Array], stddev: float) -> dict[str, Array]:
    """w <- w + stddev * e for every tensor that `noise` names, e ~ N(0, 1)

    The derivative of w + stddev * e with respect to w is 1: the gradient of the noisy pass is used as it is.

    weights: name -> tensor. noise: name -> e in the tensor's shape; tensors that it lacks stay as they are.
    Graves, Practical Variational Inference for Neural Networks, 2011, section 5.
    """
    noisy = {name: w.copy() for name, w in weights.items()}
    for name, e in noise.items():
        for place in np.ndindex(e.shape):
            noisy[name][place] += stddev * e[place]
    return noisy


# ------------------------------------------------------------------ batch normalisation


def batch_norm_forward(
    x: Array,
    gain: Array,
    shift: Array,
    running_mean: Array,
    running_var: Array,
    *,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """y = gain * (x - mean) / sqrt(var + eps) + shift, unit by unit

    In training, mean and var are those of the m values that the batch has for the unit (var divides by m).
    The running statistics move towards them: running <- (1 - momentum) * running + momentum * batch, with the
    variance that divides by m - 1. In prediction, mean and var are the running ones, which then stay.

    x: (N, C) or (N, C, ...), C units. gain, shift, running_mean, running_var: (C,).
    Returns y in the shape of x, the new running mean and the new running variance.
    Ioffe and Szegedy, Batch Normalization, 2015, algorithms 1 and 2.
    """
    y = np.zeros(x.shape)
    running_mean, running_var = running_mean.copy(), running_var.copy()
    for unit in range(x.shape[1]):
        mean, var = running_mean[unit], running_var[unit]
        if training:
            mean, var, count = _moments(x[:, unit])
            running_mean[unit] += momentum * (mean - running_mean[unit])
            running_var[unit] += momentum * (var * count / (count - 1) - running_var[unit])
        y[:, unit] = gain[unit] * (x[:, unit] - mean) / math.sqrt(var + eps) + shift[unit]
    return y, running_mean, running_var


def batch_norm_backward(
    grad_y: Array,
    x: Array,
    gain: Array,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """The chain rule through y = gain * (x - mean) / sqrt(var + eps) + shift, mean and var of the batch

    x reaches y by three roads: directly, through the variance, and through the mean.

    grad_y: dL/dy, in the shape of x. Returns dL/dx, dL/dgain (C,), dL/dshift (C,).
    Ioffe and Szegedy, Batch Normalization, 2015, section 3, the six derivatives after algorithm 1.
    """
    grad_x, grad_gain, grad_shift = np.zeros(x.shape), np.zeros(gain.shape), np.zeros(gain.shape)
    for unit in range(x.shape[1]):
        mean, var, count = _moments(x[:, unit])
        away = x[:, unit] - mean
        spread = math.sqrt(var + eps)
        grad_standard = grad_y[:, unit] * gain[unit]
        grad_var = np.sum(grad_standard * away) * -0.5 / spread**3
        grad_mean = -np.sum(grad_standard) / spread + grad_var * -2 * np.sum(away) / count
        grad_x[:, unit] = grad_standard / spread + grad_var * 2 * away / count + grad_mean / count
        grad_gain[unit] = np.sum(grad_y[:, unit] * away / spread)
        grad_shift[unit] = np.sum(grad_y[:, unit])
    return grad_x, grad_gain, grad_shift


def _moments(values: Array) -> tuple[float, float, int]:
    """Mean, mean squared distance from it, and number of values."""
    listed = values.ravel().tolist()
    mean = math.fsum(listed) / len(listed)
    return mean, math.fsum((value - mean) ** 2 for value in listed) / len(listed), len(listed)


# ------------------------------------------------------------------ freeze


def freeze(
    module_of: Mapping[str, str],
    layers: Collection[str],
    num_epochs: int,
    epoch: int,
) -> tuple[str, ...]:
    """w <- w for every tensor of `layers` during the first `num_epochs` epochs

    A layer holds the tensors of its own module and of every module inside it: "body" holds "body.0".

    module_of: tensor -> path of its module, in order. layers: paths of the frozen modules. epoch: from 0.
    Returns the tensors that train, in order.
    Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, 2018, section 3.3.
    """
    train = []
    for tensor, module in module_of.items():
        steps = module.split(".")
        parents = [".".join(steps[:depth]) for depth in range(len(steps) + 1)]
        if epoch >= num_epochs or not any(parent in layers for parent in parents):
            train.append(tensor)
    return tuple(train)
