"""MC dropout: many noisy passes, whose disagreement says how sure the network is."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ..contracts import Batch, Clock, Tensors
from ..data.facts import TASKS
from ..errors import DampenError, first_line
from ..randomness import Key, make_key
from ..recipe import scheduled
from ..settings import check_seed
from ..training.fitted import Fitted
from ..training.run import Run, seeded, start
from ..training.step import OneMember, Program, Scene, edited
from ..vocabulary import touches
from .passes import Prediction, as_inputs, as_rows, check_passes, over_passes

DROPOUTS = (nn.modules.dropout._DropoutNd,)
AWAKE = (*DROPOUTS, nn.MultiheadAttention, nn.RNNBase, nn.TransformerEncoderLayer)
"""Modules with dropout of their own. An encoder layer has none, but takes a shortcut past its children's while it is
in evaluation mode."""


def mc_dropout(
    network: Fitted | nn.Module,
    inputs: Any,
    *,
    num_passes: int = 30,
    seed: int = 0,
    task: str = "classes",
    also: type | Sequence[type] = (),
) -> Prediction:
    """p <- mean over passes of softmax(f(x, noise_t)), with entropy and mutual information; numbers: mean and std

    network: what `fit` returned, which then runs with the noise that its recipe trained it with, at the strengths of
    the last step; or any module, whose dropout is woken by type, `nn.MultiheadAttention`'s and `nn.LSTM`'s included,
    while everything else predicts. Batch norms keep their running statistics, and nothing of the network changes.
    inputs: raw rows. task: "classes" (the module's outputs are those before the softmax), "labels" (before the
    sigmoid) or "numbers"; what `fit` returned knows its own. also: types of a module's own layers that are noisy in
    training mode, such as a DropPath or a layer that calls `F.dropout`. The same seed gives the same numbers.

    Use it to find the rows that a network should not be trusted with. Mutual information is high where the passes
    disagree (unlike anything seen), entropy also where classes overlap.

    Raises `DampenError` where the network has no noise, or inputs of another shape are given.
    Gal and Ghahramani, Dropout as a Bayesian Approximation: Representing Model Uncertainty in Deep Learning, 2016,
    section 4, arXiv:1506.02142.
    """
    num_passes, seed = check_passes(num_passes), check_seed(seed)
    if isinstance(network, Fitted):
        problem = network.problem
        predict = _noisy_member(network, seed)
        return over_passes(predict, as_inputs(problem, inputs), num_passes, problem.data.task)
    if not isinstance(network, nn.Module):
        raise DampenError(f"network must be what `fit` returned, or an nn.Module; got {type(network).__name__}.")
    if task not in TASKS:
        raise DampenError(f"task must be one of {', '.join(TASKS)}; got {task!r}.")
    others = (also,) if isinstance(also, type) else tuple(also)
    kinds = (*AWAKE, *others)
    if not any(_is_noisy(module, others) for module in network.modules()):
        raise DampenError(
            "A network must have noise for MC dropout; this one has no dropout above 0. "
            "Train with Dropout, or name the types of its own noisy layers with `also`."
        )
    with noise_awake(network, kinds):
        return over_passes(functools.partial(_noisy_pass, network, seed), as_rows(inputs), num_passes, task)


# ------------------------------------------------------------------ a member, with the noise of its recipe


def _noisy_member(fitted: Fitted, seed: int) -> Callable[[Tensor, int], Tensor]:
    """Outputs of a pass of that number: the training pass (`edited`), batch norms at rest."""
    run = _trained_run(fitted)
    noise = {n: t for n, t in run.program.techniques.items() if hasattr(t, "draw") and _edits_a_pass(t)}
    if not noise and not run.plan.torch_randomness:
        raise DampenError(
            f"A network must have noise for MC dropout; the recipe {fitted.member.recipe} has none. "
            "Train with Dropout or another technique that is noisy in the forward pass."
        )
    # what edits a pass without drawing (WeightNorm) is in the weights already: `bake` put it there
    run.program = dataclasses.replace(run.program, techniques=noise)
    run.program.forward.train()
    clock = run.clock(max(len(fitted.history.epochs), 1) - 1, run.steps_per_epoch - 1)
    values = scheduled(fitted.member.recipe.having("strengths"), run.pack.base[0], clock, fitted.history.epochs[:-1])
    run.pack.set_values([values])

    def predict(rows: Tensor, number: int) -> Tensor:
        if fitted.also:  # snapshots predict together: they take turns
            _put(run, fitted.also[number % len(fitted.also)])
        key = make_key(seed, number, run.program.device)
        one = run.lifted(_noisy_outputs, clock, key, rows)
        with seeded(seed, number):
            return one(run.pack.params, run.pack.member())[0]

    return predict


def _trained_run(fitted: Fitted) -> Run:
    """The run of this member alone, with its trained tensors in place."""
    plan = dataclasses.replace(fitted.plan, members=(0,), lift="loop")
    if not all(bool(tensor.isfinite().all()) for tensor in fitted.params.values()):
        raise DampenError("mc_dropout must have finite weights; got NaN or infinity: this training diverged.")
    run = start(fitted.problem, [fitted.member], plan, 1)
    _put(run, {**fitted.params, **fitted.buffers})
    return run


def _put(run: Run, tensors: Tensors) -> None:
    """Parameters and buffers by name, in place of the run's."""
    run.pack.put_params({name: tensors[name][None] for name in run.pack.params})
    run.pack.put_buffers({name: tensors[name][None] for name in run.pack.buffers})


def _edits_a_pass(technique: Any) -> bool:
    return touches(technique, "parameters") or touches(technique, "activation")


def _noisy_outputs(
    program: Program, clock: Clock, key: Key, rows: Tensor, params: Tensors, member: OneMember
) -> Tensor:
    scene = Scene(program, clock, member, params, {})
    none = rows.new_zeros((len(rows), program.facts.num_outputs), dtype=program.facts.target_std.dtype)
    return edited(program, scene, key)(params, Batch(rows, none, none[:, 0]), norm=False).outputs


# ------------------------------------------------------------------ any module, its dropout awake


@contextmanager
def noise_awake(network: nn.Module, kinds: tuple[type, ...]) -> Iterator[None]:
    """Modules of these kinds in training mode, everything else in evaluation mode; afterwards each as it was."""
    modes = [(module, module.training) for module in network.modules()]
    try:
        for module, _ in modes:
            module.training = isinstance(module, kinds)
        yield
    finally:
        for module, training in modes:
            module.training = training


def _is_noisy(module: nn.Module, also: tuple[type, ...]) -> bool:
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0 and module.num_layers > 1  # between its layers
    if isinstance(module, nn.MultiheadAttention):
        return module.dropout > 0
    return isinstance(module, also) or (isinstance(module, DROPOUTS) and module.p > 0)


def _noisy_pass(network: nn.Module, seed: int, rows: Tensor, number: int) -> Tensor:
    try:
        with seeded(seed, number):
            outputs = network(rows)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise DampenError(
            f"The network must take inputs of shape {tuple(rows.shape)}; it failed with: {first_line(error)}."
        ) from error
    if not isinstance(outputs, Tensor) or outputs.dim() != 2:
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise DampenError(f"The network must return (rows, outputs); got {got}.")
    return outputs
