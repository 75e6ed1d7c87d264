"""One pack in training: its program, its stacks, and one epoch of steps. Nothing here decides; epochs.py does."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..contracts import At, Batch, Clock, Tensors, switches, tunables
from ..models.kinds import NORMS
from ..models.layout import Layout
from ..randomness import Key, key_of, permutation, seed_torch
from . import lift
from .forward import Forward
from .layers import AliveUnits, watched_sites
from .pack import Block, Pack
from .plan import PackPlan
from .problem import Member, Prepared, Problem, prepare
from .replay import FROM_STEPS, RECORD, Checked
from .statistics import estimated, learned_by_one
from .step import OWN, Program, Report, gradient_of_one, reestimates, served_by_one, weights_of_one

ORDER = "batch order"
DIVERGED = 1e6
"""A loss this many times the first one counts as diverged, as does one that is not finite."""
EVALUATION_NUMBERS = 2**24
"""Evaluation goes through rows in chunks of about this many input numbers."""


class Run:
    """A program and its pack; steps, predictions and serving weights of all members at once."""

    def __init__(self, problem: Problem, plan: PackPlan, program: Program, pack: Pack, num_train: int) -> None:
        self.problem, self.plan, self.program, self.pack = problem, plan, program, pack
        self.batch_size, self.steps_per_epoch = problem.batching(num_train)
        self.steps = self.steps_per_epoch * problem.epochs
        self.replay_from = FROM_STEPS
        self._ones = torch.ones(0)
        self.rectifiers = watched_sites(program.layout, program.forward.model)
        if plan.precision == "bf16" and plan.lift == "vmap":
            _widen_norms(program.forward.model)

    # -------------------------------------------------------------- lifting

    def lifted(self, function: Callable[..., Any], *bound: Any) -> Callable[..., Any]:
        """`function` with its leading arguments bound, for the stacks of the members that are left."""
        one = functools.partial(function, self.program, *bound)
        return lift.loop(one, len(self.pack)) if self.looped else lift.vmap(one)

    @property
    def looped(self) -> bool:
        """Whether the members that are left run one after the other."""
        return self.plan.lift_of(len(self.pack)) == "loop"

    def params(self, names: tuple[str, ...]) -> Any:
        """The named parameters of all members, taken apart beforehand where the members loop."""
        return self._cached(names, lambda: {name: self.pack.params[name] for name in names})

    def member(self) -> Any:
        """Everything else a member has, likewise."""
        return self._cached("member", self.pack.member)

    def before(self) -> Any:
        """The parameters before the optimizer moved, likewise."""
        return self._cached("before", lambda: self.pack.before_views)

    def _cached(self, what: Any, stacks: Callable[[], Any]) -> Any:
        if not self.looped:
            return stacks()
        if what not in self.pack.apart:  # views of the stacks, which are only ever written in place
            self.pack.apart[what] = lift.take_apart(stacks(), len(self.pack))
        return self.pack.apart[what]

    @property
    def differentiate(self) -> Any:
        return lift.autograd_gradient if self.looped else lift.functorch_gradient

    # -------------------------------------------------------------- an epoch of steps

    def clock(self, epoch: int, number: int) -> Clock:
        """The clock before the given step of an epoch."""
        return Clock(epoch * self.steps_per_epoch + number, self.steps, epoch, self.problem.epochs)

    def trained(self, epoch: int) -> tuple[str, ...]:
        """Names of the tensors that train in this epoch. A technique's own tensor named after one of the network's
        (the gain of a weight) trains with it."""
        clock, layout = self.clock(epoch, 0), self.program.layout
        chosen = {name for name, role in layout.tensors.items() if role.trains}
        for name in self.program.names["trains"]:
            chosen &= set(self.program.techniques[name].trains(layout, clock))
        names = {name: name.partition(OWN)[2] if OWN in name else name for name in self.pack.params}
        return tuple(name for name, of in names.items() if of in chosen or of not in layout.tensors)

    def order(self, epoch: int) -> Tensor:
        """Rows of the data set in this epoch's order, (K, steps per epoch, batch size)."""
        words = torch.stack([self.pack.seeds, torch.full_like(self.pack.seeds, epoch)], -1)
        train = self.pack.rows["train"]
        shuffle = permutation(Key(words, train.device) / ORDER, train.shape[1])
        taken = train.gather(1, shuffle)[:, : self.steps_per_epoch * self.batch_size]
        return taken.view(len(self.pack), self.steps_per_epoch, self.batch_size)

    def epoch(self, epoch: int, schedule: Callable[[Clock], Sequence[dict[str, float]] | None]) -> dict[str, Tensor]:
        """Train one epoch; returns (K,) mean losses and penalties, whether all losses were sound, and
        the last gradient norms."""
        pack, program = self.pack, self.program
        program.forward.train()
        trained, order = self.trained(epoch), self.order(epoch)
        pack.grads.zero_()  # what is frozen from now on has no gradient
        reports = []
        for number, batch in enumerate(self.batches(order)):
            clock = self.clock(epoch, number)
            if (values := schedule(clock)) is not None:
                pack.set_values(values)
            if number == self.steps_per_epoch - 1:
                pack.before.copy_(pack.block.data)  # the last step is looked at
            reports.append(self.step(clock, batch, trained))
        losses = torch.stack([report.loss for report in reports])
        penalties = torch.stack([report.penalty for report in reports])
        pack.limit = torch.where(pack.limit.isnan(), DIVERGED * losses[0].abs().clamp(min=1e-6), pack.limit)
        return {
            "loss": losses.mean(0),
            "penalty": penalties.mean(0),
            "sound": (losses <= pack.limit).all(0),
            "gradient_norm": pack.grads.norm(dim=1),
        }

    def step(self, clock: Clock, batch: Batch, trained: tuple[str, ...]) -> Report:
        """Gradients, optimizer, `weights` hooks: one step of every member, in place."""
        pack = self.pack
        report = self.gradients(clock, trained)(clock, batch, self.words(clock.step))
        pack.put_buffers(report.buffers)
        if not self.program.names["weights"]:
            pack.optimize(trained)
            return report
        pack.before.copy_(pack.block.data)
        pack.optimize(trained)
        self.weights(clock, trained)(clock)
        return report

    def gradients(self, clock: Clock, trained: tuple[str, ...]) -> Callable[[Clock, Batch, Tensor], Report]:
        """What puts the gradients of all members into the block and returns the report."""

        def plain(clock: Clock, batch: Batch, words: Tensor) -> Report:
            gradient = self.lifted(self.gradient, self.differentiate, clock)
            grads, report = gradient(
                self.params(trained), self.params(self.frozen(trained)), self.member(), batch, words
            )
            self.pack.put_grads(grads)
            return report

        return self._fast(("gradients", trained), clock, plain, lambda: [self.pack.grads])

    def weights(self, clock: Clock, trained: tuple[str, ...]) -> Callable[[Clock], None]:
        """What runs the `weights` hooks of all members and puts the outcome in place."""
        pack, frozen = self.pack, self.frozen(trained)

        def plain(clock: Clock) -> None:
            after = self.lifted(weights_of_one, clock, frozen)
            moved, states = after(self.params(tuple(pack.params)), self.before(), self.member())
            pack.put_params(moved)
            pack.put_states(states)

        return self._fast(("weights", trained), clock, plain, lambda: [pack.block.data, *tree_leaves(pack.states)])

    def _fast(self, what: Any, clock: Clock, plain: Callable[..., Any], written: Callable[[], list[Tensor]]) -> Any:
        """`plain`, or where enough steps are to come what replays it."""
        known = self.pack.replays.get(what)
        if known is None and not self.plan.torch_randomness and clock.steps - clock.step >= self.replay_from:
            kind, trained = what
            record = functools.partial(RECORD[kind], self, trained)
            known = self.pack.replays[what] = Checked(plain, record, written())
        return known or plain

    def frozen(self, trained: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in self.pack.params if name not in trained)

    def gradient(self, program: Program, differentiate: Any, clock: Clock, *tensors: Any) -> Any:
        """`gradient_of_one`, under a seeded generator where the network draws unkeyed numbers of its own."""
        trained, frozen, member, batch, words = tensors
        key = key_of(words, program.device, known=differentiate is lift.autograd_gradient)
        one = functools.partial(gradient_of_one, program, differentiate, clock, trained, frozen, member, batch, key)
        if not self.plan.torch_randomness:
            return one()
        with seeded(*words.tolist()):
            return one()

    def words(self, step: int) -> Tensor:
        """(K, 2): seed and step of every member. The same memory at every step."""
        if "words" not in self.pack.apart:
            self.pack.apart["words"] = torch.stack([self.pack.seeds, torch.zeros_like(self.pack.seeds)], -1)
        words: Tensor = self.pack.apart["words"]
        words[:, 1] = step
        return words

    def batch(self, rows: Tensor) -> Batch:
        """The batch of these rows (K, N)."""
        return self._weighted(*self.problem.feed.take(rows))

    def batches(self, order: Tensor) -> Iterator[Batch]:
        """The batch of each step of order (K, steps, N)."""
        for inputs, targets in self.problem.feed.batches(order):
            yield self._weighted(inputs, targets)

    def _weighted(self, inputs: Tensor, targets: Tensor) -> Batch:
        shape = targets.shape[:2]
        if self._ones.shape != shape:
            self._ones = torch.ones(shape, dtype=targets.dtype, device=targets.device)
        return Batch(inputs, targets, self._ones)

    # -------------------------------------------------------------- looking at it

    def served(self) -> tuple[Tensors, Tensors]:
        """Parameters and buffers of every member that would predict now."""
        names = self.program.names
        if not (names["serving"] or names["bake"]):
            return self.pack.params, self.pack.buffers
        params, buffers = self.lifted(served_by_one)(self.pack.params, self.pack.member())
        if not (names["reestimates"] and self.program.forward.statistics):
            return params, buffers
        anew = self.lifted(reestimates)(self.pack.member())
        if not anew.any():
            return params, buffers
        batches = (inputs for inputs, _ in self.problem.feed.batches(self.order(0)))
        learned = estimated(self.program.forward, self.lifted(learned_by_one), params, buffers, batches)
        return params, {name: of_members(anew, tensor, buffers[name]) for name, tensor in learned.items()}

    def predict(self, params: Tensors, buffers: Tensors, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(outputs, targets) of rows (K, N), in evaluation mode."""
        outputs, targets = zip(*self._passes(self.lifted(_outputs), params, buffers, rows), strict=True)
        return torch.cat(outputs, 1).to(targets[0].dtype), torch.cat(targets, 1)

    def watched(self, params: Tensors, buffers: Tensors, rows: Tensor) -> tuple[Tensor, Tensor, Tensors]:
        """The same, and per site which hidden units put out anything but 0 for some row, (K, units)."""
        passes = self._passes(self.lifted(_watched_outputs, self.rectifiers), params, buffers, rows)
        seen, targets = zip(*passes, strict=True)
        alive = {place: torch.stack([units[place] for _, units in seen]).any(0) for place in seen[0][1]}
        return torch.cat([outputs for outputs, _ in seen], 1).to(targets[0].dtype), torch.cat(targets, 1), alive

    def _passes(
        self, forward: Callable[..., Any], params: Tensors, buffers: Tensors, rows: Tensor
    ) -> Iterator[tuple[Any, Tensor]]:
        """(what `forward` makes of it, targets) of as many rows at a time as fit."""
        self.program.forward.eval()
        chunk = max(1, EVALUATION_NUMBERS // (len(self.pack) * math.prod(self.problem.data.input_shape)))
        for part in rows.split(chunk, dim=1):
            inputs, targets = self.problem.feed.take(part)
            yield forward(params, buffers, inputs), targets


def of_members(members: Tensor, theirs: Tensor, others: Tensor) -> Tensor:
    """(K, ...): of the members (K,) that are True from the one stack, of the others from the other."""
    return torch.where(members.view(-1, *(1 for _ in theirs.shape[1:])), theirs, others)


@contextmanager
def seeded(seed: int, step: int) -> Iterator[None]:
    """torch's own generators for a while at a state that seed and step decide; afterwards as they were."""
    with torch.random.fork_rng():
        seed_torch((seed * 1_000_003 + step) % 2**63)
        yield


def _outputs(program: Program, params: Tensors, buffers: Tensors, inputs: Tensor) -> Tensor:
    with program.autocast():
        return program.forward(params, buffers, inputs)[0]


def _watched_outputs(
    program: Program, sites: tuple[str, ...], params: Tensors, buffers: Tensors, inputs: Tensor
) -> tuple[Tensor, Tensors]:
    watch = AliveUnits(sites, program.layout.time_axes)
    with program.autocast():
        outputs, _ = program.forward(params, buffers, inputs, watch.edits)
    return outputs, watch.alive


def _widen_norms(model: nn.Module) -> None:
    """Under vmap, norms in bf16 autocast fail unless their input is float32."""
    for module in model.modules():
        if isinstance(module, NORMS):
            module.register_forward_pre_hook(lambda _module, args: (args[0].float(), *args[1:]))


# ------------------------------------------------------------------ setting out


def start(problem: Problem, members: Sequence[Member], plan: PackPlan, train_sample: int) -> Run:
    """Build, adopt and rebuild every member's network, and stack them."""
    chosen = [members[i] for i in plan.members]
    parts = {member.seed: problem.split(member.seed) for member in chosen}
    splits, facts = [parts[member.seed] for member in chosen], [problem.facts(member.seed) for member in chosen]
    alike: dict[Any, Prepared] = {}  # of one seed and structure: their tensors are copied into the stacks
    prepared: list[Prepared] = []
    for member, fact in zip(chosen, facts, strict=True):
        key = member.seed, tuple(repr(t) for t in member.recipe.techniques if hasattr(t, "rebuild"))
        if key not in alike:
            layouts = prepared[0].layouts if prepared else ()
            alike[key] = prepare(problem, member.recipe, member.seed, fact, layouts)
        prepared.append(alike[key])
    techniques = {**prepared[0].own_noise, **_program_techniques(chosen, plan)}
    model, layout = prepared[0].model, prepared[0].layouts[-1]
    program = Program(
        techniques=techniques,
        forward=Forward(model, layout.running, plan.channels_last),
        layout=layout,
        facts=facts[0],
        device=problem.device,
        precision=plan.precision,
    )
    params = [_parameters(p.model, techniques, layout) for p in prepared]
    block = Block.stack(params)
    buffers = [dict(p.model.named_buffers()) for p in prepared]
    optimizer = chosen[0].recipe.optimizer
    pack = Pack(
        indexes=list(plan.members),
        block=block,
        buffers=_stacked(buffers),
        states={},
        optimizer=optimizer,
        optimizer_state=optimizer.start(block.data),
        steps=dict.fromkeys(block.shapes, 0),
        base=[_values(member, techniques) for member in chosen],
        facts=_stacked([fact.tensors() for fact in facts]),
        seeds=torch.tensor([member.seed for member in chosen], dtype=torch.int64),
        rows={
            "train": torch.stack([s.train for s in splits]).to(problem.device),
            "sample": torch.stack([_sample(s.train, train_sample) for s in splits]).to(problem.device),
            "validation": torch.stack([s.validation for s in splits]).to(problem.device),
            "test": torch.stack([s.test for s in splits]).to(problem.device),
        },
        kept=torch.zeros_like(block.data),
        kept_buffers={name: t.clone() for name, t in _stacked(buffers).items()},
        has_kept=torch.zeros(len(chosen), dtype=torch.bool, device=problem.device),
        limit=torch.full((len(chosen),), math.nan, dtype=problem.dtype, device=problem.device),
    )
    pack.states = _states(pack, program, facts)
    return Run(problem, plan, program, pack, pack.rows["train"].shape[1])


def _program_techniques(members: Sequence[Member], plan: PackPlan) -> dict[str, Any]:
    """The techniques of a pack by name; each taken from a member that uses it. What none uses, because a pack was
    cut, is left out."""
    found = {name: t for member in members for name, t in member.recipe.active.items()}
    return {name: found[name] for name in plan.techniques if name in found}


def _values(member: Member, techniques: dict[str, Any]) -> dict[str, float]:
    """The flat dict of a member for this program: its own strengths and optimizer, off values of what only rides
    along, the network's own dropout. What only the host decides by is not in it."""
    values: dict[str, float] = {}
    for name, technique in techniques.items():
        rests = {} if name.startswith("model.") else switches(technique)
        values |= {f"{name}.{field}": rests.get(field, getattr(technique, field)) for field in tunables(technique)}
    own = {name: value for name, value in member.recipe.strengths.items() if name in values}
    optimizer = {
        f"optimizer.{field}": getattr(member.recipe.optimizer, field) for field in tunables(member.recipe.optimizer)
    }
    return {**values, **own, **optimizer}


def _parameters(model: nn.Module, techniques: dict[str, Any], layout: Layout) -> Tensors:
    params = {name: p.detach() for name, p in model.named_parameters()}
    for name, technique in techniques.items():
        if hasattr(technique, "adds"):
            params |= {name + OWN + own: tensor for own, tensor in technique.adds(layout).items()}
    return params


def _states(pack: Pack, program: Program, facts: Sequence[Any]) -> dict[str, Tensors]:
    states = {}
    for name in program.names["start"]:
        started = []
        for row, fact in enumerate(facts):
            at = At(clock=Clock(0, 0, 0, 0), facts=fact, layout=program.layout)
            started.append(program.techniques[name].start({n: t[row] for n, t in pack.params.items()}, at))
        states[name] = _stacked(started)
    return states


def _stacked(members: Sequence[Tensors]) -> Tensors:
    return {name: torch.stack([member[name] for member in members]) for name in members[0]}


def _sample(rows: Tensor, size: int) -> Tensor:
    """Evenly spread rows of the training part."""
    return rows[torch.linspace(0, len(rows) - 1, min(size, len(rows))).round().long()]
