"""What a network tells of itself: the role of each tensor, and the sites where an activation can be edited.

Roles come from module types, never from names. The order of execution comes from one probing forward pass of a
copy, so that functional activations (`F.relu` in a forward method) are found as well as activation modules.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..errors import DampenError, NoSuchName, first_line
from .tabular import OneHotEmbedding

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHT_LAYERS = (nn.Linear, nn.Bilinear, *_CONVOLUTIONS, *_TRANSPOSED, nn.RNNBase, nn.MultiheadAttention)
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag, OneHotEmbedding)
RUNNING_NORMS = (nn.modules.batchnorm._NormBase,)
ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.LogSigmoid),
    *(nn.Tanhshrink, nn.Softshrink, nn.Hardshrink, nn.Threshold, nn.GLU),
)
_ZERO_AT_ZERO = frozenset(
    (
        *("relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "rrelu", "elu", "elu_", "celu", "selu"),
        *("gelu", "silu", "mish", "tanh", "softsign", "hardtanh", "hardswish", "glu"),
    )
)
"""Functional activations before which an edit silences a unit: what is 0 before them is 0 after them."""
_OTHER_FUNCTIONAL = frozenset(("sigmoid", "softplus", "hardsigmoid", "logsigmoid"))
INPUTS = "(inputs)"
"""The site of what goes into the model, after standardising: no module has this path."""


class Role(NamedTuple):
    """kind: weight, bias, norm or embedding. unit_axis: the axis of output units. module: path of its module.
    trains: False where the user froze it (`requires_grad_(False)`)."""

    kind: str
    unit_axis: int
    module: str
    trains: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class Layout:
    """tensors: the role of each parameter. hidden: weight layers followed by an activation and by no norm,
    whose output has its units on the second axis.
    output: the last weight layer. sites: paths by word, in order of execution. running: buffers that a training
    pass changes."""

    tensors: dict[str, Role]
    hidden: tuple[str, ...]
    output: str | None
    sites: dict[str, tuple[str, ...]]
    running: tuple[str, ...]
    paths: tuple[str, ...]
    convolutional: bool
    recurrent: bool

    @property
    def words(self) -> frozenset[str]:
        """Which words of the vocabulary of `needs` this network answers."""
        return frozenset({"hidden"} if self.hidden else ())

    def weights(self, layers: Any) -> tuple[str, ...]:
        """Names of the weight tensors that `layers` chooses: "weights" (all of them) or module paths."""
        if layers == "weights":
            return tuple(name for name, role in self.tensors.items() if role.kind == "weight")
        return tuple(name for name in self.inside(layers) if self.tensors[name].kind == "weight")

    def inside(self, layers: Any) -> tuple[str, ...]:
        """Names of all tensors in `layers`: "body" (everything but the output layer) or module paths."""
        if layers == "body":
            return tuple(name for name, role in self.tensors.items() if not _within(role.module, self.output))
        paths = self._known(layers)
        return tuple(n for n, role in self.tensors.items() if any(_within(role.module, p) for p in paths))

    def site_paths(self, sites: Any) -> tuple[str, ...]:
        """Module paths of a word of `sites` or of paths that a user gave."""
        if not isinstance(sites, str) or sites not in self.sites:
            return self._known(sites)
        return self.sites[sites]

    def depth_fraction(self, path: str) -> float:
        order = self.sites["activations"]
        return (order.index(path) + 1) / len(order) if path in order else 1.0

    def check(self, recipe: Any) -> None:
        """Refuse layers and sites that a recipe names and the network lacks."""
        for name, technique in recipe.named.items():
            if hasattr(technique, "sites"):
                if isinstance(technique.sites, str) and self.sites.get(technique.sites) == ():
                    raise DampenError(
                        f"{name} works on the {technique.sites} of hidden layers; this model has none. "
                        f"Leave {name} out, or name layers with `sites`."
                    )
                self.site_paths(technique.sites)
            if hasattr(technique, "layers"):
                (self.inside if hasattr(technique, "trains") else self.weights)(technique.layers)

    def _known(self, paths: Any) -> tuple[str, ...]:
        paths = (paths,) if isinstance(paths, str) else paths
        if not isinstance(paths, tuple | list) or not all(isinstance(path, str) for path in paths):
            raise DampenError(f"Layers must be given as paths such as {self.paths[-1]!r}; got {paths!r}.")
        for path in paths:
            if path not in self.paths:
                known = ", ".join(p for p in self.paths if p)
                raise NoSuchName("layer", path, self.paths, f"The model has {known}.")
        return tuple(paths)


def _within(path: str, parent: str | None) -> bool:
    return parent is not None and (path == parent or path.startswith(parent + "."))


def layout_of(model: nn.Module, example: Tensor) -> Layout:
    """Probe a copy of `model` with `example` inputs (at least two rows, so that batch norms can train)."""
    probe = copy.deepcopy(model)
    if not probe.training:
        probe.train()
    buffers = {name: buffer.clone() for name, buffer in probe.named_buffers()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]), _watched(probe) as events:
        try:
            probe(example)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            shape = tuple(example.shape)
            raise DampenError(
                f"The model must take inputs of shape {shape}; it failed with: {first_line(error)}. "
                "Make the first layer fit the data."
            ) from error
    running = tuple(n for n, b in probe.named_buffers() if n in buffers and not torch.equal(b, buffers[n]))
    hidden, activations, output = _read(events)
    modules = dict(model.named_modules())
    return Layout(
        tensors=_roles(model),
        hidden=hidden,
        output=output,
        sites={"activations": activations, "inputs": (INPUTS,)},
        running=running,
        paths=tuple(modules),
        convolutional=any(isinstance(m, _CONVOLUTIONS + _TRANSPOSED) for m in modules.values()),
        recurrent=any(isinstance(m, nn.RNNBase) for m in modules.values()),
    )


def _roles(model: nn.Module) -> dict[str, Role]:
    owners: dict[int, tuple[str, nn.Module]] = {}
    for path, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), (path, module))  # a tied tensor has the role of its first place
    roles = {}
    for name, tensor in model.named_parameters():
        path, owner = owners[id(tensor)]
        if isinstance(owner, NORMS):
            kind = "norm"
        elif isinstance(owner, EMBEDDINGS):
            kind = "embedding"
        else:
            kind = "weight" if tensor.dim() >= 2 else "bias"
        axis = 1 if isinstance(owner, _TRANSPOSED) and tensor.dim() >= 2 else 0
        roles[name] = Role(kind, axis, path, tensor.requires_grad)
    return roles


# ------------------------------------------------------------------ the probing pass


class _FunctionalActivations(TorchFunctionMode):
    def __init__(self, events: list[tuple[str, str]], inside: list[str]) -> None:
        super().__init__()
        self.events, self.inside = events, inside

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in _ZERO_AT_ZERO | _OTHER_FUNCTIONAL and not self.inside:
            self.events.append(("function" if name in _ZERO_AT_ZERO else "other function", ""))
        return func(*args, **(kwargs or {}))


@contextmanager
def _watched(model: nn.Module) -> Iterator[list[tuple[str, str]]]:
    """Events (kind, path) in order of execution; kinds: weight, other weight, norm, activation, function,
    other function."""
    events: list[tuple[str, str]] = []
    inside: list[str] = []
    handles = []
    kinds = {"weight": WEIGHT_LAYERS, "norm": NORMS, "activation": ACTIVATIONS}
    for path, module in model.named_modules():
        kind = next((k for k, types in kinds.items() if isinstance(module, types)), None)
        if kind is None:
            continue

        def enter(_m: Any, _a: Any, path: str = path) -> None:
            inside.append(path)

        def leave(module: Any, _a: Any, output: Any, kind: str = kind, path: str = path) -> None:
            inside.pop()
            events.append((kind if kind != "weight" or _has_units(module, output) else "other weight", path))

        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        with _FunctionalActivations(events, inside):
            yield events
    finally:
        for handle in handles:
            handle.remove()


def _has_units(module: nn.Module, output: Any) -> bool:
    """Whether the second axis of the output counts the layer's units: a linear layer on rows, a convolution."""
    return isinstance(module, _CONVOLUTIONS + _TRANSPOSED) or (isinstance(module, nn.Linear) and output.dim() == 2)


def _read(events: list[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    """(hidden, activations, output) from the order of execution."""
    weights = [i for i, (kind, _) in enumerate(events) if kind in ("weight", "other weight")]
    if not weights:
        return (), (), None
    hidden: list[str] = []
    activations: list[str] = []
    for start, end in itertools.pairwise(weights):
        last, normed = events[start][1], False
        for kind, path in events[start + 1 : end]:
            if kind == "norm":
                last, normed = path, True
            elif kind in ("activation", "function", "other function"):
                if kind != "other function":
                    activations.append(path if kind == "activation" else last)
                if not normed and events[start][0] == "weight":
                    hidden.append(events[start][1])
    return tuple(dict.fromkeys(hidden)), tuple(dict.fromkeys(activations)), events[weights[-1]][1]
