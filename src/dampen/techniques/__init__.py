"""The catalogue: every technique, in the order in which a training step meets their rooms."""

from __future__ import annotations

from ..errors import NoSuchName
from .batch.label_smoothing import LabelSmoothing
from .batch.mixup import MixUp
from .batch.random_affine import RandomAffine
from .epoch.early_stopping import EarlyStopping
from .epoch.one_cycle import OneCycle
from .gradient.clip_norm import ClipNorm
from .gradient.sam import SAM
from .loss.focal_loss import FocalLoss
from .loss.l1 import L1
from .loss.l2 import L2
from .loss.r_drop import RDrop
from .model.batch_norm import BatchNorm
from .model.concrete_dropout import ConcreteDropout
from .model.dropout import Dropout
from .model.freeze import Freeze
from .model.shake_drop import ShakeDrop
from .model.shake_shake import ShakeShake
from .model.stochastic_depth import StochasticDepth
from .model.variational_dropout import VariationalDropout
from .model.weight_noise import WeightNoise
from .weights.ema import EMA
from .weights.max_norm import MaxNorm
from .weights.weight_decay import WeightDecay

CATALOGUE: tuple[type, ...] = (
    # batch
    LabelSmoothing,
    MixUp,
    RandomAffine,
    # model
    Dropout,
    WeightNoise,
    VariationalDropout,
    ConcreteDropout,
    StochasticDepth,
    ShakeDrop,
    ShakeShake,
    BatchNorm,
    Freeze,
    # loss
    L1,
    L2,
    FocalLoss,
    RDrop,
    # gradient
    ClipNorm,
    SAM,
    # weights
    WeightDecay,
    MaxNorm,
    EMA,
    # epoch
    EarlyStopping,
    OneCycle,
)

ASKED_FOR = (Freeze,)
"""Techniques that `compare` offers only when asked: what they do depends on a choice nobody can guess."""


def room_of(technique: type) -> str:
    """The folder a technique stands in: batch, model, loss, gradient, weights or epoch."""
    return technique.__module__.split(".")[-2]


def find(name: str) -> type:
    """The technique of that name; `NoSuchName` with the nearest one otherwise."""
    for technique in CATALOGUE:
        if technique.__name__ == name:
            return technique
    raise NoSuchName("technique", name, [t.__name__ for t in CATALOGUE], "See `dampen techniques`.")
