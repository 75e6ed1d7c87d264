"""Every technique's definition in NumPy, written to be read: plain loops, one function each, no torch.

Each file answers one room of `dampen.techniques`. What is random is an argument here: masks, noise, mixing
weights are drawn by the caller. The tests hold the fast code against these functions, and these functions'
own gradients against central differences.
"""

from .batch import label_smoothing, mixup, random_affine
from .epoch import early_stopping, one_cycle
from .gradient import clip_norm, global_norm, sam
from .loss import (
    cross_entropy,
    cross_entropy_gradient,
    focal_loss,
    focal_loss_gradient,
    l1_gradient,
    l1_penalty,
    l2_gradient,
    l2_penalty,
    log_softmax,
    r_drop,
    r_drop_gradient,
    softmax,
)
from .model import (
    batch_norm_backward,
    batch_norm_forward,
    dropout_backward,
    dropout_forward,
    freeze,
    weight_noise,
)
from .sequences import (
    attention_dropout,
    attention_forward,
    attention_weights,
    embedding_dropout,
    locked_dropout_backward,
    locked_dropout_forward,
    token_dropout,
    token_swap,
    weight_drop_rnn,
)
from .weights import adam, ema, max_norm, rmsprop, sgd, weight_decay

__all__ = [
    "adam",
    "attention_dropout",
    "attention_forward",
    "attention_weights",
    "batch_norm_backward",
    "batch_norm_forward",
    "clip_norm",
    "cross_entropy",
    "cross_entropy_gradient",
    "dropout_backward",
    "dropout_forward",
    "early_stopping",
    "ema",
    "embedding_dropout",
    "focal_loss",
    "focal_loss_gradient",
    "freeze",
    "global_norm",
    "l1_gradient",
    "l1_penalty",
    "l2_gradient",
    "l2_penalty",
    "label_smoothing",
    "locked_dropout_backward",
    "locked_dropout_forward",
    "log_softmax",
    "max_norm",
    "mixup",
    "one_cycle",
    "r_drop",
    "r_drop_gradient",
    "random_affine",
    "rmsprop",
    "sam",
    "sgd",
    "softmax",
    "token_dropout",
    "token_swap",
    "weight_decay",
    "weight_drop_rnn",
    "weight_noise",
]
