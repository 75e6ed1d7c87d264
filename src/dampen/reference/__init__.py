"""Every technique's definition in NumPy, written to be read: plain loops, one function each, no torch.

Each file answers one room of `dampen.techniques`. What is random is an argument here: masks, noise, mixing
weights are drawn by the caller. The tests hold the fast code against these functions, and these functions'
own gradients against central differences.
"""

from .batch import label_smoothing, mixup, random_affine
from .depth import (
    shake_drop_backward,
    shake_drop_forward,
    shake_shake_backward,
    shake_shake_forward,
    stochastic_depth,
)
from .epoch import early_stopping, one_cycle
from .gradient import clip_norm, global_norm, sam
from .learned import (
    concrete_dropout,
    concrete_dropout_backward,
    concrete_penalty,
    concrete_penalty_gradient,
    variational_divergence,
    variational_divergence_gradient,
    variational_dropout,
)
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
from .weights import adam, ema, max_norm, rmsprop, sgd, weight_decay

__all__ = [
    "adam",
    "batch_norm_backward",
    "batch_norm_forward",
    "clip_norm",
    "concrete_dropout",
    "concrete_dropout_backward",
    "concrete_penalty",
    "concrete_penalty_gradient",
    "cross_entropy",
    "cross_entropy_gradient",
    "dropout_backward",
    "dropout_forward",
    "early_stopping",
    "ema",
    "focal_loss",
    "focal_loss_gradient",
    "freeze",
    "global_norm",
    "l1_gradient",
    "l1_penalty",
    "l2_gradient",
    "l2_penalty",
    "label_smoothing",
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
    "shake_drop_backward",
    "shake_drop_forward",
    "shake_shake_backward",
    "shake_shake_forward",
    "softmax",
    "stochastic_depth",
    "variational_divergence",
    "variational_divergence_gradient",
    "variational_dropout",
    "weight_decay",
    "weight_noise",
]
