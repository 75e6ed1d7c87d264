"""The fast path of a pack's gradient and of its `weights` hooks: recorded at one step, checked bit for bit at the
next, replayed at all others.

Memory that lasts (parameters, buffers, states, strengths) is only ever written in place, so a replay holds on to it;
batch and key words come in anew. In bf16 a replay reads one short copy of the whole block, not a copy per tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from ..contracts import Batch
from ..randomness import Key
from . import lift
from .plan import ONE_AT_A_TIME
from .record import HiddenClock, Recording
from .step import Report, gradient_of_one, weights_of_one

FROM_STEPS = 200
"""Steps still to come from which on a recording pays: it costs as much as some fifty of them."""
_CLOCK = HiddenClock(0, 0, 0, 0)


class Checked:
    """Calls `plain` until what `record` returned has done the same once, and that from then on. Both take the same
    arguments, write to the tensors `written` and return tensors."""

    def __init__(
        self, plain: Callable[..., Any], record: Callable[..., Callable[..., Any]], written: Sequence[Tensor]
    ) -> None:
        self.plain, self.record, self.written = plain, record, list(written)
        self.fast: Callable[..., Any] | None = None
        self.trusted = False
        self.fused = True
        self.refused = ""

    def __call__(self, *args: Any) -> Any:
        if self.trusted and self.fast is not None:
            return self.fast(*args)
        if self.refused:
            return self.plain(*args)
        before = [tensor.clone() for tensor in self.written]
        result = self.plain(*args)
        after = [tensor.clone() for tensor in self.written]
        self._put(before)
        try:
            self._try(args, result, after)
        except Exception as error:  # whatever cannot be replayed runs as it is, and says itself what is wrong
            self.refused = f"{type(error).__name__}: {error}"
        self._put(after)
        return result

    def _try(self, args: Sequence[Any], result: Any, after: Sequence[Tensor]) -> None:
        if self.fast is None:
            with ONE_AT_A_TIME:
                self.fast = self.record(*args, fused=self.fused)
        elif self._same(result, after, self.fast(*args)):
            self.trusted = True
        elif self.fused:  # once more, kernel by kernel
            self.fused, self.fast = False, None
        else:
            self.refused = "a replay came to other numbers"

    def _put(self, values: Sequence[Tensor]) -> None:
        for tensor, value in zip(self.written, values, strict=True):
            tensor.copy_(value)

    def _same(self, result: Any, after: Sequence[Tensor], replayed: Any) -> bool:
        wanted, got = [*after, *_tensors(result)], [*self.written, *_tensors(replayed)]
        return len(wanted) == len(got) and all(map(torch.equal, wanted, got))


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def record_gradient(
    run: Any, trained: tuple[str, ...], _clock: Any, batch: Batch, words: Tensor, *, fused: bool
) -> Callable[..., Report]:
    """(clock, batch, words) -> report, with the gradients of all members put into the pack's block."""
    pack, program, differentiate, looped = run.pack, run.program, run.differentiate, run.looped
    frozen = run.frozen(trained)

    def one(
        inputs: Tensor, targets: Tensor, words: Tensor, weights: Tensor, trained: Any, frozen: Any, member: Any
    ) -> Any:
        batch, key = Batch(inputs, targets, weights), Key(words, program.device)  # without its numbers: they change
        return gradient_of_one(program, differentiate, _CLOCK, trained, frozen, member, batch, key)

    def outputs(result: Any) -> list[Tensor]:
        grads, report = result
        return [*(grads[name] for name in trained), report.loss, report.penalty, *report.buffers.values()]

    weights = batch.weights  # the same tensor at every step, see Run
    parts = [lift.take_apart(weights, len(pack)) if looped else weights]
    members = _members(run, [*parts, run.params(trained), run.params(frozen), run.member()])
    varying = [batch.inputs, batch.targets, words]
    recording = _recorded(run, one, varying, members[0], outputs)
    names, first = [*trained, *frozen], len(varying) + 1
    low, wanted = None, []
    if run.plan.precision == "bf16":
        low = torch.empty_like(pack.block.data, dtype=torch.bfloat16)
        wanted = recording.take_low(range(first, first + len(names)), torch.bfloat16)
    recording.write_outputs(len(trained))
    running = tuple(recording.result[1].buffers)
    lasting = [
        [
            *tree_leaves(member),
            *recording.constants,
            *(_of(run, pack.block.view(low)[names[leaf - first]], k) for leaf in wanted),
            *(_of(run, pack.grad_views[name], k) for name in trained),
        ]
        for k, member in enumerate(members)
    ]
    replay, prepare = recording.compiled(len(varying), 1, fused)
    lasting = [prepare(tensors) for tensors in lasting]

    def gradient(_clock: Any, batch: Batch, words: Tensor) -> Report:
        if low is not None:
            low.copy_(pack.block.data)
        stacks = (batch.inputs, batch.targets, words)
        if not looped:
            loss, penalty, *buffers = replay(*stacks, *lasting[0])
            return Report(loss, penalty, dict(zip(running, buffers, strict=True)))
        reports = []
        for own, tensors in zip(zip(*(stack.unbind() for stack in stacks), strict=True), lasting, strict=True):
            loss, penalty, *buffers = replay(*own, *tensors)
            reports.append(Report(loss, penalty, dict(zip(running, buffers, strict=True))))
        if len(reports) == 1:
            return Report(loss[None], penalty[None], {name: b[None] for name, b in reports[0].buffers.items()})
        return lift.together(reports)

    return gradient


def record_weights(run: Any, trained: tuple[str, ...], _clock: Any, *, fused: bool) -> Callable[..., None]:
    """(clock) -> None: the `weights` hooks of all members, with what they moved put in place."""
    pack, program, frozen = run.pack, run.program, run.frozen(trained)
    params, before = run.params(tuple(pack.params)), run.before()

    def one(params: Any, before: Any, member: Any) -> Any:
        return weights_of_one(program, _CLOCK, frozen, params, before, member)

    names = list(pack.params)
    parts = [(name, part) for name, state in pack.states.items() for part in state]

    def outputs(result: Any) -> list[Tensor]:
        moved, states = result
        return [*(moved[name] for name in names), *(states[name][part] for name, part in parts)]

    members = _members(run, [params, before, run.member()])
    recording = _recorded(run, one, [], members[0], outputs)
    stacks = [*(pack.params[name] for name in names), *(pack.states[name][part] for name, part in parts)]
    own = recording.outputs  # an output that is the leaf it would be written to has not moved
    leaves = [id(leaf) for leaf in tree_leaves(members[0])]
    firsts = [id(leaf) for leaf in _leaves_of(members[0], names, parts)]
    moved = [i for i, node in enumerate(own) if node is not recording.places[leaves.index(firsts[i])]]
    recording.outputs = [own[i] for i in moved]
    lasting = [[*tree_leaves(member), *recording.constants] for member in members]
    places = [[_of(run, stacks[i], k) for i in moved] for k in range(len(members))]
    replay, prepare = recording.compiled(0, 0, fused)
    lasting = [prepare(tensors) for tensors in lasting]

    def weights(_clock: Any) -> None:
        for tensors, place in zip(lasting, places, strict=True):
            torch._foreach_copy_(place, list(replay(*tensors)))

    return weights


def _leaves_of(member: Any, names: Sequence[str], parts: Sequence[tuple[str, str]]) -> list[Tensor]:
    params, _, rest = member
    return [*(params[name] for name in names), *(rest.states[name][part] for name, part in parts)]


def _recorded(run: Any, one: Callable[..., Any], varying: Sequence[Tensor], lasting: Any, outputs: Any) -> Recording:
    """Of the first member where members loop, else of the stacks."""
    function = one if run.looped else lift.vmap(one)
    return Recording(function, [*(_of(run, tensor, 0) for tensor in varying), *lasting], outputs)


def _members(run: Any, stacks: Sequence[Any]) -> list[list[Any]]:
    """Per member its part of every stack; the stacks themselves where they run as one."""
    return [list(parts) for parts in zip(*stacks, strict=True)] if run.looped else [list(stacks)]


def _of(run: Any, stack: Tensor, member: int) -> Tensor:
    return stack[member] if run.looped else stack


RECORD: dict[str, Callable[..., Callable[..., Any]]] = {"gradients": record_gradient, "weights": record_weights}
