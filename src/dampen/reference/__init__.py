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
from .images import (
    color_jitter,
    cutmix,
    cutout,
    elastic_deformation,
    rand_augment,
    random_crop,
    random_erasing,
    trivial_augment,
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
from .rows import disturb_label, feature_mask, input_noise, swap_noise, tabular_cutmix
from .series import series_jitter, series_scaling, spec_augment, time_mask, time_warp, window_slice
from .noise import (
    alpha_dropout,
    drop_block,
    drop_block_seed_rate,
    drop_connect_backward,
    drop_connect_forward,
    gaussian_dropout,
    gaussian_noise,
    multi_sample_dropout,
    spatial_dropout_backward,
    spatial_dropout_forward,
)
from .weights import adam, ema, max_norm, rmsprop, sgd, weight_decay

__all__ = [
    "adam",
    "alpha_dropout",
    "batch_norm_backward",
    "batch_norm_forward",
    "clip_norm",
    "color_jitter",
    "cross_entropy",
    "cross_entropy_gradient",
    "disturb_label",
    "cutmix",
    "cutout",
    "drop_block",
    "drop_block_seed_rate",
    "drop_connect_backward",
    "drop_connect_forward",
    "dropout_backward",
    "dropout_forward",
    "early_stopping",
    "elastic_deformation",
    "ema",
    "feature_mask",
    "focal_loss",
    "focal_loss_gradient",
    "freeze",
    "gaussian_dropout",
    "gaussian_noise",
    "global_norm",
    "input_noise",
    "l1_gradient",
    "l1_penalty",
    "l2_gradient",
    "l2_penalty",
    "label_smoothing",
    "log_softmax",
    "max_norm",
    "mixup",
    "multi_sample_dropout",
    "one_cycle",
    "r_drop",
    "r_drop_gradient",
    "rand_augment",
    "random_affine",
    "random_crop",
    "random_erasing",
    "rmsprop",
    "sam",
    "series_jitter",
    "series_scaling",
    "sgd",
    "shake_drop_backward",
    "shake_drop_forward",
    "shake_shake_backward",
    "shake_shake_forward",
    "softmax",
    "spec_augment",
    "swap_noise",
    "tabular_cutmix",
    "time_mask",
    "time_warp",
    "trivial_augment",
    "spatial_dropout_backward",
    "spatial_dropout_forward",
    "stochastic_depth",
    "weight_decay",
    "weight_noise",
    "window_slice",
]
