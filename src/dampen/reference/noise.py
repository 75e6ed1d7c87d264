"""Dropout's relatives and other noise of the forward pass, unit by unit, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

# ------------------------------------------------------------------ whole channels


def spatial_dropout_forward(x: Array, kept: Mask, rate: float) -> Array:
    """y[n, c, place] = x[n, c, place] / (1 - rate) where channel c of example n is kept, else 0

    All places of a channel stay or go together. At rate 1 nothing is kept: y = 0.

    x: (N, C, places...). kept: (N, C), True where a channel stays. Returns y in the shape of x.
    Tompson et al., Efficient Object Localization Using Convolutional Networks, 2015, section 3.2.
    """
    y = np.zeros(x.shape)
    for n in range(x.shape[0]):
        for channel in range(x.shape[1]):
            if kept[n, channel]:
                for place in np.ndindex(x.shape[2:]):
                    y[(n, channel, *place)] = x[(n, channel, *place)] / (1 - rate)
    return y


def spatial_dropout_backward(grad_y: Array, kept: Mask, rate: float) -> Array:
    """dL/dx[n, c, place] = dL/dy[n, c, place] / (1 - rate) where channel c of example n is kept, else 0

    A silent channel had no part in the loss. grad_y: (N, C, places...). kept: (N, C).
    """
    grad_x = np.zeros(grad_y.shape)
    for n, channel in zip(*np.nonzero(kept), strict=True):
        for place in np.ndindex(grad_y.shape[2:]):
            grad_x[(n, channel, *place)] = grad_y[(n, channel, *place)] / (1 - rate)
    return grad_x


# ------------------------------------------------------------------ normal noise


def gaussian_dropout(x: Array, noise: Array, rate: float) -> Array:
    """y = x * (1 + spread * noise),  spread^2 = the variance of dropout's factor

    Dropout multiplies by 0 with probability `rate` and by 1 / (1 - rate) else. That factor has mean 1 and some
    variance; here a normal factor has the same two. The variance comes to rate / (1 - rate).

    noise: standard normal, in the shape of x. rate: below 1.
    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014, section 10.
    """
    outcomes = {0.0: rate, 1 / (1 - rate): 1 - rate}
    variance = sum(probability * (factor - 1) ** 2 for factor, probability in outcomes.items())
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        y[place] = x[place] + x[place] * math.sqrt(variance) * noise[place]
    return y


def gaussian_noise(x: Array, noise: Array, stddev: float) -> Array:
    """y = x + stddev * noise

    noise: standard normal, in the shape of x.
    Bishop, Training with Noise is Equivalent to Tikhonov Regularization, 1995.
    """
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        y[place] = x[place] + stddev * noise[place]
    return y


# ------------------------------------------------------------------ SELU


def alpha_dropout(x: Array, kept: Mask, rate: float) -> Array:
    """y = (v - mean) / spread,  v = x where kept, else -scale * alpha

    A silent unit takes the value that SELU has for very negative numbers. If x has mean 0 and variance 1, v has
    another mean and variance; taking them out again gives y mean 0 and variance 1. At rate 1 all v are equal: y = 0.

    x: any shape. kept: the same shape, True where a unit stays (probability 1 - rate).
    Klambauer et al., Self-Normalizing Neural Networks, 2017, section "New Dropout Technique".
    """
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    silent = -scale * alpha
    mean = rate * silent
    mean_square = (1 - rate) * 1.0 + rate * silent**2
    y = np.zeros(x.shape)
    if rate < 1:
        for place in np.ndindex(x.shape):
            value = x[place] if kept[place] else silent
            y[place] = (value - mean) / math.sqrt(mean_square - mean**2)
    return y


# ------------------------------------------------------------------ blocks


def drop_block(x: Array, seeds: Mask, block_size: int) -> Array:
    """y = x * kept / mean(kept),  kept = 0 in the block that begins at a seed

    A block is block_size long along every axis, or as long as the map is where that is shorter. Seeds stand only
    where a whole block fits. The mean is over the whole batch. Where nothing is kept, y = 0.

    x: (N, C, places...). seeds: (N, C, as many places as blocks fit). Returns y in the shape of x.
    Ghiasi et al., DropBlock: A Regularization Method for Convolutional Networks, 2018, algorithm 1.
    """
    kept = np.ones(x.shape)
    sizes = [min(block_size, length) for length in x.shape[2:]]
    for n, channel, *corner in zip(*np.nonzero(seeds), strict=True):
        for step in np.ndindex(*sizes):
            kept[(n, channel, *(c + s for c, s in zip(corner, step, strict=True)))] = 0
    return x * kept * (kept.size / max(kept.sum(), 1))


def drop_block_seed_rate(places: Sequence[int], block_size: int, rate: float) -> float:
    """gamma with  mean over places of (1 - gamma)^(seeds that reach the place) = 1 - rate

    A place is kept if no seed whose block reaches it is drawn. In the middle of the map many seeds reach a place, in
    a corner one. Halving the interval until it holds one number finds gamma.

    places: the lengths of the map. Returns the probability of a seed.
    """
    sizes = [min(block_size, length) for length in places]
    reaching = np.zeros(tuple(places))
    for corner in np.ndindex(*(length - size + 1 for length, size in zip(places, sizes, strict=True))):
        for step in np.ndindex(*sizes):
            reaching[tuple(c + s for c, s in zip(corner, step, strict=True))] += 1
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        silenced = 1 - float(np.mean((1 - middle) ** reaching))
        low, high = (middle, high) if silenced < rate else (low, middle)
    return high


# ------------------------------------------------------------------ weights


def drop_connect_forward(tensors: Mapping[str, Array], kept: Mapping[str, Mask], rate: float) -> dict[str, Array]:
    """w' = w / (1 - rate) where kept, else 0

    One mask for the whole batch. Tensors without a mask (biases, norms) stay as they are. At rate 1 all go.

    tensors, kept: name -> (same shape), True where a weight stays. Returns the weights that the pass uses.
    Wan et al., Regularization of Neural Networks using DropConnect, 2013, algorithm 1.
    """
    used = {name: w.copy() for name, w in tensors.items()}
    for name, mask in kept.items():
        for place in np.ndindex(mask.shape):
            used[name][place] = used[name][place] / (1 - rate) if mask[place] and rate < 1 else 0.0
    return used


def drop_connect_backward(grads: Mapping[str, Array], kept: Mapping[str, Mask], rate: float) -> dict[str, Array]:
    """dL/dw = dL/dw' / (1 - rate) where kept, else 0

    A dropped weight had no part in the loss. grads: dL/dw' by name. kept: as in `drop_connect_forward`.
    """
    by_weights = {name: grad.copy() for name, grad in grads.items()}
    for name, mask in kept.items():
        by_weights[name] = np.zeros(mask.shape)
        if rate < 1:
            for place in zip(*np.nonzero(mask), strict=True):
                by_weights[name][place] = grads[name][place] / (1 - rate)
    return by_weights


# ------------------------------------------------------------------ several masks


def multi_sample_dropout(
    x: Array, targets: Array, weights: Array, kept: Collection[Mask], layer: tuple[Array, Array], rate: float
) -> tuple[float, Array]:
    """loss = mean over samples of the cross-entropy of layer(x * kept / (1 - rate)); outputs = mean over samples

    Each mask gives a loss of its own over the whole batch, as if it were the only one.

    x: (N, features), what goes into the output layer. targets: (N, C). weights: (N,). kept: one mask in the shape of
    x per sample. layer: weight (C, features) and bias (C,). Returns the loss and the mean outputs (N, C).
    Inoue, Multi-Sample Dropout for Accelerated Training and Better Generalization, 2019, figure 1.
    """
    weight, bias = layer
    losses, outputs = [], np.zeros(targets.shape)
    for mask in kept:
        total = 0.0
        for n in range(len(x)):
            scores = bias.copy()
            for feature in np.flatnonzero(mask[n]):
                scores += weight[:, feature] * x[n, feature] / (1 - rate)
            outputs[n] += scores / len(kept)
            log_sum = scores.max() + math.log(np.exp(scores - scores.max()).sum())
            total += weights[n] * float(targets[n] @ (log_sum - scores))
        losses.append(total / weights.sum())
    return sum(losses) / len(losses), outputs
