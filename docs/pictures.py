"""A picture of what each technique does, and the page that lists them all.

    python docs/pictures.py              every picture, and docs/techniques.md
    python docs/pictures.py MixUp EMA    these pictures only
    python docs/pictures.py --page       the page only

What is drawn is what the technique's own hooks did in real steps of training: they are listened to while a small
network trains. One function per kind of hook; a technique is drawn by the first of `PICTURES` that it has a hook for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torch.utils._pytree import tree_map

from dampen import CNN, MLP, Adam, DampenError, Dataset, Recipe
from dampen.cards import catalogue
from dampen.contracts import Clock, Seen, hooks_of, needs_of
from dampen.data.dataset import as_dataset, from_arrays, load
from dampen.presets import alone
from dampen.recipe import scheduled
from dampen.techniques import CATALOGUE, find
from dampen.tensors import cross_entropy
from dampen.training.fit import fit_pack
from dampen.training.plan import PackPlan, on_device
from dampen.training.problem import Member, Prepared, Problem, check_fits, check_recipe, prepare
from dampen.training.run import Run, start
from dampen.worlds import EXAMPLES, world_for

HERE = Path(__file__).parent
PAGE, FOLDER = HERE / "techniques.md", HERE / "techniques"
BEFORE, AFTER, SHADES = "#9a9a9a", "#d1495b", "viridis"
SHOWN = 5
STRONG: dict[str, dict[str, Any]] = {
    "InputNoise": {"stddev": 0.3},
    "ElasticDeformation": {"alpha": 45.0},
    "SeriesJitter": {"stddev": 0.3},
    "SeriesScaling": {"stddev": 0.5},
    "TokenSwap": {"rate": 0.3},
    "GaussianNoise": {"stddev": 0.5},
    "ClipNorm": {"max_norm": 0.5},
    "WeightDecay": {"strength": 1.0},
    "MaxNorm": {"max_value": 1.5},
    "EMA": {"half_life_steps": 20.0},
    "RandomAffine": {"rotation": 25.0, "zoom": 0.2},
    "Cutout": {"size_fraction": 0.4},
    "LabelSmoothing": {"epsilon": 0.3},
    "DisturbLabel": {"rate": 0.4},
    "MixUp": {"alpha": 4.0},
    "EarlyStopping": {"patience_epochs": 5.0},
    "StochasticDepth": {"rate": 0.5},
    "SAM": {"rho": 0.5},
}
"""Strengths for the picture where the default is too mild for the eye."""


# ------------------------------------------------------------------ what is looked at


@functools.cache
def photos() -> Dataset:
    """Pieces of the two photographs that scikit-learn brings, 48 x 48, in five classes."""
    from sklearn.datasets import load_sample_images

    pieces = []
    for photo in load_sample_images().images:
        for top in range(0, 427 - 200, 55):
            for left in range(0, 640 - 200, 55):
                piece = Image.fromarray(photo[top : top + 200, left : left + 200])
                if np.asarray(piece.convert("L")).std() < 45:
                    continue  # sky and water show nothing
                pieces.append(np.asarray(piece.resize((48, 48), Image.Resampling.BOX)).transpose(2, 0, 1))
    order = np.random.default_rng(6).permutation(len(pieces))
    return from_arrays(np.stack(pieces)[order], np.arange(len(pieces)) % 5, name="photographs")


@functools.cache
def waves() -> Dataset:
    source, labels = np.random.default_rng(0), np.arange(300) % 3
    times = np.arange(60) / 60
    rows = np.sin(2 * np.pi * (1 + labels[:, None, None]) * times + source.uniform(0, 6, (300, 3, 1)))
    return from_arrays(rows * np.exp(-(((times - 0.5) / 0.4) ** 2)), labels, name="waves")


@functools.cache
def few_digits() -> Dataset:
    digits = load("digits")
    return dataclasses.replace(digits, inputs=digits.inputs[::4], targets=digits.targets[::4])


def of_example(technique: type) -> Problem:
    """The data and the network of the technique's card."""
    scope: dict[str, Any] = {}
    example = EXAMPLES[world_for(technique)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        exec(f"import dampen\n{example.data}\n{example.model}", scope)
    return problem(as_dataset(scope["data"]), scope["model"])


def problem(data: Dataset, model: Any, **settings: Any) -> Problem:
    return Problem(data, model, batch_size=32, precision="float32", **settings)


def problem_for(technique: type, *candidates: Problem) -> Problem:
    """The first that suits the technique, else the one of its card."""
    for candidate in candidates:
        with contextlib.suppress(DampenError):
            check_recipe(alone(technique()), candidate, check_fits(candidate, Recipe()))
            return candidate
    return of_example(technique)


def strong(technique: type) -> Any:
    return technique(**STRONG.get(technique.__name__, {}))


# ------------------------------------------------------------------ listening to the hooks


@contextlib.contextmanager
def heard(technique: type, hook: str) -> Iterator[list[tuple[tuple[Any, ...], Any]]]:
    """(arguments, result) of every call of a hook."""
    calls: list[tuple[tuple[Any, ...], Any]] = []
    original = getattr(technique, hook)

    @functools.wraps(original)
    def listening(self: Any, *args: Any) -> Any:
        before = (tree_map(lambda x: x.clone() if isinstance(x, Tensor) else x, args[0]), *args[1:])
        result = original(self, *args)
        calls.append(((self, *before), result))
        return result

    setattr(technique, hook, listening)
    try:
        yield calls
    finally:
        setattr(technique, hook, original)


def run_of(here: Problem, recipe: Recipe) -> Run:
    names = tuple(name for name, t in recipe.active.items() if on_device(t))
    with torch.no_grad():
        run = start(here, [Member("", recipe, 0)], PackPlan((0,), names, "loop"), train_sample=1)
    run.replay_from = sys.maxsize  # a replayed step calls no hook
    return run


def steps(run: Run, count: int, each: Callable[[Run], None] = lambda run: None) -> Run:
    run.program.forward.train()
    with torch.no_grad():
        for step in range(count):
            epoch, number = divmod(step, run.steps_per_epoch)
            run.step(run.clock(epoch, number), run.batch(run.order(epoch)[:, number]), run.trained(epoch))
            each(run)
    return run


def calls_of(
    technique: type, hook: str, here: Problem, count: int = 12, lr: float = 1e-3
) -> list[tuple[tuple[Any, ...], Any]]:
    with heard(technique, hook) as calls:
        steps(run_of(here, Recipe(alone(strong(technique)).techniques, Adam(lr))), count)
    return calls


def array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy() if tensor.is_floating_point() else tensor.detach().numpy()


def differ(before: Tensor, after: Tensor) -> bool:
    return before.shape != after.shape or not torch.equal(before.double(), after.double())


# ------------------------------------------------------------------ batch


def of_batch(technique: type) -> Figure:
    here = problem_for(technique, problem(photos(), CNN((4,))), problem(waves(), MLP((8,))))
    calls = calls_of(technique, "batch", here)
    changed = [call for call in calls if any(map(differ, call[0][1][:2], call[1][:2]))]
    (_, before, *_), after = (changed or calls)[0]
    moved = [abs(array(b) - array(a)).reshape(len(b), -1).sum(1) for b, a in zip(before[:2], after[:2], strict=True)]
    inputs_change, targets_change = (bool(m.max() > 1e-6) for m in moved)
    rows = np.argsort(moved[0 if inputs_change else 1] <= 1e-6, kind="stable")[:SHOWN]  # the first that changed
    if not inputs_change:
        return of_targets(array(before.targets), array(after.targets))
    draw = {"images": of_images, "series": of_series, "tokens": of_tokens, "table": of_cells}
    kind = next(word for word in draw if word in here.words)
    return draw[kind](here, array(before.inputs), array(after.inputs), rows, *(
        (array(before.targets), array(after.targets)) if targets_change else (None, None)))  # fmt: skip


def of_images(here: Problem, before: Any, after: Any, rows: Any, was: Any, becomes: Any) -> Figure:
    heights = [1, 1] if was is None else [1, 1, 0.45]
    figure, axes = plt.subplots(len(heights), SHOWN, figsize=(6, 1.2 * sum(heights)), height_ratios=heights)
    for column, row in enumerate(rows):
        for line, images in enumerate((before, after)):
            picture = np.clip(images[row].transpose(1, 2, 0) / here.data.inputs.max().item(), 0, 1)
            axes[line, column].imshow(picture if picture.shape[-1] == 3 else picture[..., 0], cmap="gray")
            axes[line, column].axis("off")
        if was is not None:
            shares(axes[2, column], was[row], becomes[row])
    for line, name in enumerate(["before", "after", "targets"][: len(heights)]):
        label(axes[line, 0], name, framed=line == 2)
    return figure


def of_series(here: Problem, before: Any, after: Any, rows: Any, was: Any, becomes: Any) -> Figure:
    wide = 3 if was is None else 4
    figure, axes = plt.subplots(1, wide, figsize=(7, 1.7), sharey=was is None)
    for axis, row in zip(axes[:3], rows, strict=False):
        for channel, (one, other) in enumerate(zip(before[row], after[row], strict=True)):
            axis.plot(one + 2.5 * channel, color=BEFORE, lw=2.5, alpha=0.6)
            axis.plot(other + 2.5 * channel, color=AFTER, lw=1)
        axis.set(yticks=[], xticks=[], xlabel="time")
    label(axes[0], "channels", framed=True)
    if was is not None:
        shares(axes[3], was[rows[0]], becomes[rows[0]])
        axes[3].set_xlabel("targets")
    return figure


def of_cells(here: Problem, before: Any, after: Any, rows: Any, was: Any, becomes: Any) -> Figure:
    numbers = here.data.inputs.double()
    mean, std = numbers.nanmean(0).numpy(), np.nanstd(numbers.numpy(), 0) + 1e-9
    panels = [((table[:12] - mean) / std) for table in (before, after)]
    figure = of_matrices(*panels, "columns", "rows") if was is None else of_cells_and_targets(panels, was, becomes)
    cells = figure.axes[1 if was is None else 2]
    for row, column in np.argwhere(~np.isclose(*panels, equal_nan=True)):
        cells.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, ec=AFTER, lw=2))
    return figure


def of_cells_and_targets(panels: list[Any], was: Any, becomes: Any) -> Figure:
    figure, axes = plt.subplots(1, 4, figsize=(7, 1.9), width_ratios=[4, 1, 4, 1])
    low, high = np.nanpercentile(panels[0], [1, 99])
    for axis, cells, name in zip(axes[::2], panels, ("before", "after"), strict=True):
        axis.imshow(cells, aspect="auto", cmap=SHADES, vmin=low, vmax=high)
        axis.set(xticks=[], yticks=[], title=name, xlabel="columns")
    for axis, targets in zip(axes[1::2], (was, becomes), strict=True):
        axis.imshow(targets[:12], aspect="auto", cmap="Greys", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[], title="targets")
    label(axes[0], "rows")
    return figure


def of_tokens(here: Problem, before: Any, after: Any, rows: Any, was: Any, becomes: Any) -> Figure:
    """Token ids as numbered words; what changed in colour."""
    figure, axes = plt.subplots(1, 2, figsize=(7, 1.6))
    for axis, ids, name in zip(axes, (before, after), ("before", "after"), strict=True):
        for line, row in enumerate(rows):
            for place, token in enumerate(ids[row]):
                word = {0: "·", 1: "?"}.get(int(token), f"w{int(token)}")
                colour = AFTER if token != before[row][place] else "black"
                axis.text(place, -line, word, color=colour, ha="center", fontsize=7,
                          fontweight="bold" if colour == AFTER else "normal")  # fmt: skip
        axis.set(xlim=(-1, ids.shape[1]), ylim=(0.5 - len(rows), 0.9), title=f"{name}  (· padding, ? unknown)")
        axis.axis("off")
    return figure


def of_targets(before: Any, after: Any) -> Figure:
    figure, axes = plt.subplots(1, 2, figsize=(6, 1.9))
    for axis, targets, name in zip(axes, (before, after), ("before", "after"), strict=True):
        axis.imshow(targets[:8], cmap="Greys", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(targets[:8]):
            axis.text(column, row, f"{share:.2g}", ha="center", va="center", fontsize=6,
                      color="white" if share > 0.5 else "black")  # fmt: skip
        axis.set(xticks=[], yticks=[], xlabel="classes", title=f"targets {name}")
    label(axes[0], "rows")
    return figure


def shares(axis: Any, was: Any, becomes: Any) -> None:
    places = np.arange(len(was))
    axis.bar(places - 0.2, was, 0.4, color=BEFORE)
    axis.bar(places + 0.2, becomes, 0.4, color=AFTER)
    axis.set(xticks=[], yticks=[], ylim=(0, 1.05))


# ------------------------------------------------------------------ model


def of_activation(technique: type) -> Figure:
    here = problem_for(technique, problem(load("digits"), MLP((32, 32))), problem(photos(), CNN((8,))))
    calls = calls_of(technique, "activation", here, 4)
    changed = [call for call in calls if differ(call[0][1], call[1])]
    (_, before, *_), after = (changed or calls)[len(changed) // 2 if changed else 0]
    before, after = array(before), array(after)
    if before.ndim == 4 and before.shape[1] == before.shape[2] == before.shape[3]:
        before, after = before[:, :1], after[:, :1]
    if before.ndim == 4:  # channels of one example, or its attention heads; where all go together, some examples
        row = abs(after - before).reshape(len(before), -1).sum(1).argmax()
        together = before.shape[1] == 1 or technique().sites in ("branches", "joins")
        return of_maps(*(x[:6, 0] if together else x[row, :6] for x in (before, after)))
    if before.ndim == 3:
        return of_matrices(before[0, :16, :32], after[0, :16, :32], "units", "times of one example")
    return of_matrices(before[:16, :32], after[:16, :32], "units", "rows")


def of_maps(before: Any, after: Any) -> Figure:
    figure, axes = plt.subplots(2, len(before), figsize=(6, 2.3))
    for line, (maps, name) in enumerate(zip((before, after), ("before", "after"), strict=True)):
        for axis, plane in zip(axes[line], maps, strict=True):
            axis.imshow(plane, cmap=SHADES, vmin=before.min(), vmax=before.max())
            axis.set(xticks=[], yticks=[])
        label(axes[line, 0], name)
    return figure


def of_matrices(before: Any, after: Any, across: str, down: str) -> Figure:
    figure, axes = plt.subplots(1, 2, figsize=(6, 1.9))
    low, high = np.nanpercentile(before, [1, 99])
    for axis, matrix, name in zip(axes, (before, after), ("before", "after"), strict=True):
        axis.imshow(matrix, cmap=SHADES, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
        axis.set(xticks=[], yticks=[], xlabel=across, title=name)
    label(axes[0], down)
    return figure


def of_parameters(technique: type) -> Figure:
    """The weight that changes most, at the last of some steps."""
    here = problem_for(technique, problem(load("digits"), MLP((32, 32))))
    (_, before, *_), after = calls_of(technique, "parameters", here, 100, lr=0.03)[-1]
    name = max(before, key=lambda n: (after[n] - before[n]).abs().mean().item() if before[n].dim() > 1 else -1.0)
    was, becomes = (array(tensors[name]).reshape(len(before[name]), -1) for tensors in (before, after))
    figure, axes = plt.subplots(1, 3, figsize=(7, 1.9))
    limit = abs(was).max()
    for axis, matrix, told in zip(axes, (was, becomes), ("weights kept", "weights used"), strict=False):
        axis.imshow(matrix[:24, :24], cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
        axis.set(xticks=[], yticks=[], title=told)
    histogram(axes[2], was, becomes, "kept", "used")
    return figure


def of_structure(technique: type) -> Figure:
    """What the technique changes first in an untrained network: how the inputs of the first layer hang together, else
    what goes into the activations of the last hidden layer, else what reaches the output layer."""
    here = problem_for(technique, problem(load("digits"), MLP((32, 32))))
    without, with_it = (looked_into(here, recipe) for recipe in (Recipe(), alone(strong(technique))))
    if differ(without["inputs"], with_it["inputs"]):
        with np.errstate(all="ignore"):  # pixels that never vary hang together with nothing
            correlations = [np.nan_to_num(np.corrcoef(array(s["inputs"].flatten(1)).T)) for s in (without, with_it)]
        return of_matrices(*correlations, "inputs of the first layer", "correlation")
    what = "hidden" if differ(without["hidden"], with_it["hidden"]) else "last"
    figure, axes = plt.subplots(1, 2, figsize=(6, 1.9), sharey=True)
    by_unit = "batches" in needs_of(technique) or what == "last"  # else it looks at one row at a time
    for axis, seen, name in zip(axes, (without, with_it), ("without", "with"), strict=True):
        numbers = array(seen[what])
        axis.boxplot((numbers if by_unit else numbers.T)[:, :14], showfliers=False, medianprops={"color": AFTER})
        axis.axhline(0, color=BEFORE, lw=0.5, zorder=0)
        axis.set(xticks=[], xlabel="hidden units" if by_unit else "rows", title=name)
    label(axes[0], {"hidden": "before activation", "last": "after activation"}[what], ticks=True)
    return figure


def looked_into(here: Problem, recipe: Recipe) -> dict[str, Tensor]:
    """inputs of the first layer; (rows, units) of the last hidden layer, and of what goes into the output layer."""
    prepared: Prepared = prepare(here, recipe, 0, here.facts_of_all)
    model, layout = prepared.model.train(), prepared.layouts[0]
    seen: dict[str, Tensor] = {}

    def hear(name: str, path: str | None, entering: bool) -> None:
        def hook(_module: Any, args: Any, output: Any) -> None:
            seen[name] = args[0] if entering else output

        model.get_submodule(path or "").register_forward_hook(hook)

    hear("inputs", layout.hidden[0], True)
    hear("hidden", layout.hidden[-1], False)
    hear("last", layout.output, True)
    with torch.no_grad():
        model(here.example(256))
    return {name: tensor if tensor.dim() <= 2 else tensor.flatten(2).mean(2) for name, tensor in seen.items()}


def of_training(technique: type) -> Figure:
    """Which layers train in which epoch."""
    here = problem_for(technique, problem(few_digits(), MLP((32,) * 4), epochs=10))
    run = run_of(here, alone(technique()))
    layers = list(dict.fromkeys(role.module for role in run.program.layout.tensors.values()))
    trained = np.zeros((len(layers), here.epochs))
    for epoch in range(here.epochs):
        for name in run.trained(epoch):
            trained[layers.index(run.program.layout.tensors[name].module), epoch] = 1
    figure, axis = plt.subplots(figsize=(5, 1.9))
    axis.pcolormesh(trained[::-1], cmap="Greys", vmin=0, vmax=1.4, edgecolors="white", lw=1)
    axis.set(xticks=np.arange(here.epochs) + 0.5, xticklabels=range(1, here.epochs + 1), xlabel="epoch; dark: trains")
    axis.set(yticks=np.arange(len(layers)) + 0.5, yticklabels=layers[::-1])
    return figure


# ------------------------------------------------------------------ loss


def of_criterion(technique: type) -> Figure:
    """The loss of an example by the probability that its class is given."""
    calls = calls_of(technique, "criterion", problem_for(technique, problem(load("digits"), MLP((32,)))), 1)
    self, _, _, at = calls[0][0]
    share = torch.linspace(0.01, 0.99, 99)
    outputs = torch.stack([share.log(), (1 - share).log()], 1)
    targets = torch.tensor([[1.0, 0.0]]).expand(99, 2)
    figure, axis = plt.subplots(figsize=(5, 2))
    axis.plot(share, cross_entropy(outputs, targets), color=BEFORE, label="cross-entropy")
    axis.plot(share, self.criterion(outputs, targets, at), color=AFTER, label=technique.__name__)
    axis.set(xlabel="probability of the right class", ylabel="loss", ylim=(0, 4))
    axis.legend(frameon=False)
    return figure


def of_penalty(technique: type) -> Figure:
    """Where each number (a weight, an activation, an output) is pushed, by its value."""
    here = problem_for(technique, problem(load("digits"), MLP((32,))))
    (self, seen, at), _ = calls_of(technique, "penalty", here, 30)[-1]
    values, pulls, what = pull(self, seen, at)
    chosen = np.random.default_rng(0).permutation(len(values))[:600]
    figure, axis = plt.subplots(figsize=(5, 2))
    axis.axhline(0, color=BEFORE, lw=0.5)
    axis.axvline(0, color=BEFORE, lw=0.5)
    axis.scatter(values[chosen], -pulls[chosen] / (abs(pulls).max() or 1), s=4, color=AFTER, lw=0)
    axis.set(xlabel=what, ylabel="push, relative")
    return figure


def pull(self: Any, seen: Seen, at: Any) -> tuple[Any, Any, str]:
    with torch.enable_grad():
        fresh = {n: {k: v.detach().clone().requires_grad_() for k, v in getattr(seen, n).items()}
                 for n in ("params", "activations")}  # fmt: skip
        outputs = seen.outputs.detach().clone().requires_grad_()
        weights = {n: fresh["params"][n] for n in at.layout.weights("weights")}
        penalty = self.penalty(seen._replace(**fresh, outputs=outputs), at)
        for tensors, what in (
            (list(weights.values()), "a weight"), (list(fresh["activations"].values()), "an activation"),
            ([outputs], "an output"),
        ):  # fmt: skip
            grads = torch.autograd.grad(penalty, tensors, retain_graph=True, allow_unused=True) if tensors else []
            found = [(t, g) for t, g in zip(tensors, grads, strict=True) if g is not None and g.any()]
            if found:
                return (*(np.concatenate([array(x).ravel() for x in side]) for side in zip(*found, strict=True)), what)
    raise ValueError(f"{type(self).__name__} pulls at nothing")


def of_curves(technique: type) -> Figure:
    """Losses of training with and without, on few rows."""
    here = problem_for(technique, problem(few_digits(), MLP((64, 64)), epochs=40))
    recipe = alone(strong(technique))
    rest = Recipe(tuple(t for t in recipe.techniques if type(t) is not technique))
    figure, axes = plt.subplots(1, 2, figsize=(6, 1.9), sharey=True)
    for side, colour, name in ((rest, BEFORE, "without"), (recipe, AFTER, "with")):
        epochs = trained(here, Recipe(side.techniques, Adam(0.005)))
        for axis, part in zip(axes, ("train_loss", "val_loss"), strict=True):
            axis.semilogy([epoch[part] for epoch in epochs], color=colour, label=f"{name} {technique.__name__}")
    for axis, name in zip(axes, ("training", "validation"), strict=True):
        axis.set(title=f"{name} loss", xlabel="epoch")
    axes[1].legend(frameon=False, fontsize=7)
    return figure


def trained(here: Problem, recipe: Recipe) -> list[dict[str, float]]:
    names = tuple(name for name, t in recipe.active.items() if on_device(t))
    (fitted,) = fit_pack(here, [Member("", recipe, 0)], PackPlan((0,), names, "loop"))
    return fitted.history.epochs


# ------------------------------------------------------------------ gradient, weights


def of_sharpness(technique: type) -> Figure:
    """The loss uphill from the trained weights, along their gradient, with and without."""
    here = problem_for(technique, problem(few_digits(), MLP((64, 64))))
    figure, axis = plt.subplots(figsize=(5, 2))
    reach = torch.linspace(0, 2.5, 41)
    for recipe, colour, name in ((Recipe(), BEFORE, "without"), (alone(strong(technique)), AFTER, "with")):
        run = steps(run_of(here, recipe), 300)
        axis.plot(reach, losses_along(run, reach), color=colour, label=f"{name} {technique.__name__}")
    axis.set(xlabel="distance uphill from the trained weights", ylabel="training loss", ylim=(0, 4))
    axis.legend(frameon=False)
    return figure


def losses_along(run: Run, reach: Tensor) -> list[float]:
    model = run.program.forward
    inputs, targets = run.problem.feed.take(run.pack.rows["train"])
    params = {name: tensor[0].clone().requires_grad_() for name, tensor in run.pack.params.items()}
    buffers = {name: tensor[0] for name, tensor in run.pack.buffers.items()}
    model.eval()

    def loss(at: dict[str, Tensor]) -> Tensor:
        return cross_entropy(model(at, buffers, inputs[0])[0], targets[0]).mean()

    grads = torch.autograd.grad(loss(params), list(params.values()))
    length = torch.sqrt(sum(g.square().sum() for g in grads))
    with torch.no_grad():
        return [
            loss({n: p + step * g / length for (n, p), g in zip(params.items(), grads, strict=True)}).item()
            for step in reach
        ]


def of_gradients(technique: type) -> Figure:
    here = problem_for(technique, problem(load("digits"), MLP((32,))))
    (_, before, *_), after = calls_of(technique, "gradients", here, 1)[0]
    was, becomes = (np.concatenate([array(t).ravel() for t in side.values()]) for side in (before, after))
    chosen = np.random.default_rng(0).permutation(len(was))[:800]
    limit = np.percentile(abs(was), 99.5)
    figure, axis = plt.subplots(figsize=(5, 2.2))
    axis.plot([-limit, limit], [-limit, limit], color=BEFORE, lw=1, label="unchanged")
    axis.scatter(was[chosen], becomes[chosen], s=4, color=AFTER, lw=0)
    axis.set(xlim=(-limit, limit), ylim=(-limit, limit), xlabel="gradient before", ylabel="after")
    axis.set_title(f"length {np.linalg.norm(was):.2g}  →  {np.linalg.norm(becomes):.2g}")
    axis.legend(frameon=False)
    return figure


def of_weights(technique: type) -> Figure:
    """Weights and lengths of units after some training, with and without."""
    here = problem_for(technique, problem(few_digits(), MLP((32, 32))))
    figure, axes = plt.subplots(1, 2, figsize=(6, 1.9))
    sides = []
    for recipe in (Recipe(optimizer=Adam(0.01)), Recipe(strong(technique), Adam(0.01))):
        run = steps(run_of(here, recipe), 150)
        params = {n: run.pack.params[n][0] for n in run.program.layout.weights("weights")}
        sides.append((np.concatenate([array(w).ravel() for w in params.values()]),
                      np.concatenate([array(w.flatten(1).norm(dim=1)) for w in params.values()])))  # fmt: skip
    for axis, (was, becomes), what in zip(axes, zip(*sides, strict=True), ("weights", "lengths of units"), strict=True):
        histogram(axis, was, becomes, "without", "with")
        axis.set_title(what)
    return figure


def of_serving(technique: type) -> Figure:
    """A weight that moves much: in training, and as it would serve."""
    here = problem(few_digits(), MLP((16,)))
    raw, served = [], []

    def look(run: Run) -> None:
        name = next(iter(run.pack.params))
        raw.append(array(run.pack.params[name][0]).ravel()[:200].copy())
        served.append(array(run.served()[0][name][0]).ravel()[:200].copy())

    steps(run_of(here, Recipe(strong(technique), Adam(0.05))), 120, look)
    moved = np.abs(np.diff(raw, axis=0)).sum(0).argmax()
    figure, axis = plt.subplots(figsize=(5, 2))
    axis.plot(np.array(raw)[:, moved], color=BEFORE, label="in training")
    axis.plot(np.array(served)[:, moved], color=AFTER, label="serves")
    axis.set(xlabel="step", ylabel="a weight")
    axis.legend(frameon=False)
    return figure


# ------------------------------------------------------------------ epoch


def of_schedule(technique: type) -> Figure:
    """Every strength that moves; the validation loss, which some schedules look at, falls for half of the epochs."""
    built, epochs, per_epoch = technique(), 40, 10
    base = Recipe(built).strengths
    history: list[dict[str, float]] = []
    curve = []
    for step in range(epochs * per_epoch):
        epoch = step // per_epoch
        history = [{"val_loss": max(1.0, 2 - e / 20), "train_loss": 1.0} for e in range(epoch)]
        curve.append(scheduled([built], base, Clock(step, epochs * per_epoch, epoch, epochs), history))
    figure, axis = plt.subplots(figsize=(5, 2))
    for name in base:
        values = np.array([values[name] for values in curve])
        if np.ptp(values):
            axis.plot(np.arange(len(values)) / per_epoch, values, color=AFTER, label=name)
    axis.set(xlabel="epoch")
    axis.legend(frameon=False)
    return figure


def of_stopping(technique: type) -> Figure:
    here = problem(few_digits(), MLP((64, 64)), epochs=120)
    full, stopped = (trained(here, Recipe(side, Adam(0.005))) for side in ((), strong(technique)))
    losses = [epoch["val_loss"] for epoch in full]
    best = int(np.argmin(losses[: len(stopped)]))
    figure, axis = plt.subplots(figsize=(5, 2))
    axis.semilogy(losses, color=BEFORE, label="without")
    axis.semilogy(losses[: len(stopped)], color=AFTER, label="until it stops")
    axis.plot(best, losses[best], "o", color=AFTER, label="these weights serve")
    axis.set(xlabel="epoch", ylabel="validation loss")
    axis.legend(frameon=False)
    return figure


# ------------------------------------------------------------------ all of them

PICTURES: dict[str, Callable[[type], Figure]] = {
    "batch": of_batch,
    "activation": of_activation,
    "rebuild": of_structure,
    "parameters": of_parameters,
    "trains": of_training,
    "criterion": of_criterion,
    "objective": of_curves,
    "penalty": of_penalty,
    "around_gradient": of_sharpness,
    "gradients": of_gradients,
    "serving": of_serving,
    "weights": of_weights,
    "strengths": of_schedule,
    "epoch": of_stopping,
}


def label(axis: Any, text: str, ticks: bool = False, framed: bool = False) -> None:
    axis.set_axis_on()
    axis.set_ylabel(text)
    if not ticks:
        axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(ticks or framed)


def histogram(axis: Any, was: Any, becomes: Any, one: str, other: str) -> None:
    edges = np.linspace(*np.percentile(np.concatenate([was.ravel(), becomes.ravel()]), [0.2, 99.8]), 41)
    axis.hist(was.ravel(), edges, color=BEFORE, alpha=0.7, label=one)
    axis.hist(becomes.ravel(), edges, color=AFTER, histtype="step", lw=1.2, label=other)
    axis.set(yticks=[])
    axis.legend(frameon=False, fontsize=7)


def picture(technique: type) -> Figure:
    hooks = hooks_of(technique())
    return next(draw for hook, draw in PICTURES.items() if hook in hooks)(technique)


def save(figure: Figure, path: Path) -> None:
    """As a PNG of few colours: a sixth of the size, and no picture needs more."""
    with io.BytesIO() as raw:
        figure.savefig(raw, format="png", dpi=100, bbox_inches="tight", facecolor="white")
        plt.close(figure)
        image = Image.open(raw).convert("RGB")
        image.quantize(48, dither=Image.Dither.NONE).save(path, optimize=True)


def page() -> str:
    """The catalogue by rooms, from the cards."""
    records = catalogue()
    lines = [
        "# The techniques",
        "",
        f"{len(records)} techniques, by the place of a training step that they touch. Grey is without or before, red "
        "with or after. `dampen techniques NAME` shows the whole card. This page and its pictures are written by "
        "`docs/pictures.py`.",
    ]
    for room in dict.fromkeys(record["room"] for record in records):
        lines += ["", f"## {room}"]
        for record in (r for r in records if r["room"] == room):
            rule = [f"    {line}" for line in record["rule"].splitlines()]
            lines += ["", f"### {record['name']}", "", f"{record['summary'][0].upper()}{record['summary'][1:]}."]
            lines += ["", *rule, "", f"![{record['name']}: {record['summary']}](techniques/{record['name']}.png)"]
            lines += ["", record["use"]] if record["use"] else []
            lines += ["", f"*{record['source']}*"]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    plt.rcParams.update({"font.size": 8, "axes.titlesize": 8, "figure.constrained_layout.use": True})
    names = [argument for argument in arguments if argument != "--page"]
    FOLDER.mkdir(exist_ok=True)
    for technique in [find(name) for name in names] or ([] if arguments else CATALOGUE):
        path = FOLDER / f"{technique.__name__}.png"
        save(picture(technique), path)
        print(f"{path.relative_to(HERE)}  {path.stat().st_size / 1024:.0f} KB", flush=True)
    if not names:
        PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
