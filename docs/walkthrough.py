"""What regularization does, seen on networks that are written from scratch.

    python docs/walkthrough.py                     the table, in less than a minute
    python docs/walkthrough.py --wrong-labels 0    the same with every label right: far less to gain
    python docs/walkthrough.py --seeds 3           quicker
    python docs/walkthrough.py --picture gap.png   and a drawing of it

The networks of `dampen.reference` (NumPy, gradients by hand) learn handwritten digits from 200 images, with and
without each technique. Some of the training labels are wrong, as in most data that people label: a network with
enough weights learns these by heart as well, and what it gets right in training says little about new digits.
The gap between training and validation is overfitting, and what makes it smaller is regularization. Validation labels
are wrong as often as those of training, so that the two compare; those of the test part are all right.

Read the code from `ROWS` on; every row of the table is one function of a few lines. The strengths were chosen on
the validation parts of other seeds than those shown.
"""

from __future__ import annotations

import argparse
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from dampen import reference

Array = Any
NUM_TRAIN, NUM_VAL = 200, 200
WIDTH = 78
LR, ATTENTION_LR = 0.2, 0.1  # the scores of attention are products of weights, and jump at larger steps


@dataclass
class Part:
    """Rows of digits: images (m, 8, 8) from -1 to 1, the same as flat rows (m, 64), one-hot targets (m, 10)."""

    images: Array
    targets: Array

    @property
    def flat(self) -> Array:
        return self.images.reshape(len(self.images), -1)


@dataclass
class World:
    """What one seed trains on. `rng` draws initial weights and masks, the same for every row of the table."""

    train: Part
    val: Part
    test: Part
    rng: np.random.Generator
    num_epochs: int


def world_of(seed: int, wrong_labels: float, num_epochs: int) -> World:
    """The digits shuffled and cut; that share of the training and validation labels becomes another digit."""
    rng, digits = np.random.default_rng(seed), load_digits()
    order = rng.permutation(len(digits.target))
    images, labels = digits.images[order] / 8 - 1, digits.target[order].copy()
    known = NUM_TRAIN + NUM_VAL
    wrong = np.flatnonzero(rng.random(known) < wrong_labels)
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, size=len(wrong))) % 10
    targets = np.eye(10)[labels]
    cuts = slice(0, NUM_TRAIN), slice(NUM_TRAIN, known), slice(known, None)
    return World(*(Part(images[cut], targets[cut]) for cut in cuts), rng=rng, num_epochs=num_epochs)


# ------------------------------------------------------------------ two layers

Predict = Callable[[Part], Array]


def two_layers(world: World, gradients: Callable[..., Any], *strengths: float) -> Predict:
    x, targets = world.train.flat, world.train.targets
    weights = reference.train(
        reference.initial_weights((64, 32, 10), world.rng),
        lambda weights: gradients(weights, x, targets, *strengths),
        lr=LR,
        num_epochs=world.num_epochs,
    )
    return lambda part: reference.two_layer_forward(weights, part.flat)[0]


def two_plain(world: World) -> Predict:
    return two_layers(world, reference.two_layer_l2_gradients, 0.0)


def two_l2(world: World) -> Predict:
    return two_layers(world, reference.two_layer_l2_gradients, 8.0)


def two_l1(world: World) -> Predict:
    return two_layers(world, reference.two_layer_l1_gradients, 0.01)


def two_elastic_net(world: World) -> Predict:
    return two_layers(world, reference.two_layer_elastic_net_gradients, 0.02, 0.5)


def two_stopped(world: World) -> Predict:
    train, val = world.train, world.val
    weights, _ = reference.train_with_early_stopping(
        reference.initial_weights((64, 32, 10), world.rng),
        lambda weights: reference.two_layer_l2_gradients(weights, train.flat, train.targets, 0.0),
        lambda weights: reference.two_layer_l2_cost(weights, val.flat, val.targets, 0.0),
        lr=LR,
        max_epochs=world.num_epochs,
        patience_epochs=20,
        min_delta=1e-4,
    )
    return lambda part: reference.two_layer_forward(weights, part.flat)[0]


# ------------------------------------------------------------------ three layers


def three_layers(world: World, strength: float, keep_probability: float) -> Predict:
    x, targets = world.train.flat, world.train.targets

    def gradients(weights: Any) -> Any:
        masks = reference.dropout_masks(weights, len(x), keep_probability, world.rng)
        return reference.three_layer_gradients(weights, x, targets, strength, masks, keep_probability)

    start = reference.initial_weights((64, 64, 64, 10), world.rng)
    weights = reference.train(start, gradients, lr=LR, num_epochs=world.num_epochs)
    return lambda part: reference.three_layer_forward(weights, part.flat).p


def three_plain(world: World) -> Predict:
    return three_layers(world, 0.0, 1.0)


def three_l2(world: World) -> Predict:
    return three_layers(world, 8.0, 1.0)


def three_dropout(world: World) -> Predict:
    return three_layers(world, 0.0, 0.5)


def three_both(world: World) -> Predict:
    return three_layers(world, 4.0, 0.5)


# ------------------------------------------------------------------ attention

# "positions" and "bo" are added to something and multiply nothing, like biases: the penalty leaves them alone.
MATRICES = ("wq", "wk", "wv", "wo")


def attention_gradients(part: Part, strength: float = 0.0) -> Callable[[Any], Any]:
    """The penalty is `reference.l2_gradient`: it asks no network what it is made of."""

    def gradients(weights: Any) -> Any:
        found = reference.attention_classifier_gradients(weights, part.images, part.targets)
        matrices = {name: weights[name] for name in MATRICES}
        pulls = reference.l2_gradient(matrices, strength, "per_example", len(part.images))
        return {name: gradient + pulls.get(name, 0) for name, gradient in found.items()}

    return gradients


def attention(world: World, strength: float) -> Predict:
    start = reference.initial_attention_weights(8, 8, 8, 10, world.rng)
    gradients = attention_gradients(world.train, strength)
    weights = reference.train(start, gradients, lr=ATTENTION_LR, num_epochs=world.num_epochs)
    return lambda part: reference.attention_classifier_forward(weights, part.images)[0]


def attention_plain(world: World) -> Predict:
    return attention(world, 0.0)


def attention_l2(world: World) -> Predict:
    return attention(world, 4.0)


def attention_stopped(world: World) -> Predict:
    weights, _ = reference.train_with_early_stopping(
        reference.initial_attention_weights(8, 8, 8, 10, world.rng),
        attention_gradients(world.train),
        lambda weights: reference.attention_classifier_cost(weights, world.val.images, world.val.targets),
        lr=ATTENTION_LR,
        max_epochs=world.num_epochs,
        patience_epochs=20,
        min_delta=1e-4,
    )
    return lambda part: reference.attention_classifier_forward(weights, part.images)[0]


# ------------------------------------------------------------------ the table


@dataclass
class Row:
    network: str
    technique: str
    fit: Callable[[World], Predict]
    says: str


ROWS = (
    Row("two layers", "nothing", two_plain, "It learns every training label by heart, and the wrong ones as well."),
    Row(
        "two layers",
        "L2",
        two_l2,
        "Every weight is pulled towards zero, large ones harder: many pixels have a small say each, and a single "
        "odd image cannot bend the network to its label.",
    ),
    Row(
        "two layers",
        "L1",
        two_l1,
        "Small weights are pulled as hard as large ones: what brings little ends near zero, and few pixels decide.",
    ),
    Row("two layers", "elastic net", two_elastic_net, "Half of L1's pull and half of L2's, added up."),
    Row(
        "two layers",
        "early stopping",
        two_stopped,
        "What many images share is learnt first and oddities last, so it ends when images that it does not train "
        "on stop getting better; for that it needs 200 more of them.",
    ),
    Row("three layers", "nothing", three_plain, "More weights, and as good a memory for what is wrong."),
    Row("three layers", "L2", three_l2, "The same pull as above, on three layers of weights."),
    Row(
        "three layers",
        "dropout",
        three_dropout,
        "Half of the hidden units fall silent in every step, others each time: nothing may hang on a single unit.",
    ),
    Row("three layers", "dropout + L2", three_both, "Silent units and half the pull: techniques can be combined."),
    Row(
        "attention",
        "nothing",
        attention_plain,
        "Each row of pixels looks at the other rows. 200 images are few for it, and it learns them by heart too.",
    ),
    Row("attention", "L2", attention_l2, "The same penalty on other weights: a penalty suits any network."),
    Row("attention", "early stopping", attention_stopped, "So does stopping early: it looks at the cost alone."),
)


def parts_of(world: World) -> tuple[Part, Part, Part]:
    return world.train, world.val, world.test


def scores(row: Row, num_seeds: int, wrong_labels: float, num_epochs: int) -> Array:
    """Accuracy in percent on training, validation and test part, by seed: (seeds, 3)"""
    found = []
    for seed in range(num_seeds):
        world = world_of(seed, wrong_labels, num_epochs)
        predict = row.fit(world)
        found.append([100 * reference.accuracy(predict(part), part.targets) for part in parts_of(world)])
    return np.array(found)


def with_error(values: Array) -> str:
    """The mean over the seeds, and its standard error."""
    return f"{values.mean():+5.1f} ± {values.std(ddof=1) / math.sqrt(len(values)):3.1f}"


def draw(found: list[tuple[Row, Array]], path: Path) -> None:
    """A line per row of the table, from its validation to its training accuracy: the gap is its length."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    places, place = [], 0.0
    for row, of_seeds in found:
        place -= 1.8 if row.technique == "nothing" and places else 1.0  # a wider step between two networks
        train, val, test = of_seeds.mean(0)
        axes.plot([val, train], [place, place], color="0.75", linewidth=5, zorder=1, solid_capstyle="butt")
        axes.text(
            (val + train) / 2, place + 0.12, f"{train - val:.0f}", ha="center", va="bottom", fontsize=8, color="0.3"
        )
        axes.scatter(train, place, color="#d95f02", label="" if places else "training", zorder=2)
        axes.scatter(val, place, color="#1b6ca8", label="" if places else "validation", zorder=2)
        axes.scatter(test, place, color="black", marker="|", s=90, label="" if places else "test", zorder=3)
        places.append(place)
    axes.set_yticks(places, [f"{row.network}, {row.technique}" for row, _ in found])
    axes.set_xlabel("accuracy, percent")
    axes.set_title(
        "What each technique does to the gap between training and validation", fontsize=10, loc="left", pad=12
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, frameon=False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.savefig(path, dpi=150)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="how often everything is repeated (at least 2)")
    parser.add_argument("--wrong-labels", type=float, default=0.15, help="share of the training labels")
    parser.add_argument("--epochs", type=int, default=600, help="steps of gradient descent, with all rows each")
    parser.add_argument("--picture", type=Path, help="a file to draw the gaps into, .png or .svg")
    asked = parser.parse_args(arguments)
    if asked.seeds < 2:
        parser.error("a standard error needs at least two seeds")

    print(f"Handwritten digits: {NUM_TRAIN} to train on, {asked.wrong_labels:.0%} of their labels wrong.")
    print(f"Accuracy in percent, means of {asked.seeds} seeds, each with its standard error.")
    print()
    print("network       technique      training  valid.   gap           test  gain on test")
    print("-" * WIDTH)
    plain, found = np.empty(0), []
    for row in ROWS:
        found.append((row, scores(row, asked.seeds, asked.wrong_labels, asked.epochs)))
        train, val, test = found[-1][1].T
        first = row.technique == "nothing"
        plain = test if first else plain
        gain = "" if first else with_error(test - plain)
        numbers = f"{train.mean():8.1f} {val.mean():7.1f}   {with_error(train - val)}  {test.mean():5.1f}  {gain}"
        print(f"{row.network:13} {row.technique:14} {numbers}".rstrip())
        print(textwrap.fill(row.says, WIDTH, initial_indent="    ", subsequent_indent="    "), flush=True)
    print()
    print(
        textwrap.fill(
            "Gap: training less validation, whose labels are wrong as often. Gain: on the test part, whose labels are "
            "right, over the same network with nothing, from the same weights and images seed by seed; less than two "
            "standard errors may be luck. A small gap is not the aim: a technique that only lowers training accuracy "
            "has gained nothing.",
            WIDTH,
        )
    )
    if asked.picture:
        draw(found, asked.picture)
        print(f"\nDrawn into {asked.picture}.")


if __name__ == "__main__":
    main()
