import copy
import dataclasses
import math
from typing import ClassVar

import numpy as np
import pytest
import torch

from dampen import ClipNorm, DampenError
from dampen.contracts import (
    Strength,
    declarations,
    is_off,
    optimizer,
    structural,
    structure,
    switches,
    technique,
    tunable,
    tunables,
    with_values,
)
from dampen.optimizers import OPTIMIZERS
from dampen.techniques import CATALOGUE

DECLARED = [*CATALOGUE, *OPTIMIZERS]


@technique
class Blur:
    """x <- blurred x. A technique of this file, 2020."""

    num_faces: ClassVar[int] = 3
    radius: Strength = tunable(2.0, off=0.0, low=0.0, high=10.0, meaning="how far")
    gain: Strength = tunable(1.0, off=1.0, low=0.0, meaning="how bright")
    ceiling: Strength = tunable(5.0, high=9.0, search=(1.0, 9.0), meaning="cut above")
    tilt: Strength = tunable(0.0, search=(-1.0, 1.0), meaning="any number")
    edge: str = structural("zeros", choices=("zeros", "mirror"), meaning="what lies outside")
    num_passes: int = structural(1, low=1, meaning="how often")
    layers: object = structural("weights", meaning="where")

    def batch(self, batch, draws, at):
        return batch


# ------------------------------------------------------------------ what is refused, and in which words


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"radius": -0.5}, "Blur.radius must be between 0 and 10; got -0.5."),
        ({"radius": 11}, "Blur.radius must be between 0 and 10; got 11."),
        ({"radius": math.inf}, "Blur.radius must be between 0 and 10; got inf."),
        ({"gain": -1e-9}, "Blur.gain must be at least 0; got -1e-09."),
        ({"ceiling": 9.5}, "Blur.ceiling must be at most 9; got 9.5."),
        ({"radius": math.nan}, "Blur.radius must be a number; got nan."),
        ({"tilt": math.nan}, "Blur.tilt must be a number; got nan."),
        ({"radius": "much"}, "Blur.radius must be a number; got 'much'."),
        ({"radius": None}, "Blur.radius must be a number; got None."),
        ({"radius": True}, "Blur.radius must be a number; got True."),
        ({"radius": 1j}, "Blur.radius must be a number; got 1j."),
        ({"radius": (1.0,)}, "Blur.radius must be a number; got (1.0,)."),
        ({"edge": "clamp"}, "Blur.edge must be one of 'zeros', 'mirror'; got 'clamp'."),
        ({"num_passes": 0}, "Blur.num_passes must be a whole number, at least 1; got 0."),
        ({"num_passes": 2.0}, "Blur.num_passes must be a whole number, at least 1; got 2.0."),
        ({"num_passes": True}, "Blur.num_passes must be a whole number, at least 1; got True."),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_its_range_and_what_came(values, message):
    with pytest.raises(DampenError) as raised:
        Blur(**values)

    assert str(raised.value) == message


@pytest.mark.parametrize("radius", [0.0, 10.0, 3, np.float32(0.5), np.int64(4)])
def test_the_edges_of_the_range_and_every_kind_of_number_are_legal(radius):
    built = Blur(radius=radius)

    assert built.radius == radius
    assert type(built.radius) in (int, float), "numbers are stored as plain ones: TOML and JSON hold no others"


@pytest.mark.parametrize("tilt", [-1e30, 0, 1e30])
def test_a_strength_without_a_range_takes_any_number(tilt):
    assert Blur(tilt=tilt).tilt == tilt


@pytest.mark.parametrize("name", ["gain", "tilt"])
def test_an_infinite_strength_is_refused_unless_it_is_what_off_means(name):
    with pytest.raises(DampenError) as raised:
        Blur(**{name: math.inf})

    assert str(raised.value) == f"Blur.{name} must be finite; got inf."
    assert ClipNorm(math.inf).max_norm == math.inf


@pytest.mark.parametrize("declared", CATALOGUE, ids=lambda declared: declared.__name__)
def test_no_technique_takes_an_infinite_strength_that_it_does_not_rest_at(declared):
    for name, info in tunables(declared).items():
        for value in (math.inf, -math.inf):
            if value not in (info.off, info.default):
                with pytest.raises(DampenError, match=rf"{declared.__name__}\.{name} must be .*; got -?inf\."):
                    declared(**{name: value})


def test_a_list_of_paths_becomes_a_tuple_so_that_the_technique_stays_hashable():
    built = Blur(layers=["body.0", "head"])

    assert built.layers == ("body.0", "head")
    assert hash(built) == hash(Blur(layers=("body.0", "head")))


def test_an_unknown_value_is_no_argument():
    with pytest.raises(TypeError, match="radios"):
        Blur(radios=1.0)


@pytest.mark.parametrize("declare", [technique, optimizer])
def test_a_field_without_a_declaration_is_refused(declare):
    class Careless:
        rate: float = 0.5

    with pytest.raises(TypeError, match=r"^Careless\.rate must be declared with tunable\(\.\.\.\) or structural"):
        declare(Careless)


def test_a_field_declared_as_a_plain_dataclass_field_is_refused():
    class Careless:
        rate: float = dataclasses.field(default=0.5)

    with pytest.raises(TypeError, match=r"^Careless\.rate must be declared"):
        technique(Careless)


def test_a_class_variable_is_no_field():
    assert "num_faces" not in declarations(Blur)
    assert Blur().num_faces == 3


# ------------------------------------------------------------------ what a declared class is


@pytest.mark.parametrize("cls", [Blur, *DECLARED])
def test_a_declared_class_is_frozen(cls):
    built = cls()

    for name in declarations(cls):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(built, name, 0)


@pytest.mark.parametrize("cls", [Blur, *DECLARED])
def test_equality_is_by_value(cls):
    built = cls()

    assert built == cls() == copy.deepcopy(built) == dataclasses.replace(built)
    for name, info in tunables(cls).items():
        other = next(v for v in (info.search[1], info.search[0], info.low) if v != info.default)
        assert with_values(built, {name: other}) != built, f"{name} belongs to the value"


@pytest.mark.parametrize("cls", [Blur, *DECLARED])
@pytest.mark.parametrize("rests", [False, True])
def test_repr_evaluates_back(cls, rests):
    built = cls(**switches(cls)) if rests else cls()

    again = eval(repr(built), {cls.__name__: cls, "inf": math.inf})

    assert again == built


def test_two_techniques_of_the_same_values_differ_by_their_class():
    @technique
    class Other:
        rate: Strength = tunable(2.0, meaning="m")

    @technique
    class Another:
        rate: Strength = tunable(2.0, meaning="m")

    assert Other() != Another()


# ------------------------------------------------------------------ what follows from the declarations


def test_declarations_stand_in_the_order_of_the_class():
    assert list(declarations(Blur)) == ["radius", "gain", "ceiling", "tilt", "edge", "num_passes", "layers"]
    assert list(tunables(Blur())) == ["radius", "gain", "ceiling", "tilt"]


def test_switches_are_the_strengths_with_an_off_value():
    assert switches(Blur) == {"radius": 0.0, "gain": 1.0}


def test_off_means_that_every_switch_rests():
    assert is_off(Blur(radius=0.0))
    assert is_off(Blur(radius=0, ceiling=3.0, edge="mirror")), "what does not switch does not matter"
    assert not is_off(Blur()), "one switch of two is on"
    assert not is_off(Blur(radius=0.0, gain=2.0))


def test_a_technique_without_a_switch_is_never_off():
    @technique
    class Always:
        level: Strength = tunable(0.0, low=0.0, meaning="m")

    assert switches(Always) == {}
    assert not is_off(Always())


def test_what_must_be_equal_for_a_shared_program_is_the_class_and_the_structural_choices():
    assert structure(Blur()) == structure(Blur(radius=7.0, gain=3.0))
    assert structure(Blur()) != structure(Blur(edge="mirror"))
    assert structure(Blur()) != structure(Blur(num_passes=2))


@pytest.mark.parametrize(
    ("arguments", "search"),
    [
        ({"default": 0.3, "log": True}, (0.01, 9.0)),
        ({"default": 0.1, "low": 0.0, "high": 1.0}, (0.0, 0.1 * 3)),
        ({"default": 0.5, "low": 0.0, "high": 1.0}, (0.0, 1.0)),
        ({"default": 2.0, "low": 1.0}, (1.0, 6.0)),
        ({"default": 2.0, "low": 0.0, "log": True, "search": (0.5, 4.0)}, (0.5, 4.0)),
    ],
)
def test_the_search_range_follows_the_rule(arguments, search):
    default = arguments.pop("default")

    @technique
    class Searched:
        strength: Strength = tunable(default, meaning="m", **arguments)

    np.testing.assert_allclose(tunables(Searched)["strength"].search, search, rtol=1e-12)


@pytest.mark.parametrize(
    ("cls", "name"),
    [(cls, name) for cls in DECLARED for name in tunables(cls)],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_a_search_samples_finite_legal_different_numbers(cls, name):
    info = tunables(cls)[name]

    below, above = info.search

    assert math.isfinite(below)
    assert math.isfinite(above)
    assert below < above, "a range of one point searches nothing"
    assert below > 0 or not info.log, "a logarithm needs numbers above 0"
    cls(**{name: below})
    cls(**{name: above})


# ------------------------------------------------------------------ past the constructor


def test_with_values_goes_past_the_checks_and_leaves_the_original_alone():
    built = Blur(edge="mirror")
    column = torch.tensor([[1.0], [99.0]])

    carried = with_values(built, {"radius": column})

    assert carried.radius is column
    assert type(carried) is Blur
    assert (carried.edge, carried.gain) == ("mirror", 1.0)
    assert built.radius == 2.0


def test_a_tensor_is_no_strength_at_the_door():
    with pytest.raises(DampenError, match=r"^Blur\.radius must be a number; got tensor\(1\.\)\.$"):
        Blur(radius=torch.tensor(1.0))
