"""What a network tells of itself: the role of each tensor, and the sites where an activation can be edited.

Roles come from module types, never from names. The order of execution comes from one probing forward pass of a
copy, so that functional activations (`F.relu` in a forward method) are found as well as activation modules.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import DampenError, NoSuchName, first_line
from ..vocabulary import SITES
from .kinds import CONVOLUTIONS, EMBEDDINGS, NORMS, TRANSPOSED, WEIGHTS, linear_map
from .markers import Positions
from .probe import Call, calls_of

INPUTS = "(inputs)"
"""The site of what goes into the model, after standardising; behind the path of a module, of what goes into that: no
module has such a path."""


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
    is time, where one is. selu, sigmoid: whether all activations are that. blocks: pairs of a linear or convolutional
    layer and the activation module after it, where what leaves the activation has the shape of what enters the layer.
    joined: how many branches each join adds. readers: for each module that ran, the layer with weights that ran
    next."""

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
    sigmoid: bool
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
            "sigmoid": self.sigmoid,
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
        if isinstance(sites, str) and sites in self.sites:
            return self.sites[sites]
        return self._known(sites, "site", tuple(word for word, paths in self.sites.items() if paths))

    def check_rows_first(self, who: str, sites: Any) -> None:
        """Refuse sites whose first axis is time: `who` takes it for the examples."""
        for path in self.site_paths(sites):
            if self.time_axes.get(path) == 0:
                raise DampenError(
                    f"{who} must have the examples on the first axis of {path!r}; it is time there. Use "
                    "batch_first=True, or name other places."
                )

    def check(self, recipe: Any) -> None:
        """Refuse layers and sites that a recipe names and the network lacks."""
        for name, technique in recipe.named.items():
            self.check_named(name, technique)

    def check_named(self, name: str, technique: Any) -> None:
        """Refuse layers and sites that one technique names and the network lacks."""
        if hasattr(technique, "sites"):
            if isinstance(technique.sites, str) and self.sites.get(technique.sites) == ():
                there = ", ".join(word for word, paths in self.sites.items() if paths)
                raise DampenError(
                    f"{name} works on {technique.sites} ({SITES[technique.sites]}); this model has none; "
                    f"it has {there}. Leave {name} out, or name layers with `sites`."
                )
            self.site_paths(technique.sites)
        if hasattr(technique, "layers") and not self.chosen(technique):
            others = dict.fromkeys(role.module for role in self.tensors.values() if role.kind == "weight")
            raise DampenError(
                f"{name} works on weights in {technique.layers!r}; this model has none there; it has some in "
                f"{', '.join(others) or 'no layer'}. Name others with `layers`."
            )

    def chosen(self, technique: Any) -> tuple[str, ...]:
        """Names of the tensors in the `layers` of a technique: all of them where it says what trains, else weights."""
        return (self.inside if hasattr(technique, "trains") else self.weights)(technique.layers)

    def _known(self, paths: Any, kind: str = "layer", words: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The paths as a tuple, after a look whether each is there. words: what else a user could have written."""
        paths = (paths,) if isinstance(paths, str) else paths
        if not isinstance(paths, tuple | list) or not all(isinstance(path, str) for path in paths):
            raise DampenError(f"Layers must be given as paths such as {self.paths[-1]!r}; got {paths!r}.")
        for path in paths:
            if path not in self.paths:
                known = tuple(p for p in (*words, *self.paths) if p)
                raise NoSuchName(kind, path, known, f"The model has {', '.join(known)}.")
        return tuple(paths)


def _within(path: str, parent: str | None) -> bool:
    return parent is not None and (path == parent or path.startswith(parent + "."))


def layout_of(model: nn.Module, example: Tensor) -> Layout:
    """Probe a copy of `model` with `example` inputs (at least two rows, so that batch norms can train)."""
    probe, buffers, calls = watched(model, example)
    modules = dict(model.named_modules())
    hidden, activations, output = _in_order(calls)
    shapes = {INPUTS: tuple(example.shape[1:]), **{call.path: call.left for call in calls if call.left is not None}}
    times = {call.path: call.time_axis for call in calls if call.time_axis is not None}
    time_axes = {**({INPUTS: 2} if example.dim() == 3 else {}), **times}
    return Layout(
        tensors=_roles(model),
        hidden=hidden,
        output=output,
        sites=_sites(calls, activations, modules, shapes, time_axes),
        running=_running(buffers, dict(probe.named_buffers())),
        paths=tuple(modules),
        convolutional=any(isinstance(m, CONVOLUTIONS + TRANSPOSED) for m in modules.values()),
        recurrent=any(isinstance(m, nn.RNNBase) for m in modules.values()),
        shapes=shapes,
        time_axes=time_axes,
        selu=bool(activations) and all(isinstance(modules[path], nn.SELU) for path in activations),
        sigmoid=bool(activations) and all(isinstance(modules[path], nn.Sigmoid) for path in activations),
        blocks=_blocks(calls, modules, output),
        joined={call.path: call.num_inputs - 1 for call in calls if call.kind == "join"},
        readers=_readers(calls),
    )


def watched(model: nn.Module, example: Tensor) -> tuple[nn.Module, dict[str, Tensor], list[Call]]:
    """One pass of a copy in training mode: the copy, its buffers before the pass, and what ran in it. Raises
    `DampenError` where the model does not take the example."""
    probe = copy.deepcopy(model)
    if not probe.training:
        probe.train()
    buffers = {name: buffer.clone() for name, buffer in probe.named_buffers()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            return probe, buffers, calls_of(probe, example)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            shape = tuple(example.shape)
            raise DampenError(
                f"The model must take inputs of shape {shape}; it failed with: {first_line(error)}. "
                "Make the first layer fit the data."
            ) from error


def _running(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> tuple[str, ...]:
    """All buffers of modules of which one has changed. Another of the same module may have stayed by chance: behind a
    batch norm and tanh the two rows of the probe are each other's negative, and so are their means 0."""
    changed = {name.rpartition(".")[0] for name, b in after.items() if name in before and _differ(b, before[name])}
    return tuple(name for name in after if name in before and name.rpartition(".")[0] in changed)


def _differ(first: Tensor, second: Tensor) -> bool:
    """Never where there are shapes alone (torch's meta device)."""
    return not first.is_meta and not torch.equal(first, second)


def _in_order(calls: Sequence[Call]) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    """(hidden, activations, output) from the order of execution."""
    weights = [i for i, call in enumerate(calls) if call.kind in WEIGHTS]
    if not weights:
        return (), (), None
    hidden: list[str] = []
    activations: list[str] = []
    for start, end in itertools.pairwise(weights):
        last, normed = calls[start].path, False
        for call in calls[start + 1 : end]:
            if call.kind == "norm":
                last, normed = call.path, True
            elif call.kind in ("activation", "function", "other function"):
                if call.kind != "other function":
                    activations.append(call.path if call.kind == "activation" else last)
                if not normed and calls[start].kind == "weight":
                    hidden.append(calls[start].path)
    return tuple(dict.fromkeys(hidden)), tuple(dict.fromkeys(activations)), calls[weights[-1]].path


def _sites(
    calls: Sequence[Call],
    activations: tuple[str, ...],
    modules: dict[str, nn.Module],
    shapes: dict[str, tuple[int, ...]],
    time_axes: dict[str, int],
) -> dict[str, tuple[str, ...]]:
    def ran(*kinds: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(call.path for call in calls if call.kind in kinds))

    return {
        "inputs": (INPUTS,),
        "activations": activations,
        "maps": tuple(path for path in activations if len(shapes[path]) > 2 or time_axes.get(path) == 2),
        "sequences": tuple(path for path in ran("embedding", "recurrent") if path in time_axes),
        "layers": tuple(path for path in ran("weight", "other weight") if linear_map(modules[path]) is not None),
        "attention": ran("attention"),
        "branches": ran("branch"),
        "joins": tuple(dict.fromkeys(call.path for call in calls if call.kind == "join" and call.num_inputs > 2)),
    }


def _blocks(calls: Sequence[Call], modules: dict[str, nn.Module], output: str | None) -> tuple[tuple[str, str], ...]:
    """The pairs of `Layout.blocks`, in order of execution; the output layer is in none."""
    blocks, layer = [], None
    for call in calls:
        if call.kind in WEIGHTS:
            fits = linear_map(modules[call.path]) is not None and call.path != output
            layer = call if fits else None
        elif call.kind == "activation" and layer is not None:
            blocks += [(layer.path, call.path)] if layer.entered == call.left else []
            layer = None
    return tuple(dict.fromkeys(blocks))


def _readers(calls: Sequence[Call]) -> dict[str, str]:
    """For each module that ran, and for the inputs, the layer with weights that ran next."""
    readers: dict[str, str] = {}
    unread = [INPUTS]
    for call in calls:
        if call.kind in WEIGHTS:
            for before in unread:
                readers.setdefault(before, call.path)
            unread.clear()
        if call.path:
            unread.append(call.path)
    return readers


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
        axis = 1 if isinstance(owner, TRANSPOSED) and tensor.dim() >= 2 else 0
        recurrent = isinstance(owner, nn.RNNBase) and name.removeprefix(f"{path}.").startswith("weight_hh")
        roles[name] = Role(kind, axis, path, tensor.requires_grad, tuple(tensor.shape), recurrent)
    return roles
