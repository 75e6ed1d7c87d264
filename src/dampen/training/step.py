"""The training step, written for one member. This function is the architecture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..contracts import At, Batch, Clock, Draws, Seen, Site, Tensors
from ..data.facts import Facts
from ..models.kinds import linear_map
from ..models.layout import INPUTS, Layout
from ..randomness import Key
from ..recipe import with_tensors
from ..tensors import binary_cross_entropy, cross_entropy, squared_error, weighted_mean
from ..vocabulary import HOOKS, claims, touches
from .forward import Forward, channels_last

Objective = Callable[..., tuple[Tensor, Seen]]
Total = Callable[[Tensors], "tuple[Tensor, Report]"]
OWN = ":"
"""Between a technique's name and the name of a trained tensor of its own."""


class Report(NamedTuple):
    """What a step tells: the objective's value, the penalty in it, the running buffers."""

    loss: Tensor
    penalty: Tensor
    buffers: Tensors


class OneMember(NamedTuple):
    """The tensors of one member besides its parameters (of all members with a leading axis when stacked)."""

    buffers: Tensors
    states: dict[str, Tensors]
    strengths: dict[str, Tensor]
    facts: Tensors


@dataclasses.dataclass(eq=False)
class Program:
    """What is equal for all members of a pack, fixed before the first step."""

    techniques: dict[str, Any]
    forward: Forward
    layout: Layout
    facts: Facts
    device: torch.device
    precision: str = "float32"
    criterion: Callable[[Tensor, Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        self.names = {hook: [n for n, t in self.techniques.items() if touches(t, hook)] for hook in HOOKS}
        self.names["serving"].sort(key=lambda name: claims(self.techniques[name], "serving"))  # the last one decides
        self.sites = {n: self.layout.site_paths(self.techniques[n].sites) for n in self.names["activation"]}
        watching = [t for t in self.techniques.values() if touches(t, "penalty") and hasattr(t, "sites")]
        self.watched = tuple(dict.fromkeys(p for t in watching for p in self.layout.site_paths(t.sites)))

    def site(self, path: str, depth_fraction: float) -> Site:
        linear = None if path == INPUTS else linear_map(self.forward.model.get_submodule(path))
        return Site(path, depth_fraction, time_axis=self.layout.time_axes.get(path), linear=linear)

    def autocast(self) -> Any:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")


class Scene:
    """A recipe's techniques with one member's strengths, and what each of them may look at."""

    def __init__(self, program: Program, clock: Clock, member: OneMember, params: Tensors, before: Tensors) -> None:
        self.program, self.member, self.params = program, member, params
        self.techniques = with_tensors(program.techniques, member.strengths)
        facts = program.facts.with_tensors(member.facts)
        lr = member.strengths["optimizer.lr"]
        self.base = At(clock=clock, facts=facts, layout=program.layout, lr=lr, before=before)

    def touching(self, hook: str, params: Tensors | None = None) -> Iterator[tuple[str, Any, At]]:
        """(name, technique, what it may look at). params: those that a gradient is taken by, where one is."""
        for name in self.program.names[hook]:
            yield name, self.techniques[name], self.at(name, self.params if params is None else params)

    def at(self, name: str, params: Tensors) -> At:
        prefix = name + OWN
        own = {n[len(prefix) :]: p for n, p in params.items() if n.startswith(prefix)}
        return self.base._replace(state=self.member.states.get(name, {}), own=own, params=params)

    def see(self, forward: Callable[..., Seen]) -> None:
        self.base = self.base._replace(forward=forward)


def gradient_of_one(
    program: Program,
    differentiate: Callable[[Total], Callable[[Tensors], tuple[Tensors, Report]]],
    clock: Clock,
    trained: Tensors,
    frozen: Tensors,
    member: OneMember,
    batch: Batch,
    key: Key,
) -> tuple[Tensors, Report]:
    """Gradients of the trained tensors of one member for one batch, and a report of the step."""
    scene = Scene(program, clock, member, {**frozen, **trained}, {})
    for name, t, at in scene.touching("batch"):
        batch = t.batch(batch, drawn(t, batch, key / name, at), at)
    forward = edited(program, scene, key)
    scene.see(forward)
    objective = mean_of(criterion(program, scene), forward)
    for name, t, at in scene.touching("objective"):
        objective = t.objective(objective, drawn(t, batch, key / name, at), at)
    penalised = plus_penalties(objective, scene)
    gradient = differentiate(lambda params: penalised({**frozen, **params}, batch))
    for _, t, at in scene.touching("around_gradient"):
        gradient = t.around_gradient(gradient, at)
    grads, report = gradient(trained)
    for name, t, at in scene.touching("gradients"):
        grads = t.gradients(grads, drawn(t, grads, key / name, at), at)
    return grads, report  # then: the optimizer on the stack, and weights_of_one


def weights_of_one(
    program: Program, clock: Clock, frozen: tuple[str, ...], params: Tensors, before: Tensors, member: OneMember
) -> tuple[Tensors, dict[str, Tensors]]:
    """Parameters and states of one member after the optimizer and the `weights` hooks; what is frozen stays."""
    scene = Scene(program, clock, member, params, before)
    scene.base = scene.base._replace(frozen=frozen)
    states = dict(member.states)
    for name, t, at in scene.touching("weights"):
        params, states[name] = t.weights(params, states.get(name, {}), at)
        params = {**params, **{n: before[n] for n in frozen}}
    return params, {name: state for name, state in states.items() if state}


def served_by_one(program: Program, params: Tensors, member: OneMember) -> tuple[Tensors, Tensors]:
    """(parameters, buffers) that predict: chosen by `serving`, made plain by every `bake`."""
    scene = Scene(program, Clock(0, 0, 0, 0), member, params, {})
    buffers = member.buffers
    for _, t, at in scene.touching("serving"):
        params, buffers = t.serving(params, buffers, at.state)
    for name in program.names["bake"]:
        params = scene.techniques[name].bake(params, member.states.get(name, {}), scene.at(name, params))
    return params, buffers


def reestimates(program: Program, member: OneMember) -> Tensor:
    """Whether batch norms learn anew what the weights that serve make of the rows: one True or False."""
    (name,) = program.names["reestimates"]
    scene = Scene(program, Clock(0, 0, 0, 0), member, {}, {})
    answer: Tensor = scene.techniques[name].reestimates(member.states[name])
    return answer


# ------------------------------------------------------------------ the parts of the step


def drawn(technique: Any, thing: Any, key: Key, at: At) -> Draws:
    return technique.draw(thing, key, at) if hasattr(technique, "draw") else {}


def edited(program: Program, scene: Scene, key: Key) -> Callable[..., Seen]:
    """The forward pass with this recipe's noise: edits of parameters and of activations."""

    def forward(
        params: Tensors,
        batch: Batch,
        *,
        edits: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
        noise: bool = True,
        norm: bool = True,
        again: int = 0,
    ) -> Seen:
        here = key / f"pass {again}" if again else key
        used, functions = params, _Edits()
        seen: Tensors = {}
        if noise:
            for name, t, at in scene.touching("parameters", params):
                used = t.parameters(used, drawn(t, used, here / name, at), at)
            for name, t, at in scene.touching("activation", params):
                at, paths = at._replace(params=used), program.sites[name]
                for number, path in enumerate(paths):
                    site = program.site(path, (number + 1) / len(paths))
                    functions.add(path, _noise(t, here / name, at, site, program.forward.channels_last))
        for path, edit in (edits or {}).items():
            edit = edit if noise else getattr(edit, "without_noise", edit)  # who only watches does not watch probes
            # of a module that is called twice this is the first call; the second is another site
            functions.add(path, lambda x, _args, place, path=path, edit=edit: edit(x) if place == path else x)
        for path in program.watched:
            functions.add(path, lambda x, _args, place: seen.setdefault(place, x))
        with program.autocast():
            outputs, buffers = program.forward(used, scene.member.buffers, batch.inputs, functions, norm)
        return Seen(params, outputs.to(batch.targets.dtype), seen, batch, buffers)

    return forward


class _Edits(dict[str, list[Any]]):
    def add(self, path: str, function: Any) -> None:
        self.setdefault(path, []).append(function)


def _noise(technique: Any, key: Key, at: At, site: Site, last: bool) -> Any:
    """last: whether images have their channels last in memory; what is drawn for them shall, too: products of tensors
    in unlike orders take ten times as long."""

    def edit(x: Tensor, inputs: tuple[Any, ...], place: str) -> Tensor:
        here = at._replace(site=site._replace(path=place, inputs=inputs))
        draws = drawn(technique, x, key / place, here)
        if last:
            draws = {name: channels_last(draw) if isinstance(draw, Tensor) else draw for name, draw in draws.items()}
        return technique.activation(x, draws, here)

    return edit


def criterion(program: Program, scene: Scene) -> Callable[[Tensor, Tensor], Tensor]:
    """The recipe's criterion, or the caller's, or cross-entropy for classes, label by label for labels, and the squared
    error in units of the target's standard deviation for numbers."""
    for _, t, at in scene.touching("criterion"):
        return lambda outputs, targets: t.criterion(outputs, targets, at)
    if (given := program.criterion) is not None:
        return lambda outputs, targets: given(outputs, targets).expand(len(outputs))  # a mean counts for every row
    if program.facts.task == "classes":
        return cross_entropy
    if program.facts.task == "labels":
        return binary_cross_entropy
    std = scene.base.facts.target_std
    return lambda outputs, targets: squared_error(outputs / std, targets / std)


def mean_of(losses: Callable[[Tensor, Tensor], Tensor], forward: Callable[..., Seen]) -> Objective:
    def objective(params: Tensors, batch: Batch, **how: Any) -> tuple[Tensor, Seen]:
        seen = forward(params, batch, **how)
        return weighted_mean(losses(seen.outputs, batch.targets), batch.weights), seen

    return objective


def plus_penalties(objective: Objective, scene: Scene) -> Callable[..., tuple[Tensor, Report]]:
    """The outermost objective: the loss plus every penalty, once a step."""

    def penalised(params: Tensors, batch: Batch) -> tuple[Tensor, Report]:
        loss, seen = objective(params, batch)
        total = loss
        for _, t, at in scene.touching("penalty", seen.params):
            total = total + t.penalty(seen, at)
        value = total.detach()
        return total, Report(value, value - loss.detach(), seen.buffers)

    return penalised
