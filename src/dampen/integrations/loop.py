"""A recipe in a plain PyTorch loop: whole, or hook by hook.

reg = dampen.attach(recipe, model, optimizer, epochs=20, steps_per_epoch=len(loader))
for x, y in loader:
    loss = reg.backward(x, y)                 # every hook, SAM and R-Drop included; fills .grad
    optimizer.step()
    reg.weights()
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..contracts import At, Batch, Clock, Decision, Tensors
from ..data.facts import Facts, facts_of
from ..errors import DampenError
from ..models.layout import Layout, layout_of
from ..modules import in_evaluation
from ..randomness import Key, make_key, permutation
from ..recipe import Recipe, decided, scheduled
from ..training.forward import Forward
from ..training.lift import autograd_gradient
from ..training.problem import check_suits
from ..training.run import ORDER
from ..training.statistics import estimated, learned_by_one
from ..training.step import (
    OneMember,
    Program,
    Scene,
    criterion,
    drawn,
    edited,
    gradient_of_one,
    mean_of,
    plus_penalties,
    reestimates,
    served_by_one,
    weights_of_one,
)
from ..vocabulary import KEEPS, touches

Criterion = Callable[[Tensor, Tensor], Tensor]
_REBUILT = "dampen_rebuilt"


def attach(
    recipe: Recipe,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    data: tuple[Tensor, Tensor] | None = None,
    epochs: int = 1,
    steps_per_epoch: int = 1,
    seed: int = 0,
) -> Attached:
    """Put a recipe's techniques into a loop that belongs to somebody else.

    The optimizer is the caller's; the recipe's own is not used, but `optimizer.lr` may be scheduled. data: inputs
    and targets of the training part, for techniques that ask for facts of it; without them the first batch stands
    in. epochs and steps_per_epoch are what schedules count by. Techniques that add structure (BatchNorm) need
    `rebuild` before the optimizer is made.
    """
    for name, technique in recipe.active.items():
        if touches(technique, "rebuild") and not getattr(model, _REBUILT, False):
            raise DampenError(
                f"{name} adds layers, which the optimizer must know; got a plain model. "
                "Call `dampen.rebuild(recipe, model, example_inputs)` before making the optimizer."
            )
        if touches(technique, "adds"):
            raise DampenError(f"{name} trains tensors of its own, which a foreign optimizer lacks. Use `dampen.fit`.")
    return Attached(
        recipe, model, optimizer, data, Clock(0, epochs * steps_per_epoch, 0, epochs), steps_per_epoch, seed
    )


def rebuild(recipe: Recipe, model: nn.Module, example: Tensor) -> nn.Module:
    """Let the recipe's techniques add their structure, in place. example: at least two rows of inputs."""
    with torch.no_grad(), in_evaluation(model):
        width = model(example).shape[-1]
    facts = facts_of(example, torch.zeros(len(example), width), "classes")
    for technique in recipe.techniques:
        if touches(technique, "rebuild"):
            at = At(clock=Clock(0, 0, 0, 0), facts=facts, layout=layout_of(model, example))
            model = technique.rebuild(model, at)
    setattr(model, _REBUILT, True)
    return model


class Attached:
    """A recipe at work in a foreign loop. Made by `attach`."""

    def __init__(
        self,
        recipe: Recipe,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        data: tuple[Tensor, Tensor] | None,
        clock: Clock,
        steps_per_epoch: int,
        seed: int,
    ) -> None:
        self.recipe, self.model, self.optimizer = recipe, model, optimizer
        self.clock, self.steps_per_epoch, self.seed = clock, steps_per_epoch, seed
        self.history: list[dict[str, float]] = []
        self.values = {**recipe.strengths, "optimizer.lr": float(optimizer.param_groups[0]["lr"])}
        self._base = dict(self.values)
        self._group_lrs = [float(group["lr"]) for group in optimizer.param_groups]
        self._schedules = recipe.having("strengths")
        self._program: Program | None = None
        self._kept: dict[str, Tensor] | None = None
        self._before: Tensors = {}
        self._rows = None if data is None else data[0]
        self._batch_size = 1
        if data is not None:
            self._set_out(*data)

    # -------------------------------------------------------------- whole

    def backward(self, inputs: Tensor, targets: Tensor, criterion: Criterion | None = None) -> Tensor:
        """One step's gradients in `.grad`, every hook of the recipe included; returns the objective (a scalar).

        inputs (N, ...); targets (N,) of class numbers, (N, C) of class shares or (N, M) of numbers.
        criterion(outputs, targets) gets targets (N, C) or (N, M) and returns a scalar or (N,); by default
        cross-entropy for classes, the mean squared error for numbers.
        """
        program = self._ready(inputs, targets, criterion)
        batch = self._batch(inputs, targets)
        params = {n: p.detach() for n, p in self.model.named_parameters()}
        trained = self._trained()
        with torch.no_grad():
            grads, report = gradient_of_one(
                program,
                autograd_gradient,
                self.clock,
                {n: params[n] for n in trained},
                {n: p for n, p in params.items() if n not in trained},
                self._member(),
                batch,
                self._key(),
            )
            for name, parameter in self.model.named_parameters():
                parameter.grad = grads.get(name)
            for name, tensor in report.buffers.items():
                self.model.get_buffer(name).copy_(tensor)
        self._remember()
        return report.loss

    def weights(self) -> None:
        """After `optimizer.step()`: decay, constraints, averages; the clock moves on."""
        program = self._set()
        if program.names["weights"]:
            with torch.no_grad():
                live = dict(self.model.named_parameters())
                params = {n: p.detach() for n, p in live.items()}
                trained = self._trained()
                frozen = tuple(n for n in params if n not in trained)
                after, self._states = weights_of_one(program, self.clock, frozen, params, self._before, self._member())
                for name in trained:
                    live[name].copy_(after[name])
        step = self.clock.step + 1
        self.clock = self.clock._replace(step=step, epoch=step // self.steps_per_epoch)

    # -------------------------------------------------------------- hook by hook

    def batch(self, inputs: Tensor, targets: Tensor) -> Batch:
        """The batch after every `batch` hook: mixed, augmented, smoothed."""
        self._ready(inputs, targets, None)
        batch, scene, key = self._batch(inputs, targets), self._scene(), self._key()
        with torch.no_grad():
            for name, t, at in scene.touching("batch"):
                batch = t.batch(batch, drawn(t, batch, key / name, at), at)
        return batch

    def objective(self, batch: Batch, loss: Criterion | None = None) -> Tensor:
        """The loss of a batch with noise, wrapped objectives and penalties: a scalar to call `.backward()` on."""
        program = self._ready(batch.inputs, batch.targets, loss)
        if wraps := program.names["around_gradient"]:
            raise DampenError(f"{wraps[0]} takes more than one gradient; use `backward` instead of `objective`.")
        scene, key = self._scene(), self._key()
        forward = edited(program, scene, key)
        scene.see(forward)
        objective = mean_of(criterion(program, scene), forward)
        for name, t, at in scene.touching("objective"):
            objective = t.objective(objective, drawn(t, batch, key / name, at), at)
        total, report = plus_penalties(objective, scene)(dict(self.model.named_parameters()), batch)
        with torch.no_grad():
            for name, tensor in report.buffers.items():
                self.model.get_buffer(name).copy_(tensor.detach())
        self._remember()
        return total

    def gradients(self) -> None:
        """Apply every `gradients` hook to `.grad`, in place."""
        self._set()
        scene, key = self._scene(), self._key()
        live = {n: p for n, p in self.model.named_parameters() if p.grad is not None}
        grads = {n: p.grad for n, p in live.items()}
        with torch.no_grad():
            for name, t, at in scene.touching("gradients"):
                grads = t.gradients(grads, drawn(t, grads, key / name, at), at)
        for name, parameter in live.items():
            parameter.grad = grads[name]

    # -------------------------------------------------------------- epochs and prediction

    def epoch(self, **record: float) -> Decision:
        """At an epoch's end, with what was measured, e.g. `val_loss=0.31`: whether to stop, and what was asked to be
        kept. "best": the weights are kept here, for `restore`. "also": keep a copy yourself, of the model under
        `serving`, and let the copies predict together."""
        self.history.append({**record, "epochs": self.clock.epochs})
        with self._reading():
            stop, keeps = decided(self.recipe.having("epoch"), self.history)
        if "best" in keeps:
            params, buffers = self._served()
            self._kept = {n: t.detach().clone() for n, t in {**params, **buffers}.items()}
        return Decision(stop, next((keep for keep in KEEPS if keep in keeps), None))

    def restore(self) -> None:
        """Put the weights that serve into the model for good: the best ones kept, else the averaged ones."""
        params, buffers = self._served()
        self._load(self._kept or {**params, **buffers})

    @contextmanager
    def serving(self) -> Iterator[nn.Module]:
        """The model in evaluation mode with the weights that would serve now; afterwards as it was."""
        old = {n: t.detach().clone() for n, t in self.model.state_dict().items()}
        params, buffers = self._served()
        self._load({**params, **buffers})
        try:
            with in_evaluation(self.model):
                yield self.model
        finally:
            self._load(old)

    # -------------------------------------------------------------- inside

    def _ready(self, inputs: Tensor, targets: Tensor, criterion: Criterion | None) -> Program:
        """The program with this step's schedule in place."""
        if self._program is None:
            self._set_out(inputs, targets)
        program = self._set()
        if criterion is not None and program.names["criterion"]:
            raise DampenError(f"{program.names['criterion'][0]} replaces the criterion; leave the other one out.")
        program.criterion = criterion
        self._schedule()
        return program

    def _set(self) -> Program:
        if self._program is None:
            raise DampenError(
                "The recipe must have seen a batch first; call `backward` or `batch`, or attach with data."
            )
        return self._program

    def _set_out(self, inputs: Tensor, targets: Tensor) -> None:
        layout = layout_of(self.model, inputs[:2])
        with torch.no_grad(), in_evaluation(self.model):
            outputs = self.model(inputs[:2])
        if not isinstance(outputs, Tensor) or outputs.dim() != 2:
            shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
            raise DampenError(f"The model must return (rows, outputs); got {shape} for two rows. Add an axis.")
        self._width = outputs.shape[-1]
        if self._width == 1 and not targets.is_floating_point():
            raise DampenError("A model with one output must have floats as targets; got whole numbers. Convert them.")
        facts = _facts(inputs, self._soft(targets), targets, layout)
        words = layout.words | facts.words | ({"batches"} if len(inputs) > 1 else frozenset())
        check_suits(self.recipe, words, At(self.clock, facts, layout, batch_size=len(inputs)))
        device = next(self.model.parameters()).device
        forward = Forward(self.model, layout.running)
        self._program = Program(dict(self.recipe.active), forward, layout, facts, device)
        dtype = next(self.model.parameters()).dtype
        self._strengths = {n: torch.tensor(v, dtype=dtype, device=device) for n, v in self.values.items()}
        params = {n: p.detach() for n, p in self.model.named_parameters()}
        at = At(clock=self.clock, facts=facts, layout=layout)
        self._states = {n: self._program.techniques[n].start(params, at) for n in self._program.names["start"]}
        averaging = self._program.names["reestimates"]
        if averaging and forward.statistics and self._rows is None:
            raise DampenError(
                f"{averaging[0]} must see the training part again, for the model's batch norms; got none of it. "
                "Call `attach` with data=(inputs, targets)."
            )

    def _schedule(self) -> None:
        """The strengths as they stand now; the learning rate is the recipe's schedule, or whatever the caller's own
        scheduler made of it. Groups keep their ratios."""
        now = float(self.optimizer.param_groups[0]["lr"])
        values = self._base if self._schedules else {**self._base, "optimizer.lr": now}
        with self._reading():
            values = scheduled(self._schedules, values, self.clock, self.history)
        for name, value in values.items():
            if value != self.values[name]:
                self._strengths[name].fill_(value)
        self.values = dict(values)
        if self._schedules:
            share = values["optimizer.lr"] / self._base["optimizer.lr"]
            for group, lr in zip(self.optimizer.param_groups, self._group_lrs, strict=True):
                group["lr"] = lr * share

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """A hook that misses a number in the history says which."""
        try:
            yield
        except KeyError as missing:
            got = ", ".join(name for name in (self.history or [{}])[-1] if name != "epochs") or "nothing"
            raise DampenError(
                f"The recipe's techniques need {missing} of every epoch; got {got}. Hand it to `epoch`."
            ) from None

    def _trained(self) -> set[str]:
        names = {n for n, p in self.model.named_parameters() if p.requires_grad}
        program = self._set()
        for name in program.names["trains"]:
            names &= set(program.techniques[name].trains(program.layout, self.clock))
        return names

    def _soft(self, targets: Tensor) -> Tensor:
        if targets.is_floating_point():
            return targets if targets.dim() > 1 else targets[:, None]
        return nn.functional.one_hot(targets.long(), self._width).to(next(self.model.parameters()).dtype)

    def _batch(self, inputs: Tensor, targets: Tensor) -> Batch:
        self._batch_size = len(inputs)
        soft = self._soft(targets)
        return Batch(inputs, soft, torch.ones(len(inputs), dtype=soft.dtype, device=soft.device))

    def _member(self) -> OneMember:
        buffers = dict(self.model.named_buffers())
        return OneMember(buffers, self._states, self._strengths, self._set().facts.tensors())

    def _scene(self) -> Scene:
        return Scene(self._set(), self.clock, self._member(), dict(self.model.named_parameters()), self._before)

    def _key(self) -> Key:
        return make_key(self.seed, self.clock.step, self._set().device)

    def _remember(self) -> None:
        if self._set().names["weights"]:
            self._before = {n: p.detach().clone() for n, p in self.model.named_parameters()}

    def _served(self) -> tuple[Tensors, Tensors]:
        program, member = self._set(), self._member()
        with torch.no_grad():
            params = {n: p.detach() for n, p in self.model.named_parameters()}
            params, buffers = served_by_one(program, params, member)
            norms = program.forward.statistics if program.names["reestimates"] else ()
            if not (norms and reestimates(program, member)):
                return params, buffers
            learned = functools.partial(learned_by_one, program)
            return params, estimated(program.forward, learned, params, buffers, self._shuffled())

    def _shuffled(self) -> Iterator[Tensor]:
        """The inputs of the training part in whole batches, in an order of their own."""
        assert self._rows is not None
        size = min(self._batch_size, len(self._rows))
        order = permutation(make_key(self.seed, 0) / ORDER, len(self._rows))
        for rows in order[: len(order) // size * size].split(size):
            yield self._rows[rows].to(next(self.model.parameters()).device)

    def _load(self, tensors: Tensors) -> None:
        with torch.no_grad():
            for name, tensor in self.model.state_dict(keep_vars=True).items():
                if name in tensors:
                    tensor.copy_(tensors[name])


def _facts(inputs: Tensor, soft: Tensor, targets: Tensor, layout: Layout) -> Facts:
    """Whole numbers that a network embeds are token ids, as many as its first table has rows."""
    tables = () if inputs.is_floating_point() else layout.weights("embeddings")
    num_tokens = layout.tensors[tables[0]].shape[0] if tables else 0
    numbers = targets.is_floating_point() and (targets.dim() == 1 or not _sums_to_one(targets))
    task = "numbers" if numbers else "classes"
    facts = facts_of(inputs if num_tokens else inputs.float(), soft, task, num_tokens=num_tokens)
    one = torch.ones_like(facts.target_std)  # a foreign loop's loss is in the target's own units
    return Facts(**{**facts.__dict__, "target_std": one})


def _sums_to_one(targets: Tensor) -> bool:
    return bool(((targets.sum(-1) - 1).abs() < 1e-4).all())
