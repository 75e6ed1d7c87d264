"""A network as a table: its layers in order, how many numbers train in each, and where a recipe acts."""

from __future__ import annotations

import copy
import dataclasses
import math
import textwrap
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .cards import summary_of
from .contracts import At, Clock
from .data.dataset import as_dataset
from .data.facts import facts_of
from .errors import DampenError
from .models.adopt import check_factory, takes_facts
from .models.kinds import is_whole
from .models.layout import INPUTS, Layout, layout_of, watched
from .presets import as_recipe
from .recipe import Recipe, check_needs
from .records import strict
from .techniques import CATALOGUE, room_of
from .training.problem import Problem, check_fits, prepare
from .vocabulary import CHECK, HOOKS, SITES, hooks_of, touches

WIDTH, LONGEST_PATH, LONGEST_KIND = 80, 26, 20
EVERYWHERE = {
    "batch": "each batch",
    "model": "the network",
    "loss": "the loss",
    "gradient": "the gradients",
    "weights": "all weights",
    "epoch": "the whole training",
}
"""By room, what a technique acts on that names no layers."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A layer. path: in the model; "(inputs)" for what goes in, "" for the model itself. kind: the class. shape: of
    what it puts out, without the rows; None where it did not run, or puts out no tensor. num_parameters: of its own,
    each tensor counted once; num_trained: those of them that train from the start. techniques: that act here, by their
    names in the recipe. added_by: the technique that added it, else ""."""

    path: str
    kind: str
    shape: tuple[int, ...] | None
    num_parameters: int
    num_trained: int
    techniques: tuple[str, ...] = ()
    added_by: str = ""


@dataclasses.dataclass(frozen=True)
class Acts:
    """A technique of the recipe. room: batch, model, loss, gradient, weights or epoch. on: in words. layers: paths of
    those that it acts on by name, or has added. num_trained: numbers that it trains itself. does: in words. refusal:
    why it can act nowhere, and `fit` would refuse it; else ""."""

    name: str
    room: str
    on: str
    layers: tuple[str, ...]
    num_trained: int
    does: str
    refusal: str = ""


@dataclasses.dataclass(frozen=True)
class Summary:
    """What `summary` returns. num_trained and num_fixed: of the network's parameters, at the start of a training.
    num_buffers: numbers beside them that no gradient moves (scaling of the inputs, statistics of norms)."""

    model: str
    recipe: str
    layers: tuple[Row, ...]
    techniques: tuple[Acts, ...]
    num_trained: int
    num_fixed: int
    num_buffers: int

    @property
    def num_parameters(self) -> int:
        return self.num_trained + self.num_fixed

    def to_record(self) -> dict[str, Any]:
        """Plain values, for strict JSON."""
        record: dict[str, Any] = strict(dataclasses.asdict(self) | {"num_parameters": self.num_parameters})
        return record

    def __str__(self) -> str:
        lines = [*_wrapped(self.model, "  "), "", *_table(self.layers), ""]
        own = sum(acts.num_trained for acts in self.techniques)
        fixed = f", {self.num_fixed:,} fixed" if self.num_fixed else ""
        lines.append(f"{self.num_parameters:,} parameters: {self.num_trained:,} trained{fixed}.")
        if own:
            lines.append(f"{own:,} more are trained by techniques.")
        if self.num_buffers:
            lines += _wrapped(
                f"{self.num_buffers:,} numbers beside them no gradient moves (scaling, statistics of norms)."
            )
        return "\n".join([*lines, "", *_wrapped(f"recipe: {self.recipe}", "  "), *_told(self.techniques)])


def summary(model: Any, recipe: Any = None, data: Any = None) -> Summary:
    """A network's layers in order, with shapes and numbers of parameters, and where each technique of a recipe acts.

    model: a function that returns a fresh `nn.Module`, an architecture such as `MLP((128, 64))`, or an `nn.Module`,
    which is left as it is. recipe: a `Recipe`, a technique, text such as "Dropout + L2", or None. data: what `fit`
    takes (a name, a path, (inputs, targets), a `Dataset`); or inputs (rows, ...) alone, for a network that is complete
    without targets.

    Layers that techniques add are in the table. What the data or the network cannot give a technique (in batches of 64
    rows, as `fit` takes by default) is said beside it, not raised. Raises `DampenError` where the network does not take
    the data.
    """
    chosen, given = as_recipe(recipe), _inputs(data)
    if given is None:
        factory = (lambda: copy.deepcopy(model)) if isinstance(model, nn.Module) else model
        found = _of_data(factory, chosen, data)
    else:
        found = _of_inputs(_module(model), chosen, given)
    name = type(model).__name__ if isinstance(model, nn.Module) else _called(model, found.network)
    return _summary(name, chosen, found)


# ------------------------------------------------------------------ the network


@dataclasses.dataclass(frozen=True)
class _Found:
    """network: with all that the recipe adds, and its layout. added: by technique, paths of what it added, or changed
    where nothing was added. new: by path of what was added, the technique. refusals: by technique."""

    network: nn.Module
    example: Tensor
    layout: Layout
    added: dict[str, tuple[str, ...]]
    new: dict[str, str]
    refusals: dict[str, str]
    clock: Clock


def _of_data(factory: Callable[..., nn.Module], recipe: Recipe, data: Any) -> _Found:
    if data is None:
        raise DampenError(
            "summary must have data for the shapes; got none. Give it what `fit` takes, or for an nn.Module inputs "
            "(rows, ...): summary(model, recipe, data)."
        )
    problem = Problem(as_dataset(data), factory)
    before = check_fits(problem, Recipe())
    rows, _ = problem.batching(len(problem.split(0).train))
    at = At(Clock(0, 0, 0, problem.epochs), problem.facts_of_all, before, batch_size=rows)
    network = prepare(problem, Recipe(), 0, problem.facts_of_all).model
    return _rebuilt(network, problem.example(2), recipe, at, before.words | problem.words)


def _of_inputs(network: nn.Module, recipe: Recipe, inputs: Tensor) -> _Found:
    """Targets are not known: one output is taken for a number, several for classes."""
    own = next((p for p in network.parameters() if p.is_floating_point()), torch.zeros(1))
    example = torch.cat([inputs, inputs])[:2]
    example = example.to(own) if example.is_floating_point() else example.to(own.device)
    before = layout_of(network, example)
    with torch.no_grad():
        outputs = copy.deepcopy(network).eval()(example)
    width = outputs.shape[-1] if isinstance(outputs, Tensor) and outputs.dim() > 1 else 1
    tables = before.weights("embeddings") if not inputs.is_floating_point() else ()
    num_tokens = before.tensors[tables[0]].shape[0] if tables else 0
    task = "classes" if width > 1 else "numbers"
    facts = facts_of(example, torch.zeros(2, width), task, num_tokens=num_tokens)
    at = At(Clock(0, 0, 0, 1), facts, before, batch_size=2)
    return _rebuilt(network, example, recipe, at, before.words | facts.words | {"batches"})


def _rebuilt(network: nn.Module, example: Tensor, recipe: Recipe, at: At, words: frozenset[str]) -> _Found:
    """The network after every technique that adds structure and can work here."""
    refusals = {name: why for name, t in recipe.named.items() if (why := _refusal(name, t, at, words))}
    layout, added = at.layout, {}
    new: dict[str, str] = {}
    for name, technique in recipe.named.items():
        if name in refusals or not touches(technique, "rebuild"):
            continue
        hooks = _hooks(network)
        network = technique.rebuild(network, at._replace(layout=layout))
        known, layout = set(layout.paths), layout_of(network, example)
        fresh = tuple(path for path in layout.paths if path not in known)
        new |= dict.fromkeys(fresh, name)
        changed = tuple(path for path, counts in _hooks(network).items() if counts != hooks.get(path))
        added[name] = fresh or tuple(path or INPUTS for path in changed)
    return _Found(network, example, layout, added, new, refusals, at.clock)


def _hooks(network: nn.Module) -> dict[str, tuple[int, int]]:
    return {
        path: (len(module._forward_hooks), len(module._forward_pre_hooks) if not path else 0)
        for path, module in network.named_modules()
    }


def _refusal(name: str, technique: Any, at: At, words: frozenset[str]) -> str:
    """Why `fit` would refuse the technique here."""
    try:
        check_needs(name, technique, words)
        at.layout.check_named(name, technique)
        if touches(technique, CHECK):
            technique.check(at)
    except DampenError as error:
        return str(error)
    return ""


def _inputs(data: Any) -> Tensor | None:
    """`data` as inputs alone, where it is an array or a tensor."""
    if not hasattr(data, "shape") or not hasattr(data, "dtype"):
        return None
    inputs = torch.as_tensor(data)
    if inputs.dim() < 2 or not len(inputs):
        raise DampenError(f"data must be inputs (rows, ...), at least one row; got shape {tuple(inputs.shape)}.")
    return inputs.float() if inputs.dtype == torch.uint8 else inputs


def _module(model: Any) -> nn.Module:
    """A copy of a module, or what a function makes that needs no facts."""
    if isinstance(model, nn.Module):
        return copy.deepcopy(model)
    check_factory(model)
    if takes_facts(model):
        raise DampenError(
            f"data must hold targets, too, for a network that is built to fit them; got inputs alone for {model!r}. "
            "Use (inputs, targets)."
        )
    with torch.random.fork_rng(devices=[]):
        made = model()
    if not isinstance(made, nn.Module):
        raise DampenError(f"model must return an nn.Module; got {type(made).__name__}.")
    return made


def _called(model: Any, network: nn.Module) -> str:
    """An architecture by its arguments, a function by what it makes."""
    return repr(model) if dataclasses.is_dataclass(model) else type(network).__name__


# ------------------------------------------------------------------ the record


def _summary(name: str, recipe: Recipe, found: _Found) -> Summary:
    acts = tuple(_acts(n, t, found, n not in recipe.active) for n, t in recipe.named.items())
    trained = _trained(recipe, found)
    rows = _rows(found, acts, trained)
    tensors = dict(found.network.named_parameters())
    num_trained = sum(tensor.numel() for name, tensor in tensors.items() if name in trained)
    num_buffers = sum(buffer.numel() for buffer in found.network.buffers())
    total = sum(tensor.numel() for tensor in tensors.values())
    return Summary(name, str(recipe), rows, acts, num_trained, total - num_trained, num_buffers)


def _trained(recipe: Recipe, found: _Found) -> set[str]:
    """Names of the tensors that train in the first epoch."""
    names = {name for name, role in found.layout.tensors.items() if role.trains}
    for name, technique in recipe.active.items():
        if touches(technique, "trains") and name not in found.refusals:
            names &= {*technique.trains(found.layout, found.clock)}
    return names


def _acts(name: str, technique: Any, found: _Found, rests: bool) -> Acts:
    room = room_of(type(technique)) if type(technique) in CATALOGUE else _room(technique)
    does = summary_of(type(technique))
    if refusal := found.refusals.get(name, ""):
        return Acts(name, room, "nowhere", (), 0, does, refusal)
    if rests and name not in found.added:
        return Acts(name, room, "nowhere: every strength rests at its off value", (), 0, does)
    layers, on = _places(name, technique, found), EVERYWHERE[room]
    if name in found.added:
        on = f"{'adds' if {*layers} & {*found.new} else 'changes'} {', '.join(layers)}"
    elif getattr(technique, "sites", None) in SITES:
        on = f"{SITES[technique.sites]}: {', '.join(layers)}" if layers != (INPUTS,) else SITES[technique.sites]
    elif layers:
        on = ", ".join(layers)
    own = technique.adds(found.layout) if touches(technique, "adds") else {}
    return Acts(name, room, on, layers, sum(tensor.numel() for tensor in own.values()), does)


def _room(technique: Any) -> str:
    """Where a technique of somebody's own belongs, by its first hook that is no preparation."""
    places = [HOOKS[hook].place for hook in hooks_of(technique)]
    return next((place for place in places if place in EVERYWHERE), "epoch")


def _places(name: str, technique: Any, found: _Found) -> tuple[str, ...]:
    """Paths of the modules that the technique names, in order."""
    if name in found.added:
        return found.added[name]
    if hasattr(technique, "sites"):
        return found.layout.site_paths(technique.sites)
    if hasattr(technique, "layers"):
        tensors = found.layout.tensors
        return tuple(dict.fromkeys(tensors[tensor].module for tensor in found.layout.chosen(technique)))
    return ()


def _rows(found: _Found, acts: tuple[Acts, ...], trained: set[str]) -> tuple[Row, ...]:
    """What goes in, what ran, then what holds parameters and did not run."""
    modules, shapes = dict(found.network.named_modules()), found.layout.shapes
    order = _in_order(found, modules)
    counts = {path: [0, 0] for path in order}
    for name, role in found.layout.tensors.items():
        owner = next((path for path in _upwards(role.module) if path in counts), role.module)
        count = counts.setdefault(owner, [0, 0])
        count[0] += math.prod(role.shape)
        count[1] += math.prod(role.shape) * (name in trained)
    rows = [Row(INPUTS, "", shapes[INPUTS], 0, 0, _here(INPUTS, acts))]
    for path, (every, some) in counts.items():
        kind = type(modules[path]).__name__
        rows.append(Row(path, kind, shapes.get(path), every, some, _here(path, acts), found.new.get(path, "")))
    return tuple(rows)


def _in_order(found: _Found, modules: dict[str, nn.Module]) -> list[str]:
    """Paths of the layers that ran, each once. A norm that a technique has made a child of a layer runs in that layer's
    hook, so it is heard of first; it stands behind it."""
    _, _, calls = watched(found.network, found.example)
    leaves = [c.path for c in calls if c.path and (is_whole(modules[c.path]) or not any(modules[c.path].children()))]
    ran = dict.fromkeys(leaves)
    inside = {path: parent for path in ran for parent in [*_upwards(path)][1:] if parent in ran}
    order: list[str] = []
    for path in ran:
        if path not in inside:
            order += [path, *(child for child in ran if inside.get(child) == path and child in found.new)]
    return order


def _upwards(path: str) -> list[str]:
    """a.b.c, a.b, a"""
    parts = path.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _here(path: str, acts: tuple[Acts, ...]) -> tuple[str, ...]:
    return tuple(act.name for act in acts if path in act.layers)


# ------------------------------------------------------------------ for people


def _table(rows: tuple[Row, ...]) -> list[str]:
    head = ("layer", "kind", "output", "parameters", "acts here")
    cells = [
        (
            _cut(row.path or "(the model)", LONGEST_PATH),
            _cut(f"{row.kind}{' +' if row.added_by else ''}", LONGEST_KIND),
            "" if row.shape is None else " x ".join(map(str, row.shape)) or "1",
            f"{row.num_parameters:,}" + ("" if row.num_trained == row.num_parameters else "*"),
            ", ".join(row.techniques),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (head, *cells)) for column in range(4)]
    lines = []
    for line in (head, *cells):
        left = "  ".join([*(cell.ljust(width) for cell, width in zip(line[:3], widths, strict=False))])
        left += f"  {line[3].rjust(widths[3])}"
        room = max(WIDTH - len(left) - 2, 12)
        words = textwrap.wrap(line[4], room) or [""]
        lines += [f"{left}  {words[0]}".rstrip(), *(" " * (len(left) + 2) + more for more in words[1:])]
    lines.insert(1, "-" * min(WIDTH, max(map(len, lines))))
    marks = {"+": any(row.added_by for row in rows), "*": any(row.num_trained < row.num_parameters for row in rows)}
    notes = {"+": "+ added by a technique", "*": "* not all of them train at the start"}
    told = "; ".join(note for mark, note in notes.items() if marks[mark])
    return [*lines, *([told] if told else [])]


def _told(techniques: tuple[Acts, ...]) -> list[str]:
    width = max((len(acts.name) for acts in techniques), default=0)
    lines: list[str] = []
    for acts in techniques:
        told = f"nowhere. {acts.refusal}" if acts.refusal else f"{acts.on} ({acts.does})" if acts.does else acts.on
        lines += textwrap.wrap(
            told, WIDTH, initial_indent=f"  {acts.name:<{width}}  ", subsequent_indent=" " * (width + 4)
        )
    return lines


def _cut(text: str, limit: int) -> str:
    """The end of a path says more than its beginning."""
    return text if len(text) <= limit else "…" + text[len(text) - limit + 1 :]


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
