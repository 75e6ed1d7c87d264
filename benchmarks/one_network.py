"""One network alone, as fast as it goes: 784-[500]x5-10 with dropout 0.25, batch 128, Adam, and a small CNN, on MNIST,
against Keras/TensorFlow, the usual PyTorch loop, and the matrix products of a step alone.

Whole epochs on both sides, data in memory; nothing is evaluated. `one_network.py DATA` names a folder with MNIST's
IDX files (by default ../shared/data/mnist).
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from peers import BATCH, cnn, keras_epochs, mlp_784, usual_epochs
from timing import alternating, bar, machine

from dampen import CNN, MLP, Dataset, Dropout, Recipe
from dampen.data import open_data
from dampen.data.dataset import from_arrays
from dampen.training.fit import able, full_plan
from dampen.training.plan import PackPlan
from dampen.training.problem import Member, Problem
from dampen.training.run import Run, start

STEPS, ROUNDS = 100, 9


def main() -> None:
    machine()
    data = open_data(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared/data/mnist")
    part = first_rows(data, 2 * STEPS * BATCH)
    mlp(part)
    convolutions(part)


def mlp(data: Dataset) -> None:
    dropout = Recipe((Dropout(0.25),))
    auto, planned = ours(data, MLP((500,) * 5), dropout, "auto")
    wide, _ = ours(data, MLP((500,) * 5), dropout, "float32")
    print(f"784-[500]x5-10, {STEPS} steps; auto: {planned}")
    inputs, labels = arrays(data)
    sides = {
        "Keras/TensorFlow": keras_epochs("mlp_784", inputs, labels),
        "usual PyTorch loop": usual_epochs(mlp_784(), inputs, labels),
        "dampen, auto": auto,
        "dampen, float32": wide,
        "products alone, float32": products(torch.float32),
        f"products alone, {planned.precision}": products(
            torch.bfloat16 if planned.precision == "bf16" else torch.float32
        ),
    }
    times = alternating({name: side for name, side in sides.items() if side}, ROUNDS)
    say(times, "dampen, auto", "Keras/TensorFlow", 0.45, "mlp_auto_over_keras")
    say(times, "dampen, auto", "usual PyTorch loop", 0.30, "mlp_auto_over_usual")
    say(times, "dampen, auto", f"products alone, {planned.precision}", 2.7, "mlp_auto_over_products")
    say(times, "dampen, float32", "Keras/TensorFlow", 1.03, "mlp_float32_over_keras")
    say(times, "dampen, float32", "products alone, float32", 1.6, "mlp_float32_over_products")
    feeding(data, statistics.median(times["dampen, auto"]) / STEPS)


def convolutions(data: Dataset) -> None:
    auto, planned = ours(data, CNN(), Recipe(), "auto")
    print(f"CNN (conv 32, pool, conv 64, global pooling, dense 10), {STEPS} steps; auto: {planned}")
    inputs, labels = arrays(data)
    sides = {
        "Keras/TensorFlow": keras_epochs("cnn", inputs, labels),
        "usual PyTorch loop": usual_epochs(cnn(), inputs, labels),
        "dampen, auto": auto,
    }
    times = alternating({name: side for name, side in sides.items() if side}, ROUNDS)
    say(times, "dampen, auto", "Keras/TensorFlow", 0.5, "cnn_auto_over_keras")
    say(times, "dampen, auto", "usual PyTorch loop", 0.5, "cnn_auto_over_usual")


def first_rows(data: Dataset, rows: int) -> Dataset:
    """The training images in file order, as a data set whose split leaves STEPS batches for training."""
    codes = data.targets[:rows].argmax(1).numpy()
    return from_arrays(data.inputs[:rows].numpy(), codes)


def arrays(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """What the peers train on: as many rows as we do."""
    return data.inputs[: STEPS * BATCH].numpy(), data.targets[: STEPS * BATCH].argmax(1).numpy()


def ours(data: Dataset, model: Callable[..., object], recipe: Recipe, precision: str) -> tuple[Callable, PackPlan]:
    """(an epoch of STEPS steps, the plan of it)."""
    problem = Problem(data, model, epochs=50, batch_size=BATCH, precision=precision)
    member = Member("", recipe, 0)
    (plan,) = full_plan(problem, [member], able(problem)).packs
    with torch.no_grad():
        run = start(problem, [member], plan, train_sample=1)
    assert run.steps_per_epoch >= STEPS
    run.steps_per_epoch = STEPS

    def epoch() -> None:
        with torch.no_grad():
            run.epoch(0, lambda _clock: None)

    return epoch, plan


def products(dtype: torch.dtype) -> Callable[[], None]:
    """The matrix products of STEPS steps: 6 forward, 6 for the weights, 5 for the inputs."""
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


def feeding(data: Dataset, step: float) -> None:
    """What bringing a batch costs, as a share of a step."""
    problem = Problem(data, MLP((500,) * 5), batch_size=BATCH)
    with torch.no_grad():
        run: Run = start(problem, [Member("", Recipe(), 0)], PackPlan((0,), (), "loop"), train_sample=1)
    order = run.order(0)
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        count = sum(1 for _ in run.batches(order))
        seconds.append((time.perf_counter() - began) / count)
    share = statistics.median(seconds) / step
    bar("feeding_share_of_an_auto_step", share, "<0.05", share < 0.05)


def say(times: dict[str, list[float]], ours: str, theirs: str, most: float, name: str) -> None:
    """Median over the turns of ours / theirs of the same turn."""
    if theirs in times:
        figure = statistics.median(a / b for a, b in zip(times[ours], times[theirs], strict=True))
        bar(name, figure, f"<={most}", figure <= most)


if __name__ == "__main__":
    main()
