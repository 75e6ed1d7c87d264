"""What is trained: the problem that all members share, and the members."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..contracts import At, Clock
from ..data.dataset import Dataset
from ..data.facts import Facts, facts_of
from ..data.split import Split, split
from ..errors import DampenError
from ..models.adopt import adopt, build, check_factory, check_fresh
from ..models.layout import Layout, layout_of
from ..randomness import seed_torch
from ..recipe import Recipe
from ..settings import BATCH_SIZE, EPOCHS, check_count, check_precision
from ..techniques.model.dropout import Dropout
from ..vocabulary import CHECK, NEEDS, touches
from .feed import Feed
from .metrics import Metric, choose

CPU = torch.device("cpu")


class Member(NamedTuple):
    """One training: a recipe under a seed. The seed decides split, batch order, initial weights and all draws."""

    label: str
    recipe: Recipe
    seed: int


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """data, model factory, and the settings of a study. dtype: of weights and data (float64 in the laws).
    precision: of the products, float32 or bf16 (weights stay float32), or "auto": whichever is measured faster.
    blind: whether the test part stays closed: trainings have none, and none is scored."""

    data: Dataset
    model: Callable[..., nn.Module]
    epochs: int = EPOCHS
    batch_size: int = BATCH_SIZE
    metric: Any = None
    dtype: torch.dtype = torch.float32
    device: torch.device = CPU
    precision: str = "auto"
    blind: bool = False

    def __post_init__(self) -> None:
        check_factory(self.model)
        if self.dtype == torch.float64:
            object.__setattr__(self, "precision", "float64")
        else:
            check_precision(self.precision)
        for name in ("epochs", "batch_size"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        if not isinstance(self.metric, Metric):
            chosen = choose(self.metric, self.data.task, self.data.targets)
            object.__setattr__(self, "metric", chosen)
        feed = Feed(self.data.inputs, self.data.targets, self.dtype, self.device, self.data.on_disk)
        object.__setattr__(self, "feed", feed)

    feed: Feed = dataclasses.field(init=False, repr=False)
    _facts: dict[int, Facts] = dataclasses.field(default_factory=dict, init=False, repr=False)

    @property
    def targets(self) -> Tensor:
        """(R, C), on the device."""
        return self.feed.targets

    def example(self, count: int) -> Tensor:
        """The first inputs, (count, ...), or as many as there are, as a network gets them."""
        return self.feed.take(torch.arange(min(count, len(self.data.inputs)), device=self.device)[None])[0][0]

    @property
    def words(self) -> frozenset[str]:
        """Which words of the vocabulary of `needs` the data and the settings answer."""
        return self.data.words | ({"batches"} if self.batch_size > 1 else frozenset())

    def split(self, seed: int) -> Split:
        parts = split(self.data, seed)
        return parts._replace(test=parts.test[:0]) if self.blind else parts

    def facts(self, seed: int) -> Facts:
        """Of this seed's training part."""
        if seed not in self._facts:
            self._facts[seed] = self._facts_of(self.split(seed).train)
        return self._facts[seed]

    def _facts_of(self, rows: Tensor) -> Facts:
        inputs, targets = self.feed.inputs, self.targets.to(self.feed.inputs.device)
        data = self.data
        facts = facts_of(inputs, targets, data.task, rows=rows, schema=data.schema, num_tokens=data.num_tokens)
        return facts.with_tensors({name: t.to(self.device, self.dtype) for name, t in facts.tensors().items()})

    @functools.cached_property
    def facts_of_all(self) -> Facts:
        """For trying networks out."""
        return self._facts_of(torch.arange(len(self.targets)))

    def batching(self, num_rows: int) -> tuple[int, int]:
        """(rows in a batch, batches in an epoch): whole batches only; few rows are one batch of all of them."""
        size = min(self.batch_size, num_rows)
        return size, num_rows // size

    @functools.cached_property
    def steps_per_epoch(self) -> int:
        """Of a training on a whole training part."""
        return self.batching(len(self.split(0).train))[1]


class Prepared(NamedTuple):
    """A network ready to train: adopted and rebuilt, with the layout of every stage (the last one counts) and
    its own dropout as techniques."""

    model: nn.Module
    layouts: tuple[Layout, ...]
    own_noise: dict[str, Any]


def prepare(problem: Problem, recipe: Recipe, seed: int, facts: Facts, layouts: tuple[Layout, ...] = ()) -> Prepared:
    """`assembled` for the network of one seed. Layouts of a network of the same structure spare the probing passes."""
    return assembled(problem.model, problem.example(2), recipe, seed, facts, problem.epochs, layouts)


def assembled(
    factory: Callable[..., nn.Module],
    example: Tensor,
    recipe: Recipe,
    seed: int,
    facts: Facts,
    epochs: int,
    layouts: tuple[Layout, ...] = (),
) -> Prepared:
    """Build the network of one seed, of the facts' type and where they are, adopt it, and let the recipe's techniques
    rebuild it. example: two inputs, for probing."""
    model = build(factory, facts, seed, facts.mean.dtype).to(facts.mean.device)
    rates = adopt(model, facts)
    own_noise = {f"model.{path}": Dropout(rate=rate, sites=(path,)) for path, rate in rates.items()}
    stages = list(layouts) or [layout_of(model, example)]
    builders = [t for t in recipe.techniques if hasattr(t, "rebuild")]
    with torch.random.fork_rng(devices=[]):
        seed_torch(seed)
        for number, technique in enumerate(builders):
            at = At(clock=Clock(0, 0, 0, epochs), facts=facts, layout=stages[number])
            model = technique.rebuild(model, at)
            if not layouts:
                stages.append(layout_of(model, example))
    return Prepared(model, tuple(stages), own_noise)


def as_device(name: str) -> torch.device:
    """The device of that name, or a sentence where this machine has none."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        raise DampenError(f"device must be one that this machine has, such as 'cpu'; got {name!r}.") from None
    return device


def check_fits(problem: Problem, recipe: Recipe) -> Layout:
    """Refuse, with a sentence, a network that does not fit the data or a recipe that does not fit either."""
    facts = problem.facts_of_all
    check_fresh(problem.model, facts)
    model = build(problem.model, facts, 0, problem.dtype).to(problem.device)
    adopt(model, facts)
    layout = layout_of(model, problem.example(2))
    with torch.no_grad():
        outputs = model.eval()(problem.example(2))
    if not isinstance(outputs, Tensor):
        raise DampenError(f"The model must return one tensor (rows, outputs); got {type(outputs).__name__}.")
    shape = tuple(outputs.shape)
    if shape != (2, facts.num_outputs):
        raise DampenError(
            f"The model must return (rows, {facts.num_outputs}) for these data; got {shape} for two rows. "
            "Change its last layer."
        )
    if layout.running and "batches" not in problem.words:
        raise DampenError(f"The model's batch norm needs {NEEDS['batches']}; got batch_size 1.")
    check_recipe(recipe, problem, layout)
    return layout


def check_suits(recipe: Recipe, words: frozenset[str], at: At) -> None:
    """Refuse, with a sentence, techniques that lack what they need, name sites that are not there, or object."""
    recipe.check(words)
    at.layout.check(recipe)
    for technique in recipe.techniques:
        if touches(technique, CHECK):
            technique.check(at)


def check_recipe(recipe: Recipe, problem: Problem, layout: Layout) -> None:
    """Refuse, with a sentence, a recipe that does not suit the data or the network."""
    rows, _ = problem.batching(len(problem.split(0).train))
    at = At(Clock(0, 0, 0, problem.epochs), problem.facts_of_all, layout, batch_size=rows)
    check_suits(recipe, layout.words | problem.words, at)


def suits(recipe: Recipe, problem: Problem, layout: Layout) -> bool:
    """Whether `check_recipe` has nothing against it."""
    try:
        check_recipe(recipe, problem, layout)
    except DampenError:
        return False
    return True
