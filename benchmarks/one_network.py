"""One network alone, as fast as it goes: 784-[500]x5-10 with dropout 0.25, batch 128, Adam, and a small CNN, on MNIST,
against Keras/TensorFlow, the usual PyTorch loop, and the matrix products of a step alone.

Whole epochs on both sides, data in memory; nothing is evaluated. Peers run as they come, ours in a process with the
settings of memory that the command makes. `one_network.py DATA` names a folder with MNIST's
IDX files (by default ../shared/data/mnist).
"""

from __future__ import annotations

import functools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from peers import BATCH, cnn, keras_epochs, mlp_784, usual_epochs
from timing import alternating, bar, elsewhere, machine

from dampen import CNN, MLP, Dataset, Dropout, Recipe
from dampen.cli.machine import keep_big_blocks
from dampen.data import open_data
from dampen.data.dataset import from_arrays
from dampen.training.fit import able, full_plan
from dampen.training.plan import PackPlan
from dampen.training.problem import Member, Problem
from dampen.training.run import Run, start

STEPS, ROUNDS = 100, 9


def main() -> None:
    machine()
    folder = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parents[2] / "shared/data/mnist")
    feed = feeding(folder)
    step = mlp(folder)
    bar("feeding_share_of_an_auto_step", feed / step, "<0.05", feed / step < 0.05)
    convolutions(folder)


def mlp(folder: str) -> float:
    """Seconds of a step of ours in auto."""
    print(f"784-[500]x5-10, {STEPS} steps; auto is planned as {planned(folder, 'mlp_784', 'auto').precision}")
    times = taken_turns(
        {
            "Keras/TensorFlow": elsewhere(keras, folder, "mlp_784"),
            "usual PyTorch loop": elsewhere(usual, folder, "mlp_784"),
            "dampen, auto": elsewhere(ours, folder, "mlp_784", "auto"),
            "dampen, float32": elsewhere(ours, folder, "mlp_784", "float32"),
            "products alone, float32": elsewhere(products, "float32"),
            "products alone, as auto": elsewhere(products, planned(folder, "mlp_784", "auto").precision),
        }
    )
    say(times, "dampen, auto", "Keras/TensorFlow", 0.45, "mlp_auto_over_keras")
    say(times, "dampen, auto", "usual PyTorch loop", 0.30, "mlp_auto_over_usual")
    say(times, "dampen, auto", "products alone, as auto", 2.7, "mlp_auto_over_products")
    say(times, "dampen, float32", "Keras/TensorFlow", 1.03, "mlp_float32_over_keras")
    say(times, "dampen, float32", "products alone, float32", 1.6, "mlp_float32_over_products")
    return statistics.median(times["dampen, auto"]) / STEPS


def convolutions(folder: str) -> None:
    print(f"CNN, {STEPS} steps; auto is planned as {planned(folder, 'cnn', 'auto')}")
    times = taken_turns(
        {
            "Keras/TensorFlow": elsewhere(keras, folder, "cnn"),
            "usual PyTorch loop": elsewhere(usual, folder, "cnn"),
            "dampen, auto": elsewhere(ours, folder, "cnn", "auto"),
        }
    )
    say(times, "dampen, auto", "Keras/TensorFlow", 0.5, "cnn_auto_over_keras")
    say(times, "dampen, auto", "usual PyTorch loop", 0.5, "cnn_auto_over_usual")


def taken_turns(sides: dict[str, Callable[[], None] | None]) -> dict[str, list[float]]:
    return alternating({name: side for name, side in sides.items() if side}, ROUNDS)


# ------------------------------------------------------------------ the sides, each in a process of its own

MODELS = {"mlp_784": MLP((500,) * 5), "cnn": CNN()}
RECIPES = {"mlp_784": Recipe((Dropout(0.25),)), "cnn": Recipe()}


def keras(folder: str, kind: str) -> Callable[[], None] | None:
    return keras_epochs(kind, *arrays(first_rows(folder)))


def usual(folder: str, kind: str) -> Callable[[], None]:
    return usual_epochs(mlp_784() if kind == "mlp_784" else cnn(), *arrays(first_rows(folder)))


@functools.cache
def planned(folder: str, kind: str, precision: str) -> PackPlan:
    problem = problem_of(folder, kind, precision)
    (plan,) = full_plan(problem, [Member("", RECIPES[kind], 0)], able(problem)).packs
    return plan


def problem_of(folder: str, kind: str, precision: str) -> Problem:
    return Problem(first_rows(folder), MODELS[kind], epochs=50, batch_size=BATCH, precision=precision)


def ours(folder: str, kind: str, precision: str) -> Callable[[], None]:
    """An epoch of STEPS steps, as planned, in a process like the command's."""
    keep_big_blocks()
    problem, plan = problem_of(folder, kind, precision), planned(folder, kind, precision)
    with torch.no_grad():
        run = start(problem, [Member("", RECIPES[kind], 0)], plan, train_sample=1)
    assert run.steps_per_epoch >= STEPS
    run.steps_per_epoch = STEPS

    def epoch() -> None:
        with torch.no_grad():
            run.epoch(0, lambda _clock: None)

    return epoch


@functools.cache
def first_rows(folder: str) -> Dataset:
    """Training images in file order; a split of them leaves STEPS batches for training."""
    data, rows = open_data(folder), 2 * STEPS * BATCH
    return from_arrays(data.inputs[:rows].numpy(), data.targets[:rows].argmax(1).numpy())


def arrays(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """What the peers train on: as many rows as we do."""
    return data.inputs[: STEPS * BATCH].numpy(), data.targets[: STEPS * BATCH].argmax(1).numpy()


def products(precision: str) -> Callable[[], None]:
    """The matrix products of STEPS steps: 6 forward, 6 for the weights, 5 for the inputs."""
    keep_big_blocks()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    shapes = [(500, 784), *[(500, 500)] * 4, (10, 500)]
    weights = [torch.randn(shape).to(dtype) for shape in shapes]
    inputs = [torch.randn(BATCH, shape[1]).to(dtype) for shape in shapes]
    grads = [torch.randn(BATCH, shape[0]).to(dtype) for shape in shapes]

    def steps() -> None:
        for _ in range(STEPS):
            for x, w in zip(inputs, weights, strict=True):
                x @ w.t()
            for number, (g, x, w) in enumerate(zip(grads, inputs, weights, strict=True)):
                g.t() @ x
                if number:
                    g @ w

    return steps


def feeding(folder: str) -> float:
    """Seconds that bringing a batch takes."""
    problem = problem_of(folder, "mlp_784", "float32")
    with torch.no_grad():
        run: Run = start(problem, [Member("", Recipe(), 0)], PackPlan((0,), (), "loop"), train_sample=1)
    order = run.order(0)
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        count = sum(1 for _ in run.batches(order))
        seconds.append((time.perf_counter() - began) / count)
    return statistics.median(seconds)


def say(times: dict[str, list[float]], ours: str, theirs: str, most: float, name: str) -> None:
    """Median over the turns of ours / theirs of the same turn."""
    if theirs in times:
        figure = statistics.median(a / b for a, b in zip(times[ours], times[theirs], strict=True))
        bar(name, figure, f"<={most}", figure <= most)


if __name__ == "__main__":
    main()
