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
from .structure import (
    ghost_batch_norm_forward,
    gradual_unfreezing,
    group_norm_backward,
    group_norm_forward,
    groups_of,
    head_then_all,
    layer_norm_backward,
    layer_norm_forward,
    skip_connections,
    spectral_norm,
    weight_norm,
    weight_norm_backward,
    weight_standardization,
    whitening,
)
from .weights import adam, ema, max_norm, rmsprop, sgd, weight_decay

__all__ = [
    "adam",
    "batch_norm_backward",
    "batch_norm_forward",
    "clip_norm",
    "cross_entropy",
    "cross_entropy_gradient",
    "dropout_backward",
    "dropout_forward",
    "early_stopping",
    "ema",
    "focal_loss",
    "focal_loss_gradient",
    "freeze",
    "ghost_batch_norm_forward",
    "global_norm",
    "gradual_unfreezing",
    "group_norm_backward",
    "group_norm_forward",
    "groups_of",
    "head_then_all",
    "l1_gradient",
    "l1_penalty",
    "l2_gradient",
    "l2_penalty",
    "label_smoothing",
    "layer_norm_backward",
    "layer_norm_forward",
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
    "skip_connections",
    "softmax",
    "spectral_norm",
    "weight_decay",
    "weight_noise",
    "weight_norm",
    "weight_norm_backward",
    "weight_standardization",
    "whitening",
]
