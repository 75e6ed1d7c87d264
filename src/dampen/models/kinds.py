"""Which types of modules count as what. Roles and sites come from here, never from names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .markers import AttentionWeights, Branch, Join
from .tabular import OneHotEmbedding

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHT_LAYERS = (nn.Linear, nn.Bilinear, *CONVOLUTIONS, *TRANSPOSED, nn.RNNBase, nn.MultiheadAttention)
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
RUNNING_NORMS = (nn.modules.batchnorm._NormBase,)
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag, OneHotEmbedding)
ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.LogSigmoid),
    *(nn.Tanhshrink, nn.Softshrink, nn.Hardshrink, nn.Threshold, nn.GLU),
)
ZERO_AT_ZERO = frozenset(
    (
        *("relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "rrelu", "elu", "elu_", "celu", "selu"),
        *("gelu", "silu", "mish", "tanh", "softsign", "hardtanh", "hardswish", "glu"),
    )
)
"""Functional activations before which an edit silences a unit: what is 0 before them is 0 after them."""
OTHER_FUNCTIONAL = frozenset(("sigmoid", "softplus", "hardsigmoid", "logsigmoid"))
WEIGHTS = ("weight", "other weight", "recurrent")
"""Kinds of layers with weights; of "weight", the second axis of the output counts the units."""

_KINDS: dict[str, Any] = {
    "recurrent": nn.RNNBase,
    "weight": WEIGHT_LAYERS,
    "norm": NORMS,
    "activation": ACTIVATIONS,
    "embedding": EMBEDDINGS,
    "attention": AttentionWeights,
    "branch": Branch,
    "join": Join,
}


def kind_of(module: nn.Module, output: Any) -> str:
    """What a module counts as that put this out; "" for what is none of it."""
    kind = next((kind for kind, types in _KINDS.items() if isinstance(module, types)), "")
    has_units = isinstance(module, CONVOLUTIONS + TRANSPOSED) or (isinstance(module, nn.Linear) and output.dim() == 2)
    return "other weight" if kind == "weight" and not has_units else kind


def is_whole(module: nn.Module) -> bool:
    """Whether what happens inside is the module's own business: a functional activation in it is no activation."""
    return isinstance(module, tuple(types for kind, types in _KINDS.items() if kind != "branch"))


def linear_map(module: nn.Module) -> Callable[[Tensor, Tensor], Tensor] | None:
    """(inputs, weight) -> what a linear or convolutional layer makes of them without its bias; None for others."""
    if isinstance(module, nn.Linear):
        return nn.functional.linear
    if isinstance(module, CONVOLUTIONS):
        return lambda inputs, weight: module._conv_forward(inputs, weight, None)
    return None
