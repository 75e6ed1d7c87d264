"""What a network tells of itself: the role of each tensor, and the sites where an activation can be edited.

Roles come from module types, never from names. The order of execution comes from one probing forward pass of a
copy, so that functional activations (`F.relu` in a forward method) are found as well as activation modules.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..contracts import SITES
from ..errors import DampenError, NoSuchName, first_line
from .markers import AttentionWeights, Branch, Join, Positions
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
"""The site of what goes into the model, after standardising; behind the path of a module, of what goes into that: no
module has such a path."""


class _Call(NamedTuple):
    """A module ran: the shapes of what entered and left it, without the rows."""

    path: str
    entered: tuple[int, ...]
    left: tuple[int, ...]


class Role(NamedTuple):
    """kind: weight, bias, norm or embedding. unit_axis: the axis of output units. module: path of its module.
    trains: False where the user froze it (`requires_grad_(False)`). recurrent: hidden-to-hidden weights."""

    kind: str
    unit_axis: int
    module: str
    trains: bool = True
    shape: tuple[int, ...] = ()
    recurrent: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Layout:
    """tensors: the role of each parameter. hidden: weight layers followed by an activation and by no norm,
    whose output has its units on the second axis.
    output: the last weight layer. sites: paths by word, in order of execution. running: buffers that a training
    pass changes. shapes: of what each module puts out, without the rows; time_axes: which axis of it (rows counted)
    is time, where one is. selu: whether all activations are SELU. blocks: pairs of a linear or convolutional layer
    and the activation module after it, where what leaves the activation has the shape of what enters the layer. joined:
    how many branches each join adds. readers: for each module that ran, the layer with weights that ran next."""

    tensors: dict[str, Role]
    hidden: tuple[str, ...]
    output: str | None
    sites: dict[str, tuple[str, ...]]
    running: tuple[str, ...]
    paths: tuple[str, ...]
    convolutional: bool
    recurrent: bool
    shapes: dict[str, tuple[int, ...]]
    time_axes: dict[str, int]
    selu: bool
    blocks: tuple[tuple[str, str], ...] = ()
    joined: dict[str, int] = dataclasses.field(default_factory=dict)
    readers: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def into_output(self) -> str:
        """The site of what goes into the output layer, for an objective's `edits`."""
        return f"{self.output}{INPUTS}"

    @property
    def words(self) -> frozenset[str]:
        """Which words of the vocabulary of `needs` this network answers."""
        kinds = {role.kind for role in self.tensors.values()}
        answers = {
            "hidden": bool(self.hidden),
            "selu": self.selu,
            "recurrent": self.recurrent,
            "embeddings": "embedding" in kinds,
        }
        return frozenset(word for word, answer in answers.items() if answer)

    def weights(self, layers: Any) -> tuple[str, ...]:
        """Names of the weight tensors that `layers` chooses: "weights" (all of them), "recurrent" (hidden-to-hidden
        ones), "embeddings" (tables of embeddings), or module paths."""
        if layers == "weights":
            return tuple(name for name, role in self.tensors.items() if role.kind == "weight")
        if layers == "recurrent":
            return tuple(name for name, role in self.tensors.items() if role.recurrent)
        if layers == "embeddings":
            return tuple(name for name, role in self.tensors.items() if role.kind == "embedding")
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

    def check(self, recipe: Any) -> None:
        """Refuse layers and sites that a recipe names and the network lacks."""
        for name, technique in recipe.named.items():
            if hasattr(technique, "sites"):
                if isinstance(technique.sites, str) and self.sites.get(technique.sites) == ():
                    raise DampenError(
                        f"{name} works on {technique.sites} ({SITES[technique.sites]}); this model has none. "
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
    shapes, time_axes = {INPUTS: tuple(example.shape[1:])}, {INPUTS: 2} if example.dim() == 3 else {}
    calls: list[_Call] = []
    joined: dict[str, int] = {}
    readers: dict[str, str] = {}
    with (
        torch.no_grad(),
        torch.random.fork_rng(devices=[]),
        _watched(probe) as events,
        _measured(probe, len(example), shapes, time_axes, calls, joined, readers),
    ):
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
        sites=_sites(events, activations, modules, shapes, time_axes),
        running=running,
        paths=tuple(modules),
        convolutional=any(isinstance(m, _CONVOLUTIONS + _TRANSPOSED) for m in modules.values()),
        recurrent=any(isinstance(m, nn.RNNBase) for m in modules.values()),
        shapes=shapes,
        time_axes=time_axes,
        selu=bool(activations) and all(isinstance(modules[path], nn.SELU) for path in activations),
        blocks=_blocks(calls, modules, output),
        joined=joined,
        readers=readers,
    )


def _blocks(calls: list[_Call], modules: dict[str, nn.Module], output: str | None) -> tuple[tuple[str, str], ...]:
    """The pairs of `Layout.blocks`, in order of execution; the output layer is in none."""
    blocks, layer = [], None
    for call in calls:
        module = modules[call.path]
        if isinstance(module, WEIGHT_LAYERS):
            fits = isinstance(module, (nn.Linear, *_CONVOLUTIONS)) and call.path != output
            layer = call if fits else None
        elif isinstance(module, ACTIVATIONS) and layer is not None:
            blocks += [(layer.path, call.path)] if layer.entered == call.left else []
            layer = None
    return tuple(dict.fromkeys(blocks))


def _sites(
    events: list[tuple[str, str]],
    activations: tuple[str, ...],
    modules: dict[str, nn.Module],
    shapes: dict[str, tuple[int, ...]],
    time_axes: dict[str, int],
) -> dict[str, tuple[str, ...]]:
    def ran(*kinds: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(path for kind, path in events if kind in kinds))

    return {
        "inputs": (INPUTS,),
        "activations": activations,
        "maps": tuple(path for path in activations if len(shapes[path]) > 2 or time_axes.get(path) == 2),
        "sequences": tuple(path for path in ran("embedding", "recurrent") if path in time_axes),
        "layers": tuple(path for path in ran("weight", "other weight") if linear_map(modules[path]) is not None),
        "attention": ran("attention"),
        "branches": ran("branch"),
        "joins": ran("join"),
    }


def linear_map(module: nn.Module) -> Callable[[Tensor, Tensor], Tensor] | None:
    """(inputs, weight) -> what a linear or convolutional layer makes of them without its bias; None for others."""
    if isinstance(module, nn.Linear):
        return nn.functional.linear
    if isinstance(module, _CONVOLUTIONS):
        return lambda inputs, weight: module._conv_forward(inputs, weight, None)
    return None


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
            kind = "weight" if tensor.dim() >= 2 and not isinstance(owner, Positions) else "bias"
        axis = 1 if isinstance(owner, _TRANSPOSED) and tensor.dim() >= 2 else 0
        recurrent = isinstance(owner, nn.RNNBase) and name.removeprefix(f"{path}.").startswith("weight_hh")
        roles[name] = Role(kind, axis, path, tensor.requires_grad, tuple(tensor.shape), recurrent)
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
    """Events (kind, path) in order of execution; kinds: weight, other weight, recurrent, norm, activation, function,
    other function, embedding, attention, branch, join."""
    events: list[tuple[str, str]] = []
    inside: list[str] = []
    handles = []
    kinds = {
        "recurrent": nn.RNNBase,
        "weight": WEIGHT_LAYERS,
        "norm": NORMS,
        "activation": ACTIVATIONS,
        "embedding": EMBEDDINGS,
        "attention": AttentionWeights,
        "branch": Branch,
        "join": Join,
    }
    for path, module in model.named_modules():
        kind = next((k for k, types in kinds.items() if isinstance(module, types)), None)
        if kind is None:
            continue

        holds_others = isinstance(module, Branch)

        def enter(_m: Any, _a: Any, path: str = path) -> None:
            inside.append(path)

        def leave(
            module: Any, args: Any, output: Any, kind: str = kind, path: str = path, pops: bool = not holds_others
        ) -> None:
            if pops:
                inside.pop()
            if kind == "weight" and not _has_units(module, output):
                kind = "other weight"
            if kind != "join" or len(args) > 2:
                events.append((kind, path))

        handles += [] if holds_others else [module.register_forward_pre_hook(enter)]
        handles += [module.register_forward_hook(leave)]
    try:
        with _FunctionalActivations(events, inside):
            yield events
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _measured(
    model: nn.Module,
    rows: int,
    shapes: dict[str, tuple[int, ...]],
    time_axes: dict[str, int],
    calls: list[_Call],
    joined: dict[str, int],
    readers: dict[str, str],
) -> Iterator[None]:
    """Notes every call, how many branches a join adds, who reads what a module puts out, its shape, and where time is
    in it: in front where the rows come second, (T, N, C); what a convolution over one axis made, (N, C, T), and what a
    linear layer made, (N, T, C), are told apart by the last such layer that ran."""
    last = [2]  # series come as (N, C, T)
    unread = [INPUTS]

    def leave(module: nn.Module, args: Any, output: Any, path: str) -> None:
        if isinstance(module, Join):
            joined[path] = len(args) - 1
        if isinstance(module, WEIGHT_LAYERS):
            for before in unread:
                readers.setdefault(before, path)
            unread.clear()
        unread.append(path)
        output = output[0] if isinstance(output, tuple) and output else output
        if not isinstance(output, Tensor):
            return
        shapes[path] = tuple(output.shape[1:])
        calls.extend(_Call(path, tuple(a.shape[1:]), shapes[path]) for a in args[:1] if isinstance(a, Tensor))
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            last[0] = 2
        elif isinstance(module, (nn.Linear, nn.RNNBase, nn.MultiheadAttention, *EMBEDDINGS)):
            last[0] = 1
        if output.dim() == 3:
            in_front = isinstance(module, nn.RNNBase) and not module.batch_first
            in_front = in_front or (output.shape[0] != rows and output.shape[1] == rows)
            time_axes[path] = 0 if in_front else last[0]

    handles = [
        module.register_forward_hook(functools.partial(leave, path=path)) for path, module in model.named_modules()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _has_units(module: nn.Module, output: Any) -> bool:
    """Whether the second axis of the output counts the layer's units: a linear layer on rows, a convolution."""
    return isinstance(module, _CONVOLUTIONS + _TRANSPOSED) or (isinstance(module, nn.Linear) and output.dim() == 2)


def _read(events: list[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    """(hidden, activations, output) from the order of execution."""
    weights = [i for i, (kind, _) in enumerate(events) if kind in ("weight", "other weight", "recurrent")]
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
