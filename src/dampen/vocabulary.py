"""The closed tables: every hook, every word of `needs` and `sites`, and what a recipe refuses because of them.

This file imports no torch: cards, recipes and help texts need none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

# ------------------------------------------------------------------ the table of hooks


class Hook(NamedTuple):
    place: str
    signature: str
    meaning: str


HOOKS: dict[str, Hook] = {
    "rebuild": Hook("once", "rebuild(model, at) -> model", "adds structure to the module"),
    "adds": Hook("once", "adds(layout) -> params", "trained tensors of its own"),
    "start": Hook("once", "start(params, at) -> state", "kept tensors of its own"),
    "trains": Hook("epoch start", "trains(layout, clock) -> names", "which tensors train"),
    "strengths": Hook("before the step", "strengths(values, clock, history) -> values", "schedules"),
    "batch": Hook("batch", "batch(batch, draws, at) -> batch", "changes inputs, targets, weights"),
    "parameters": Hook("model", "parameters(params, draws, at) -> params", "edits the weights of a pass"),
    "activation": Hook("model", "activation(x, draws, at) -> x", "edits an activation of a pass"),
    "criterion": Hook("loss", "criterion(outputs, targets, at) -> losses (N,)", "replaces the loss"),
    "objective": Hook("loss", "objective(objective, draws, at) -> objective", "wraps the objective"),
    "penalty": Hook("loss", "penalty(seen, at) -> scalar", "is added to the objective"),
    "around_gradient": Hook("gradient", "around_gradient(gradient, at) -> gradient", "wraps the gradient"),
    "gradients": Hook("gradient", "gradients(grads, draws, at) -> grads", "changes the gradients"),
    "weights": Hook("weights", "weights(params, state, at) -> params, state", "after the optimizer"),
    "serving": Hook("prediction", "serving(params, buffers, state) -> params, buffers", "which weights predict"),
    "reestimates": Hook("prediction", "reestimates(state) -> bool", "served weights need statistics anew"),
    "bake": Hook("prediction", "bake(params, state, at) -> params", "the user's own tensors from edited ones"),
    "epoch": Hook("epoch", "epoch(history) -> Decision", "stops, keeps weights"),
}
"""Every hook in the order of the timeline. `draw(thing, key, at) -> dict` serves the one drawing hook."""

DRAWING = ("batch", "parameters", "activation", "objective", "gradients")
"""Hooks that take draws; a technique with `draw` has exactly one of them."""

EXPENSIVE = ("objective", "around_gradient")
"""Hooks that may cost whole passes: members with them never share a pack with members without."""

ON_HOST = ("strengths", "epoch", "trains")
"""Hooks that see plain numbers only: they ask nothing of a pack-mate."""

ONE_PER_RECIPE = {"criterion": "replace the criterion", "serving": "choose the weights that predict"}

KEEPS = {"best": "serves the weights of one epoch", "also": "serves the weights of several epochs"}
"""What a technique's `keeps` says of the `Decision.keep` that its `epoch` hook takes: a recipe has one of the two."""

MOVES = {"up": "raise", "down": "lower"}
"""The words of `moves`: which way a technique's `strengths` hook leads the strength that it is `of`. Schedules of one
strength multiply, in any order; two that lead it the same way would do so twice, which a recipe refuses."""

LATE = "acts_late"
"""acts_late = True: the technique pays off at the end of a training, and looks bad before. A search that cuts early
keeps some places for such."""

CHECK = "check"
"""check(at), which any technique may have: raises `DampenError` before training where it cannot work with this
problem. `at` holds facts, layout and batch_size."""

NEEDS = {
    "images": "images (N, C, H, W)",
    "series": "series (N, C, T)",
    "places": "images (N, C, H, W) or series (N, C, T)",
    "table": "rows of a table (N, columns)",
    "tokens": "texts as token ids (N, T)",
    "continuous": "inputs that are numbers, not token ids",
    "classes": "classes as targets",
    "hidden": "a model with hidden layers",
    "selu": "SELU as every hidden activation",
    "sigmoid": "the sigmoid as every hidden activation",
    "recurrent": "a recurrent layer (nn.RNN, nn.LSTM, nn.GRU)",
    "embeddings": "an embedding layer",
    "batches": "batches of at least two rows",
    "noise": "noise in the forward pass, from another technique of the recipe such as Dropout",
}
"""The closed vocabulary of `needs`, each word with what an error message says of it."""

KINDS = {
    "images": ("images", "places", "continuous"),
    "series": ("series", "places", "continuous"),
    "table": ("table", "continuous"),
    "tokens": ("tokens",),
}
"""The kinds of inputs, each with the words of `needs` that it answers. Data are of one kind."""

THROUGHOUT = frozenset(("selu", "sigmoid"))
"""Words that speak of every hidden activation: no model answers two of them."""

SITES = {
    "inputs": "what goes into the model",
    "activations": "hidden activations",
    "maps": "hidden activations with channels and places",
    "sequences": "outputs of embeddings and recurrent layers, over time",
    "layers": "outputs of linear and convolutional layers",
    "attention": "attention weights",
    "branches": "outputs of residual branches",
    "joins": "sums of two or more residual branches",
}
"""The words of `sites`, each with what an error message says of it."""


def touches(declared: Any, hook: str) -> bool:
    return hasattr(declared, hook)


def hooks_of(declared: Any) -> tuple[str, ...]:
    """The hooks a technique has, in the order of the timeline."""
    return tuple(hook for hook in HOOKS if hasattr(declared, hook))


def claims(declared: Any, hook: str) -> bool:
    """Whether it has a hook of which a recipe may have one, and insists on it. A technique `yields` a hook where it
    makes sense without, beside one that claims it: the weights that an average serves go before Lookahead's."""
    return touches(declared, hook) and hook not in getattr(declared, "yields", ())


def needs_of(declared: Any) -> tuple[str, ...]:
    return tuple(getattr(declared, "needs", ()))


def contradict(*needs: str) -> bool:
    """Whether no kind of inputs and no model answers all of these needs; whatever else they speak of counts for
    nothing."""
    of_inputs = {need for need in needs if any(need in words for words in KINDS.values())}
    return len(THROUGHOUT & {*needs}) > 1 or not any(of_inputs <= {*words} for words in KINDS.values())
