"""What a search may choose: which techniques are on, and how strong; read off their declarations.

A configuration is a flat dict: a switch per technique that may be on ({"MixUp": True}) and, of those that are, every
strength ({"MixUp.alpha": 0.2, "optimizer.lr": 1e-3}). Strengths of techniques that are off, and switches of techniques
that conflict with what is on already, are not in it: conditional, as Optuna understands it.
"""

from __future__ import annotations

import dataclasses
import math
import textwrap
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..contracts import tunables
from ..errors import DampenError, NoSuchName, first_line
from ..models.layout import Layout
from ..optimizers import Adam
from ..presets import BALANCED, PRESETS, STARTS, alone
from ..recipe import Recipe
from ..techniques import CATALOGUE, find
from ..training.problem import Problem, check_recipe, suits
from ..vocabulary import needs_of
from .comparison import WIDTH

LR = "optimizer.lr"
KEYS = ("preset", "with", "without", "range")
"""What a file of a space may hold."""


@dataclasses.dataclass(frozen=True)
class Range:
    """From low to high, both included; log: sampled evenly in the logarithm."""

    low: float
    high: float
    log: bool = False

    def point(self, share: float) -> float:
        """The value at a share of the way from low to high."""
        if self.log:
            return math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return self.low + share * (self.high - self.low)

    def rounded(self, value: float) -> float:
        """To three digits, which is finer than anybody can tell, and can be read."""
        return min(self.high, max(self.low, float(f"{value:.3g}")))


class Chooser(Protocol):
    """What decides: a trial of Optuna's, or a stored configuration (`Known`)."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...


@dataclasses.dataclass(frozen=True)
class Space:
    """techniques: that may be on, at their defaults, in the order of a recipe. always: names of those that are on in
    every configuration. ranges: of every strength that is sampled; the others stay at their defaults. balanced:
    whether the metric counts classes alike, however many rows they have."""

    techniques: Mapping[str, Any]
    always: frozenset[str]
    ranges: Mapping[str, Range]
    optimizer: Any = dataclasses.field(default_factory=lambda: Adam())
    balanced: bool = False

    @property
    def starts(self) -> list[tuple[frozenset[str], dict[str, float]]]:
        """Where a search begins: of `STARTS` what this space has, each once: names of techniques, and strengths."""
        besides = {BALANCED} if self.balanced else set()
        low, high = self.ranges[LR].low, self.ranges[LR].high
        sets = [(frozenset(self.techniques) & {*names, *besides}, min(high, max(low, lr))) for names, lr in STARTS]
        return [(on, {**self._usual, LR: lr}) for on, lr in dict.fromkeys(sets)]

    @property
    def _usual(self) -> dict[str, float]:
        """Every strength that is sampled, at its default."""
        owned = {name: name.rpartition(".") for name in self.ranges if name != LR}
        return {
            name: getattr(self.optimizer if owner == "optimizer" else self.techniques[owner], field)
            for name, (owner, _, field) in owned.items()
        }

    @property
    def optional(self) -> list[str]:
        """Names of techniques with a switch, those that need another's noise last."""
        names = [name for name in self.techniques if name not in self.always]
        return sorted(names, key=self._needs_noise)

    @property
    def free(self) -> list[str]:
        """Those of `optional` that may be asked in any order."""
        return [name for name in self.optional if not self._needs_noise(name)]

    def _needs_noise(self, name: str) -> bool:
        return "noise" in needs_of(self.techniques[name])

    def choose(self, chooser: Chooser, order: Sequence[str] | None = None) -> Recipe:
        """The recipe that a chooser makes. order: in which switches are asked; of two that conflict the first that
        is on keeps the other from being asked."""
        on = set(self.always)
        for name in order or self.optional:
            if self._goes(on | {name}) and chooser.suggest_categorical(name, (False, True)):
                on.add(name)
        owners = [*(name for name in self.techniques if name in on), "optimizer"]
        values = {
            strength: range_.rounded(chooser.suggest_float(strength, range_.low, range_.high, log=range_.log))
            for owner in owners
            for strength, range_ in self.ranges_of(owner).items()
        }
        return Recipe(self._built(on), self.optimizer).with_strengths(values)

    def distributions(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What each value of a configuration was taken from, in Optuna's words."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        floats = {n: FloatDistribution(r.low, r.high, log=r.log) for n, r in self.ranges.items()}
        return {name: floats.get(name) or CategoricalDistribution((False, True)) for name in values}

    def ranges_of(self, owner: str) -> dict[str, Range]:
        return {strength: r for strength, r in self.ranges.items() if strength.rpartition(".")[0] == owner}

    def _goes(self, on: set[str]) -> bool:
        try:
            Recipe(self._built(on), self.optimizer)
        except DampenError:
            return False
        return True

    def _built(self, on: Iterable[str]) -> tuple[Any, ...]:
        return tuple(technique for name, technique in self.techniques.items() if name in on)

    def to_record(self) -> dict[str, Any]:
        """Strict JSON: what must be the same when a study goes on."""
        return {
            "techniques": {name: repr(technique) for name, technique in self.techniques.items()},
            "always": sorted(self.always),
            "ranges": {name: [r.low, r.high, r.log] for name, r in self.ranges.items()},
            "optimizer": repr(self.optimizer),
        }

    def __str__(self) -> str:
        """Per technique its name and the ranges of its strengths, in 80 columns."""
        lines = []
        for owner in (*self.techniques, "optimizer"):
            how = "" if owner == "optimizer" else "always" if owner in self.always else "on or off"
            ranges = [f"{n.rpartition('.')[2]} {r.low:g} to {r.high:g}" for n, r in self.ranges_of(owner).items()]
            line = f"{owner:<20} {how:<9} {', '.join(ranges)}".rstrip()
            lines += textwrap.wrap(line, WIDTH, subsequent_indent=" " * 31)
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class Known:
    """A chooser that gives back a stored configuration."""

    values: Mapping[str, Any]

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self.values.get(name, False)

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return float(self.values[name])


# ------------------------------------------------------------------ made at the door


@dataclasses.dataclass(frozen=True)
class Narrowing:
    """What a user says of the space: preset, techniques that are always on, techniques left out, ranges."""

    preset: str = "quick"
    always: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    ranges: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)


def space_of(problem: Problem, layout: Layout, narrowing: Narrowing) -> Space:
    """The techniques of the preset that suit the problem, and what is asked for besides; with the declared search
    range of every strength, or the user's."""
    if narrowing.preset not in PRESETS:
        raise NoSuchName("preset", narrowing.preset, PRESETS, f"There are {', '.join(PRESETS)}.")
    both = {*narrowing.always} & {*narrowing.without}
    if both:
        raise DampenError(f"{min(both)} must be either with or without; got both. Leave one out.")
    wanted = {find(name) for name in narrowing.always}
    left_out = {find(name) for name in narrowing.without}
    offered = {find(name) for name in PRESETS[narrowing.preset]}
    offered = {t for t in offered if suits(alone(t()), problem, layout)}
    ranged = {find(_owner(s)) for s in narrowing.ranges if _owner(s) != "optimizer"}
    forbidden = next((t.__name__ for t in CATALOGUE if t in ranged & left_out), None)
    if forbidden:
        raise DampenError(f"{forbidden} must not have a range when it is left out; got both. Leave one out.")
    chosen = [t for t in CATALOGUE if t in (offered | wanted | ranged) - left_out]
    techniques = {t.__name__: _default(t, problem) for t in chosen}
    for declared in wanted | ranged:  # what was named must suit: say why it does not
        check_recipe(alone(techniques[declared.__name__]), problem, layout)
    always = frozenset(narrowing.always)
    Recipe(tuple(t for name, t in techniques.items() if name in always))
    ranges = _ranges(techniques, Adam(), narrowing.ranges)
    return Space(techniques, always, ranges, balanced="balanced" in problem.metric.name)


def _default(declared: type, problem: Problem) -> Any:
    """At its defaults. What stops early waits for the whole run and serves the best weights: cutting short is halving's
    business."""
    if "patience_epochs" in tunables(declared) and getattr(declared, "keeps", ""):
        return declared(patience_epochs=problem.epochs)
    return declared()


def _ranges(
    techniques: Mapping[str, Any], optimizer: Any, given: Mapping[str, tuple[float, float]]
) -> dict[str, Range]:
    """The user's, else what is declared. A strength whose default is off (a flip, a shear) stays there unless asked
    for: whether a mirrored image is still one of its class nobody can guess."""
    ranges: dict[str, Range] = {}
    for owner, part in {**techniques, "optimizer": optimizer}.items():
        for field, declared in tunables(part).items():
            name = f"{owner}.{field}"
            sampled = name == LR or (owner != "optimizer" and declared.default != declared.off)
            if name in given:
                ranges[name] = _narrowed(name, declared, given[name])
            elif sampled and getattr(part, field) == declared.default:
                ranges[name] = Range(*declared.search, declared.log)
    for name in given:
        if name not in ranges:
            owner = _owner(name)
            part = optimizer if owner == "optimizer" else techniques[owner]
            known = [f"{owner}.{field}" for field in tunables(part)]
            raise NoSuchName("strength", name, known, f"{owner} has {', '.join(known) or 'none'}.")
    return ranges


def _narrowed(name: str, declared: Any, given: tuple[float, float]) -> Range:
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise DampenError(f"The range of {name} must be a pair such as (0.1, 0.5); got {given!r}.")
    low, high = (declared.check(f"The range of {name}", value) for value in given)
    if math.isinf(low) or math.isinf(high):
        raise DampenError(f"The range of {name} must be finite; got {low:g} to {high:g}. Narrow it.")
    if low > high:
        raise DampenError(f"The range of {name} must go from low to high; got {low:g} to {high:g}. Turn it round.")
    if declared.log and low <= 0:
        raise DampenError(f"The range of {name} must start above 0 (it is sampled in the logarithm); got {low:g}.")
    return Range(float(low), float(high), declared.log)


def _owner(strength: str) -> str:
    owner, dot, _ = strength.rpartition(".")
    if not dot:
        raise DampenError(f"A range must be of a strength such as MixUp.alpha; got {strength!r}.")
    return owner


def parse_ranges(texts: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Ranges from what a person types: `MixUp.alpha=0.1:0.5`, or one value, `optimizer.lr=0.001`."""
    ranges: dict[str, tuple[float, float]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        low, colon, high = values.partition(":")
        try:
            found = (float(low), float(high if colon else low))
        except ValueError:
            raise DampenError(f"A range must read like MixUp.alpha=0.1:0.5; got {text!r}.") from None
        if ranges.setdefault(name.strip(), found) != found:
            raise DampenError(f"The range of {name.strip()} must be given once; got two. Leave one out.")
    return ranges


def load_narrowing(path: str | Path) -> Narrowing:
    """A narrowing from a TOML file: preset, with, without, and a table [range] such as "MixUp.alpha" = [0.1, 0.5]."""
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DampenError(f"The space file {str(path)!r} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DampenError(f"The space file {str(path)!r} must be TOML; {first_line(error)}.") from None
    for key in values:
        if key not in KEYS:
            raise NoSuchName("key of a space file", key, KEYS, f"It may have {', '.join(KEYS)}.")
    ranges = values.get("range", {})
    pairs = ranges.items() if isinstance(ranges, dict) else ()
    lists = [values.get(key, []) for key in ("with", "without")]
    if not all(isinstance(names, list) and all(isinstance(n, str) for n in names) for names in lists):
        raise DampenError(f"with and without in {str(path)!r} must be lists of names of techniques.")
    if not isinstance(ranges, dict) or not all(_is_pair(pair) for _, pair in pairs):
        raise DampenError(f'[range] in {str(path)!r} must hold pairs such as "MixUp.alpha" = [0.1, 0.5].')
    preset = values.get("preset", Narrowing.preset)
    if not isinstance(preset, str):
        raise DampenError(f"preset in {str(path)!r} must be a name; got {preset!r}.")
    return Narrowing(preset, tuple(lists[0]), tuple(lists[1]), {name: (pair[0], pair[1]) for name, pair in pairs})


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(v, int | float) for v in value)
