"""The catalogue is complete: nothing in the rooms that is not in it, nothing in it without a test, an export, a name
that follows the rule."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import dampen
from dampen.contracts import Structural, declarations
from dampen.techniques import ASKED_FOR, CATALOGUE, find, room_of

SRC = Path(dampen.__file__).parent / "techniques"
TESTS = Path(__file__).parents[1] / "techniques"
FILES = sorted(path for path in SRC.glob("*/*.py") if path.name != "__init__.py")
FIELDS = [(technique, name) for technique in CATALOGUE for name in declarations(technique)]


def named(part):
    return getattr(part, "__name__", str(part))


def file_of(technique):
    return Path(inspect.getfile(technique))


# ------------------------------------------------------------------ rooms, files, catalogue


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_holds_one_technique_and_it_is_in_the_catalogue(path):
    module = importlib.import_module(f"dampen.techniques.{path.parent.name}.{path.stem}")

    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, "dampen_kind")
    ]

    assert len(own) == 1, f"{path.name} must hold one technique; it holds {own}"
    assert own[0] in CATALOGUE, f"{own[0].__name__} is missing in CATALOGUE"


def test_every_entry_of_the_catalogue_is_a_file_of_a_room():
    assert sorted(file_of(technique) for technique in CATALOGUE) == FILES


def test_no_technique_is_twice_in_the_catalogue():
    names = [technique.__name__ for technique in CATALOGUE]

    assert len(set(names)) == len(names)


def test_the_catalogue_follows_the_rooms_in_the_order_of_the_step():
    rooms = list(dict.fromkeys(room_of(technique) for technique in CATALOGUE))

    assert rooms == ["batch", "model", "loss", "gradient", "weights", "epoch"]
    assert [room_of(t) for t in CATALOGUE] == [room for room in rooms for t in CATALOGUE if room_of(t) == room]


@pytest.mark.parametrize("technique", CATALOGUE, ids=named)
def test_a_technique_is_found_by_its_name_and_its_file_is_named_after_it(technique):
    assert find(technique.__name__) is technique
    assert file_of(technique).stem.replace("_", "") == technique.__name__.lower()


@pytest.mark.parametrize("technique", CATALOGUE, ids=named)
def test_a_technique_takes_at_most_120_lines(technique):
    """A longer file is a sign that the contract is wrong, not the technique."""
    assert len(file_of(technique).read_text().splitlines()) <= 120


@pytest.mark.parametrize("technique", CATALOGUE, ids=named)
def test_a_technique_s_file_says_what_it_is_in_one_line_for_the_list(technique):
    said = inspect.getmodule(technique).__doc__.splitlines()[0]

    assert re.fullmatch(r".+: .+\.", said)


@pytest.mark.parametrize("technique", CATALOGUE, ids=named)
def test_a_technique_has_a_test_of_its_own(technique):
    path = TESTS / room_of(technique) / f"test_{file_of(technique).stem}.py"
    assert path.is_file(), f"{technique.__name__} must have {path}"

    functions = [n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)]

    assert any(name.startswith("test_") for name in functions)


@pytest.mark.parametrize("technique", CATALOGUE, ids=named)
def test_a_technique_says_in_one_paragraph_when_to_use_it(technique):
    _, *paragraphs = inspect.getdoc(technique).split("\n\n")

    told = [" ".join(part.split()) for part in paragraphs if part.startswith("Use it")]

    assert len(told) == 1, f"{technique.__name__} must have one paragraph that starts with 'Use it'"
    assert told[0].endswith(".")
    assert told[0].count(". ") <= 1, "one or two sentences"
    assert not paragraphs[-1].startswith("Use it"), "the paper stands last"


def test_what_is_offered_only_when_asked_is_in_the_catalogue():
    assert {*ASKED_FOR} <= {*CATALOGUE}


# ------------------------------------------------------------------ how values are named


@pytest.mark.parametrize(("technique", "name"), FIELDS, ids=named)
def test_a_count_is_num_something_or_carries_its_unit(technique, name):
    info = declarations(technique)[name]
    is_count = isinstance(info, Structural) and type(info.default) is int

    assert not is_count or name.startswith("num_") or name.endswith(("_epochs", "_steps", "_size"))
    assert not re.match(r"(n|number|count|amount)_|.*_(count|number|times)$", name)


@pytest.mark.parametrize(("technique", "name"), FIELDS, ids=named)
def test_a_share_is_called_a_fraction(technique, name):
    assert not name.endswith(("_share", "_percent", "_percentage", "_portion", "_proportion", "_frac", "_part"))


@pytest.mark.parametrize(("technique", "name"), FIELDS, ids=named)
def test_a_duration_carries_its_unit(technique, name):
    speaks_of_time = re.search(r"\b(epochs|steps)\b", declarations(technique)[name].meaning)

    assert not speaks_of_time or name.endswith(("epochs", "steps", "_fraction"))
    assert not re.search(r"(patience|warmup|half_life|period|duration|delay|interval|start|end|every)$", name)


@pytest.mark.parametrize(("technique", "name"), FIELDS, ids=named)
def test_names_are_words_in_lower_case_without_negation(technique, name):
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
    assert not name.startswith(("no_", "not_", "dont_", "disable_", "is_", "use_"))


# ------------------------------------------------------------------ public names


@pytest.mark.parametrize("technique", CATALOGUE, ids=named)
def test_every_technique_is_exported(technique):
    assert technique.__name__ in dampen.__all__
    assert getattr(dampen, technique.__name__) is technique


def test_public_names_are_sorted_and_said_once():
    assert dampen.__all__ == sorted(set(dampen.__all__))
    assert {*dir(dampen)} == {*dampen.__all__, "__version__"}


@pytest.mark.parametrize("name", dampen.__all__)
def test_every_public_name_resolves_to_the_thing_of_that_name(name):
    thing = getattr(dampen, name)

    assert getattr(thing, "__name__", name).rpartition(".")[2] == name
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert thing.__doc__, f"{name} must say what it is"


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'dampen' has no attribute 'Dropot'"):
        _ = dampen.Dropot
