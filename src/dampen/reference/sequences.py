"""What techniques for texts and series compute, step by step, and attention itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Tokens: TypeAlias = NDArray[np.int64]

# ------------------------------------------------------------------ attention


def attention_weights(scores: Array, real: Flags) -> Array:
    """a_k = exp(s_k) / sum of exp(s_j) over the real keys j; 0 for a key that is padding

    What remains of the softmax when padding is no key at all. A query without any real key has equal weights.

    scores: (N, heads, queries, keys). real: (N, keys). Returns weights in the shape of scores.
    """
    weights = np.zeros(scores.shape)
    for row, head, query in np.ndindex(scores.shape[:3]):
        keys = [k for k in range(scores.shape[3]) if real[row, k]]
        if not keys:
            weights[row, head, query] = 1 / scores.shape[3]
            continue
        largest = max(scores[row, head, query, k] for k in keys)
        total = math.fsum(math.exp(scores[row, head, query, k] - largest) for k in keys)
        for k in keys:
            weights[row, head, query, k] = math.exp(scores[row, head, query, k] - largest) / total
    return weights


def attention_forward(queries: Array, keys: Array, values: Array, real: Flags) -> Array:
    """y_q = sum of a_qk v_k over the keys k, with a = softmax(q . k / sqrt(depth)) over the real keys

    queries, keys, values: (N, heads, T, depth). real: (N, T). Returns y in their shape.
    Vaswani et al., Attention Is All You Need, 2017, equation 1.
    """
    count, heads, length, depth = queries.shape
    scores = np.zeros((count, heads, length, length))
    for row, head, query, key in np.ndindex(scores.shape):
        products = [float(queries[row, head, query, d] * keys[row, head, key, d]) for d in range(depth)]
        scores[row, head, query, key] = math.fsum(products) / math.sqrt(depth)
    return _mixed(attention_weights(scores, real), values)


def _mixed(weights: Array, values: Array) -> Array:
    mixed = np.zeros(values.shape)
    for row, head, query, key in np.ndindex(weights.shape):
        mixed[row, head, query] += weights[row, head, query, key] * values[row, head, key]
    return mixed


def attention_dropout(weights: Array, kept: Flags, rate: float) -> Array:
    """a <- a / (1 - rate) where kept, else 0; the weights of a query need not sum to 1 again

    weights, kept: (N, heads, queries, keys). At rate 1 nothing is kept.
    Vaswani et al., Attention Is All You Need, 2017, section 5.4.
    """
    thinned = np.zeros(weights.shape)
    for place in np.ndindex(weights.shape):
        if kept[place] and rate < 1:
            thinned[place] = weights[place] / (1 - rate)
    return thinned


# ------------------------------------------------------------------ dropout over time


def locked_dropout_forward(x: Array, kept: Flags, rate: float, time_axis: int) -> Array:
    """y[n, t, u] = x[n, t, u] / (1 - rate) where unit u of sequence n is kept, else 0, at all times t

    x: three axes, time the one of that number. kept: the shape of x without the axis of time. At rate 1 y = 0.
    Gal and Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural Networks, 2016,
    section 4.
    """
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        if kept[_without(place, time_axis)] and rate < 1:
            y[place] = x[place] / (1 - rate)
    return y


def locked_dropout_backward(grad_y: Array, kept: Flags, rate: float, time_axis: int) -> Array:
    """dL/dx[n, t, u] = dL/dy[n, t, u] / (1 - rate) where unit u of sequence n is kept, else 0

    Every time has its own gradient; the mask alone is shared. Arguments as in the forward pass.
    """
    grad_x = np.zeros(grad_y.shape)
    for place in np.ndindex(grad_y.shape):
        if kept[_without(place, time_axis)] and rate < 1:
            grad_x[place] = grad_y[place] / (1 - rate)
    return grad_x


def _without(place: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return place[:axis] + place[axis + 1 :]


# ------------------------------------------------------------------ dropout of weights


def embedding_dropout(table: Array, ids: Tokens, kept: Flags, rate: float) -> Array:
    """The vector of each token: E[w] / (1 - rate) where word w is kept, else 0

    table: (words, width). ids: (N, T). kept: (words,), one decision per word and batch. Returns (N, T, width).
    Gal and Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural Networks, 2016,
    section 4.2.
    """
    vectors = np.zeros((*ids.shape, table.shape[1]))
    for row, place in np.ndindex(ids.shape):
        word = ids[row, place]
        if kept[word] and rate < 1:
            vectors[row, place] = table[word] / (1 - rate)
    return vectors


def weight_drop_rnn(x: Array, into: Array, onward: Array, bias: Array, kept: Flags, rate: float) -> Array:
    """h_t = tanh(W x_t + U' h_(t-1) + b),  U' = U / (1 - rate) where kept, else 0: the same U' at all times

    A plain recurrent layer, because what weight drop does is the same in all kinds.

    x: (N, T, inputs). into W: (units, inputs). onward U, kept: (units, units). bias: (units,). Returns (N, T, units).
    Merity, Keskar and Socher, Regularizing and Optimizing LSTM Language Models, 2017, section 2.
    """
    units, states = len(bias), np.zeros((*x.shape[:2], len(bias)))
    for row in range(x.shape[0]):
        before = [0.0] * units
        for time in range(x.shape[1]):
            for unit in range(units):
                total = bias[unit] + math.fsum(into[unit] * x[row, time])
                for other in range(units):
                    if kept[unit, other] and rate < 1:
                        total += onward[unit, other] / (1 - rate) * before[other]
                states[row, time, unit] = math.tanh(total)
            before = states[row, time].tolist()
    return states


# ------------------------------------------------------------------ changes of a text


def token_dropout(text: Sequence[int], dropped: Sequence[bool]) -> list[int]:
    """Every dropped word becomes 1, the unknown word; 0 (padding) stays

    text: token ids. dropped: for each token, True with probability rate.
    Iyyer et al., Deep Unordered Composition Rivals Syntactic Methods for Text Classification, 2015, section 3.1.
    """
    return [1 if gone and token != 0 else token for token, gone in zip(text, dropped, strict=True)]


def token_swap(text: Sequence[int], numbers: Sequence[float], rate: float) -> list[int]:
    """Real tokens whose number is below the rate are chosen; from the smallest number up, each place takes the token
    of the next, the last that of the first

    text: token ids, 0 is padding. numbers: uniform in [0, 1), one per token.
    Wei and Zou, EDA: Easy Data Augmentation Techniques, 2019, section 2.
    """
    chosen = [place for place, token in enumerate(text) if token != 0 and numbers[place] < rate]
    chosen.sort(key=lambda place: numbers[place])
    swapped = list(text)
    for number in range(1, len(chosen)):  # neighbours in the order, swapped one after another
        first, second = chosen[number - 1], chosen[number]
        swapped[first], swapped[second] = swapped[second], swapped[first]
    return swapped
