"""A recipe: an optimizer and an ordered tuple of techniques. Their strengths are one flat dict."""

from __future__ import annotations

import ast
import dataclasses
import itertools
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from .contracts import Clock, Decision, declarations, is_off, tunables, with_values
from .errors import DampenError, NoSuchName, first_line
from .optimizers import OPTIMIZERS, Adam
from .techniques import CATALOGUE, find
from .vocabulary import (
    HOOKS,
    KEEPS,
    MOVES,
    NEEDS,
    ON_HOST,
    ONE_PER_RECIPE,
    THROUGHOUT,
    claims,
    contradict,
    hooks_of,
    needs_of,
    touches,
)

T = TypeVar("T")
TRAINING = "training"
"""The table of a recipe file that is no part of the recipe."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """An optimizer and techniques, applied in the order of the tuple; `repr` evaluates back.

    Raises `DampenError` where two techniques conflict or one lacks what the recipe itself could give.
    """

    techniques: tuple[Any, ...] = ()
    optimizer: Any = dataclasses.field(default_factory=lambda: Adam())

    def __post_init__(self) -> None:
        given = self.techniques
        listed = (given,) if not isinstance(given, Iterable) or isinstance(given, str) else tuple(given)
        object.__setattr__(self, "techniques", listed)
        for technique in listed:
            _check_kind(technique, "technique", "Dropout(rate=0.5)")
        _check_kind(self.optimizer, "optimizer", "Adam(lr=0.001)")
        _check_conflicts(self.named)
        _check_schedules(self)

    @property
    def named(self) -> dict[str, Any]:
        """Techniques by name, in order; the same one twice is numbered: Dropout, Dropout#2."""
        named: dict[str, Any] = {}
        for technique in self.techniques:
            name, count = type(technique).__name__, 2
            while name in named:
                name, count = f"{type(technique).__name__}#{count}", count + 1
            named[name] = technique
        return named

    @property
    def strengths(self) -> dict[str, float]:
        """Every number of the recipe: {"Dropout.rate": 0.5, "optimizer.lr": 0.001, ...}."""
        parts = {**self.named, "optimizer": self.optimizer}
        return {f"{name}.{field}": getattr(part, field) for name, part in parts.items() for field in tunables(part)}

    def with_strengths(self, values: Mapping[str, float]) -> Recipe:
        """The same recipe with other numbers, checked; `values` is a part of the flat dict."""
        known = self.strengths
        for name in values:
            if name not in known:
                raise NoSuchName("strength", name, known, f"The recipe has {', '.join(known)}.")
        parts = {
            name: dataclasses.replace(part, **_fields_of(values, name))
            for name, part in {**self.named, "optimizer": self.optimizer}.items()
        }
        optimizer = parts.pop("optimizer")
        return Recipe(tuple(parts.values()), optimizer)

    @property
    def active(self) -> dict[str, Any]:
        """Named techniques without those that rest at their off values, unless a schedule may move them."""
        moved = {getattr(t, "of", "").rpartition(".")[0] for t in self.techniques if touches(t, "strengths")}
        return {name: t for name, t in self.named.items() if not is_off(t) or name in moved}

    def having(self, hook: str) -> list[Any]:
        """The active techniques that have a hook, in order."""
        return [technique for technique in self.active.values() if touches(technique, hook)]

    def check(self, words: frozenset[str]) -> None:
        """Refuse, with a sentence, what the data and the model (their `words`) cannot give."""
        for name, technique in self.named.items():
            check_needs(name, technique, words)

    def explain(self) -> str:
        """The timeline of a training step with this recipe's techniques in their places."""
        lines = ["hook             does"]
        for hook, info in HOOKS.items():
            here = [_short(t) for t in self.named.values() if hook in hooks_of(t)]
            mark = " -> ".join(here) if here else "-"
            lines.append(f"{hook:<16} {info.meaning:<40} {mark}")
            if hook == "gradients":
                lines.append(f"{'(optimizer)':<16} {'moves the weights':<40} {_short(self.optimizer)}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: what TOML and manifests hold."""
        return {
            "optimizer": _plain(self.optimizer),
            "techniques": [_plain(technique) for technique in self.techniques],
        }

    def to_toml(self) -> str:
        return tomli_w.dumps(self.to_dict())

    def __str__(self) -> str:
        parts = self.techniques if self.optimizer == Adam() else (*self.techniques, self.optimizer)
        return " + ".join(_short(part) for part in parts) or "no technique"


def check_needs(name: str, technique: Any, words: frozenset[str]) -> None:
    for need in needs_of(technique):
        if need != "noise" and need not in words:
            raise DampenError(f"{name} needs {NEEDS[need]}; this problem has none. Leave {name} out.")


def from_dict(values: Any) -> Recipe:
    """The recipe that `to_dict` wrote."""
    if not isinstance(values, dict) or not ({"optimizer", "techniques"} & values.keys()):
        raise DampenError("A recipe must have [optimizer] or [[techniques]]; got neither. See `Recipe.to_toml()`.")
    unknown = values.keys() - {"optimizer", "techniques"}
    if unknown:
        raise DampenError(f"A recipe has [optimizer] and [[techniques]] only; got {sorted(unknown)[0]!r}.")
    parts = values.get("techniques", [])
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise DampenError("A recipe's techniques must be a list of tables, [[techniques]].")
    techniques = tuple(_built(part, find) for part in parts)
    if "optimizer" not in values:
        return Recipe(techniques)
    return Recipe(techniques, _built(values["optimizer"], find_optimizer))


def from_toml(text: str) -> Recipe:
    """The recipe that `Recipe.to_toml` wrote; a table [training] beside it is for `recipe_file.py`."""
    return from_dict({name: table for name, table in tables_of(text).items() if name != TRAINING})


def tables_of(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DampenError(f"A recipe must be TOML; {first_line(error)}.") from None


def load_recipe(path: str | Path) -> Recipe:
    """A recipe from a TOML file; what [training] says beside it is left aside."""
    return read_file(path, from_toml)


def read_file(path: str | Path, read: Callable[[str], T]) -> T:
    """What `read` makes of the text of a recipe file; what is wrong with it is said with its name."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DampenError(f"The recipe file {str(path)!r} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DampenError(f"The recipe file {str(path)!r} must be text (TOML); it is none.") from None
    if not text.strip():
        raise DampenError(f"The recipe file {str(path)!r} is empty; it must hold [optimizer] or [[techniques]].")
    try:
        return read(text)
    except DampenError as error:
        raise DampenError(f"In the recipe file {str(path)!r}: {error}") from None


def parse(text: str) -> Recipe:
    """A recipe from what a person types: `Dropout`, `Dropout(rate=0.3) + L2(strength=1e-3)`, `Adam(lr=0.01)`."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        raise DampenError(f"A recipe must read like 'Dropout(rate=0.3) + L2'; got {text!r}.") from None
    techniques: list[Any] = []
    optimizers: list[Any] = []
    names = {o.__name__: o for o in OPTIMIZERS}
    for call in _summands(tree):
        name, values = _call(call, text)
        built = _constructed(_find_either(name), values)
        (optimizers if name in names else techniques).append(built)
    if len(optimizers) > 1:
        raise DampenError(f"A recipe has one optimizer; got {len(optimizers)} in {text!r}.")
    return Recipe(tuple(techniques), *optimizers)


def _find_either(name: str) -> type:
    """A technique or an optimizer, where a person may have typed either."""
    known = {part.__name__: part for part in (*CATALOGUE, *OPTIMIZERS)}
    if name not in known:
        raise NoSuchName("technique", name, known, "See `dampen techniques`.")
    return known[name]


def find_optimizer(name: str) -> type:
    for optimizer in OPTIMIZERS:
        if optimizer.__name__ == name:
            return optimizer
    known = [o.__name__ for o in OPTIMIZERS]
    raise NoSuchName("optimizer", name, known, f"There are {', '.join(known)}.")


# ------------------------------------------------------------------ checks at the door


def _check_kind(part: Any, kind: str, example: str) -> None:
    if isinstance(part, type) or getattr(part, "dampen_kind", None) != kind:
        got = f"the class {part.__name__}" if isinstance(part, type) else repr(part)
        raise DampenError(f"A recipe's {kind} must be a declared {kind} such as {example}; got {got}.")


def _check_conflicts(named: Mapping[str, Any]) -> None:
    for hook, what in ONE_PER_RECIPE.items():
        rivals = [name for name, t in named.items() if claims(t, hook)]
        if len(rivals) > 1:
            raise DampenError(f"{rivals[0]} and {rivals[1]} both {what}; keep one.")
    for first, second in itertools.combinations(named, 2):
        keeps = [getattr(named[name], "keeps", "") for name in (first, second)]
        if {*keeps} == {*KEEPS}:
            raise DampenError(f"{first} {KEEPS[keeps[0]]}, {second} {KEEPS[keeps[1]]}; keep one of the two.")
        for one, other in itertools.product(needs_of(named[first]), needs_of(named[second])):
            if contradict(one, other):
                none = "no model has both" if one in THROUGHOUT else "no data are both"
                raise DampenError(
                    f"{first} needs {NEEDS[one]}, {second} needs {NEEDS[other]}; {none}. Keep one of the two."
                )
    makes_noise = any(touches(t, "activation") or touches(t, "parameters") for t in named.values())
    for name, technique in named.items():
        if "noise" in needs_of(technique) and not makes_noise:
            raise DampenError(f"{name} needs {NEEDS['noise']}; the recipe has none. Use 'Dropout + {name}'.")


def _check_schedules(recipe: Recipe) -> None:
    """A schedule is of a strength that a step reads, no two lead one the same way, and one that weakens a technique
    ends between its strength and its off value."""
    known = _read_in_steps(recipe)
    schedules = {n: t for n, t in recipe.named.items() if touches(t, "strengths") and hasattr(t, "of")}
    for name, technique in schedules.items():
        if technique.of not in known:
            raise NoSuchName("strength", str(technique.of), known, f"{name}.of must be one of {', '.join(known)}.")
        if hasattr(technique, "rest"):
            _check_rest(f"{name}.rest", technique, recipe)
    for first, second in itertools.combinations(schedules, 2):
        ways = [getattr(schedules[name], "moves", ()) for name in (first, second)]
        both = [MOVES[way] for way in ways[0] if way in ways[1]]
        if both and schedules[first].of == schedules[second].of:
            raise DampenError(f"{first} and {second} both {both[0]} {schedules[first].of}; keep one.")


def _read_in_steps(recipe: Recipe) -> tuple[str, ...]:
    """The strengths that a schedule can move: not those of what only the host asks, or what is built once."""
    once = {hook for hook, info in HOOKS.items() if info.place == "once"} | {*ON_HOST}
    moving = {name for name, t in recipe.named.items() if not {*hooks_of(t)} <= once} | {"optimizer"}
    return tuple(strength for strength in recipe.strengths if strength.rpartition(".")[0] in moving)


def _check_rest(who: str, technique: Any, recipe: Recipe) -> None:
    owner, _, field = technique.of.rpartition(".")
    part = recipe.optimizer if owner == "optimizer" else recipe.named[owner]
    value, info = getattr(part, field), tunables(part)[field]
    if info.off is None:
        info.check(who, technique.rest)
    elif not min(value, info.off) <= technique.rest <= max(value, info.off):
        raise DampenError(
            f"{who} must be between {technique.of} = {value:g} and {info.off:g}, where that is off; "
            f"got {technique.rest:g}."
        )


# ------------------------------------------------------------------ reading and writing


def _short(part: Any) -> str:
    """The class and the values that differ from the defaults."""
    told = [
        f"{name}={getattr(part, name)!r}"
        for name, info in declarations(part).items()
        if getattr(part, name) != info.default
    ]
    return f"{type(part).__name__}({', '.join(told)})" if told else type(part).__name__


def _plain(part: Any) -> dict[str, Any]:
    values = {name: getattr(part, name) for name in declarations(part)}
    return {"name": type(part).__name__, **{k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}}


def _built(values: Any, look_up: Any) -> Any:
    if not isinstance(values, dict) or not isinstance(values.get("name"), str):
        raise DampenError(f"Every part of a recipe must have a name, such as name = 'Dropout'; got {values!r}.")
    return _constructed(look_up(values["name"]), {k: v for k, v in values.items() if k != "name"})


def _constructed(cls: type, values: Mapping[str, Any]) -> Any:
    known = declarations(cls)
    for name in values:
        if name not in known:
            see = f"{cls.__name__} has {', '.join(known) or 'no values'}."
            raise NoSuchName(f"value of {cls.__name__}", name, known, see)
    return cls(**values)


def _fields_of(values: Mapping[str, float], owner: str) -> dict[str, float]:
    return {name.rpartition(".")[2]: v for name, v in values.items() if name.rpartition(".")[0] == owner}


def _summands(tree: ast.expr) -> list[ast.expr]:
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add):
        return [*_summands(tree.left), *_summands(tree.right)]
    return [tree]


def _call(tree: ast.expr, text: str) -> tuple[str, dict[str, Any]]:
    if isinstance(tree, ast.Name):
        return tree.id, {}
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        known = list(declarations(_find_either(tree.func.id)))
        names = [*known[: len(tree.args)], *(keyword.arg for keyword in tree.keywords)]
        given = [*tree.args, *(keyword.value for keyword in tree.keywords)]
        if len(names) == len(set(names)) == len(given) and None not in names:
            try:
                return tree.func.id, {str(n): _literal(value) for n, value in zip(names, given, strict=True)}
            except ValueError:
                pass
    raise DampenError(f"A recipe must read like 'Dropout(rate=0.3) + L2'; got {text!r}.")


def _literal(tree: ast.expr) -> Any:
    """A Python literal; inf and nan are numbers, any other bare word a text: `sites=branches`, `of=Dropout.rate`."""
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub) and isinstance(tree.operand, ast.Name):
        return -float(tree.operand.id)
    if isinstance(tree, ast.Name) and tree.id not in ("True", "False", "None"):
        return float(tree.id) if tree.id in ("inf", "nan") else tree.id
    return ast.unparse(tree) if isinstance(tree, ast.Attribute) else ast.literal_eval(tree)


def scheduled(
    techniques: Iterable[Any], values: dict[str, float], clock: Clock, history: list[dict[str, float]]
) -> dict[str, float]:
    """The flat dict of strengths after every `strengths` hook."""
    for technique in techniques:
        values = technique.strengths(values, clock, history)
    return values


def decided(techniques: Iterable[Any], history: list[dict[str, float]]) -> tuple[bool, set[str | None]]:
    """(whether an `epoch` hook wants to stop, what the hooks want kept)."""
    decisions: list[Decision] = [technique.epoch(history) for technique in techniques]
    return any(d.stop for d in decisions), {d.keep for d in decisions}


def with_tensors(named: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Named techniques with their strengths replaced by tensors of the flat dict: what runs inside a step."""
    return {
        name: with_values(part, {field: values[f"{name}.{field}"] for field in tunables(part)})
        for name, part in named.items()
    }
