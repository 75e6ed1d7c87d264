"""What a search may choose: presets, conflicts, ranges, and what a user may not ask for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from searches import fitted_problem, space
from sklearn.datasets import load_diabetes

from dampen import MLP, DampenError, Recipe
from dampen.contracts import tunables
from dampen.data.dataset import from_arrays
from dampen.presets import DEFAULT, PRESETS, alone
from dampen.study.halving import BATCH
from dampen.study.sampling import AtRandom, ask
from dampen.study.space import Known, Narrowing, Range, load_narrowing, parse_ranges, space_of
from dampen.techniques import ASKED_FOR, CATALOGUE
from dampen.training.problem import Problem, check_fits, suits
from dampen.vocabulary import needs_of
from dampen.worlds import WORLDS

CLASSES = {"LabelSmoothing"}
IMAGES, SERIES = {"RandomAffine"}, {"SeriesJitter", "WindowSlice"}
TABLE, TEXTS = {"SwapNoise"}, {"TokenDropout", "LockedDropout", "EmbeddingDropout"}
DIABETES = load_diabetes()


# ------------------------------------------------------------------ presets


@pytest.mark.parametrize(
    ("world", "holds", "lacks"),
    [
        ("blobs", IMAGES | CLASSES | {"MixUp", "Dropout", "Cutout"}, SERIES | TABLE | TEXTS),
        ("columns", TABLE | CLASSES | {"MixUp"}, IMAGES | SERIES | TEXTS | {"Cutout"}),
        ("words, lstm", TEXTS | CLASSES | {"WeightDecay"}, IMAGES | SERIES | TABLE | {"MixUp", "InputDropout"}),
        ("waves", SERIES | {"Dropout"}, IMAGES | TABLE | TEXTS),
    ],
)
def test_quick_holds_what_suits_the_problem_only(world, holds, lacks):
    names = set(space(world=world).techniques)

    assert holds <= names
    assert not lacks & names


def test_numbers_as_targets_leave_out_what_needs_classes():
    problem = Problem(from_arrays(DIABETES.data, DIABETES.target), MLP((8,)))

    names = set(space_of(problem, check_fits(problem, Recipe()), Narrowing()).techniques)

    assert not CLASSES & names
    assert {"MixUp", "Dropout", "WeightDecay", "OneCycle"} <= names


@pytest.mark.parametrize("world", ["blobs", "columns", "words, transformer"])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_what_it_names_and_suits_in_the_order_of_a_recipe(world, preset):
    problem, layout = fitted_problem(world)
    order = [t.__name__ for t in CATALOGUE]

    names = list(space(preset, world=world).techniques)

    assert names == sorted(names, key=order.index)
    assert set(names) <= set(PRESETS[preset])
    left_out = [t for t in CATALOGUE if t.__name__ in set(PRESETS[preset]) - set(names)]
    assert all(not suits(alone(t()), problem, layout) for t in left_out)


def test_all_is_the_catalogue_but_for_what_only_a_person_can_choose():
    assert set(PRESETS["all"]) == {t.__name__ for t in CATALOGUE} - {t.__name__ for t in ASKED_FOR}


def test_presets_name_techniques_of_the_catalogue_once():
    known = {t.__name__ for t in CATALOGUE}

    for names in PRESETS.values():
        assert set(names) <= known
        assert len(names) == len(set(names))


def test_the_cocktail_is_the_thirteen_of_kadra_et_al_under_the_names_of_each_kind_of_data():
    """Their two of batches of images (CutMix, CutOut) are two more of rows; snapshots, SWA and Lookahead average."""
    for_rows = {"CutMix": "TabularCutMix", "Cutout": "FeatureMask"}

    assert len({for_rows.get(name, name) for name in PRESETS["cocktail"]}) == 13


def test_an_early_stopping_waits_for_the_whole_run():
    """Cutting short is halving's business; the patience is no strength to search."""
    found = space()

    assert found.techniques["EarlyStopping"].patience_epochs == fitted_problem()[0].epochs
    assert "EarlyStopping.patience_epochs" not in found.ranges
    assert DEFAULT not in found.techniques


# ------------------------------------------------------------------ choosing


class Everything:
    """Says yes to every switch and takes a share of every range."""

    def __init__(self, share):
        self.share, self.params = share, {}

    def suggest_categorical(self, name, choices):
        self.params[name] = True
        return True

    def suggest_float(self, name, low, high, *, log=False):
        self.params[name] = Range(low, high, log).point(self.share)
        return self.params[name]


@pytest.mark.parametrize("preset", PRESETS)
def test_of_two_that_conflict_the_first_asked_keeps_the_other_out_whichever_order(preset):
    """The recipe is built, so it holds no conflict: of two that serve weights, raise or lower a rate, one is on."""
    found = space(preset)
    source = np.random.default_rng(0)

    for _ in range(4):
        order = source.permutation(found.free).tolist()
        chooser = Everything(0.5)
        recipe = found.choose(chooser, [*order, *found.optional[len(found.free) :]])
        switched_on = {name for name in chooser.params if name in found.techniques}
        assert set(recipe.named) == switched_on
        assert recipe.named.keys() >= {order[0]}
        skipped = [name for name in order if name not in switched_on]
        for name in skipped:  # not asked, because it goes with none of those before it
            before = [n for n in order[: order.index(name)] if n in switched_on]
            assert any(conflict(found, name, other) for other in before)


@pytest.mark.parametrize(
    ("one", "other"), [("EMA", "SWA"), ("OneCycle", "CosineAnnealing"), ("EarlyStopping", "SnapshotEnsemble")]
)
def test_known_conflicts_are_never_both_on(one, other):
    found = space("all")

    for order in ([one, other], [other, one]):
        assert list(found.choose(Everything(0.5), order).named) == [order[0]]


def test_what_needs_noise_is_asked_last_and_only_where_there_is_some():
    found = space("all", world="blobs")
    needy = [name for name in found.techniques if "noise" in needs_of(found.techniques[name])]

    assert found.optional[len(found.free) :] == needy
    assert needy, "else this shows nothing"
    only_needy = found.choose(Known({**dict.fromkeys(needy, True), "optimizer.lr": 1e-3}))
    assert not set(needy) & set(only_needy.named)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("world", ["blobs", "columns", "words, transformer"])
def test_a_stored_configuration_is_the_same_recipe_again(preset, world):
    """Asked in any order, repeated in the space's own."""
    found = space(preset, world=world)

    for values, recipe in ask(found, "random", [], BATCH, 0, seed=3, batch=0, higher=True):
        again = found.choose(Known(values))
        assert repr(again) == repr(recipe)
        assert set(values) == {n for n in found.optional if n in values} | (set(values) & set(found.ranges))
        assert found.distributions(values).keys() == values.keys()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("declared", CATALOGUE, ids=lambda t: t.__name__)
def test_the_declared_range_of_every_strength_is_sampled_and_legal(declared, share):
    """Drawn at both ends and between, the recipe builds and suits; what rests by default stays unless asked for."""
    world = next((w for w in WORLDS if suits(alone(declared()), *fitted_problem(w))), None)
    problem, layout = fitted_problem(world)
    found = space("quick", always=[*alone(declared()).named], world=world)

    chooser = Everything(share)
    recipe = found.choose(chooser, [])

    for field, info in tunables(declared).items():
        name = f"{declared.__name__}.{field}"
        patience = field == "patience_epochs" and getattr(declared, "keeps", "")
        assert (name in found.ranges) == (info.default != info.off and not patience)
        if name in found.ranges:
            assert (found.ranges[name].low, found.ranges[name].high) == info.search
            low, high = sorted((recipe.strengths[name], Range(*info.search, info.log).point(share)))
            np.testing.assert_allclose(low, high, rtol=6e-3, atol=1e-12)
            assert info.search[0] <= recipe.strengths[name] <= info.search[1]
    assert suits(recipe, problem, layout)


def test_values_are_rounded_to_three_digits_inside_the_range():
    assert Range(0.0, 1.0).rounded(0.123456) == 0.123
    assert Range(0.12345, 1.0).rounded(0.12345) == 0.12345
    assert Range(0.0, 0.98765).rounded(0.98765) == 0.98765


def test_a_logarithmic_range_is_sampled_evenly_in_the_logarithm():
    np.testing.assert_allclose([Range(1e-4, 1e-2, log=True).point(s) for s in (0, 0.5, 1)], [1e-4, 1e-3, 1e-2])
    np.testing.assert_allclose([Range(1.0, 3.0).point(s) for s in (0, 0.5, 1)], [1.0, 2.0, 3.0])


# ------------------------------------------------------------------ narrowed


def test_always_is_on_in_every_configuration_and_has_no_switch():
    found = space(always=("MixUp", "SAM"))

    recipes = [asked.recipe for asked in ask(found, "random", [], 20, 0, seed=0, batch=0, higher=True)]

    assert all({"MixUp", "SAM"} <= recipe.named.keys() for recipe in recipes)
    assert not {"MixUp", "SAM"} & {*found.optional}
    assert "SAM.rho" in found.ranges, "which quick does not hold"


def test_without_is_never_on():
    assert "MixUp" not in space(without=("MixUp", "SAM")).techniques


def test_a_range_narrows_and_brings_its_technique_along():
    found = space(ranges={"MixUp.alpha": (0.1, 0.5), "SAM.rho": (0.02, 0.02), "optimizer.beta1": (0.8, 0.9)})

    assert found.ranges["MixUp.alpha"] == Range(0.1, 0.5, tunables(find("MixUp"))["alpha"].log)
    assert "SAM" in found.optional
    for values, recipe in ask(found, "random", [], 30, 0, seed=0, batch=0, higher=True):
        assert 0.8 <= recipe.optimizer.beta1 <= 0.9
        assert 0.1 <= recipe.strengths.get("MixUp.alpha", 0.3) <= 0.5
        assert recipe.strengths.get("SAM.rho", 0.02) == 0.02
        assert "MixUp.alpha" not in values or values["MixUp"]


def test_the_learning_rate_is_searched_and_the_rest_of_the_optimizer_is_not():
    assert [name for name in space().ranges if name.startswith("optimizer")] == ["optimizer.lr"]


@pytest.mark.parametrize(
    ("narrowing", "message"),
    [
        ({"preset": "quik"}, "Unknown preset 'quik'. Did you mean 'quick'? There are quick, cocktail, all."),
        ({"always": ["MixUpp"]}, "Unknown technique 'MixUpp'. Did you mean 'MixUp'?"),
        ({"without": ["dropout"]}, "Unknown technique 'dropout'. Did you mean 'Dropout'?"),
        ({"always": ["MixUp"], "without": ["MixUp"]}, "MixUp must be either with or without; got both. Leave one out."),
        ({"always": ["EMA", "SWA"]}, "EMA and SWA both choose the weights that predict; keep one."),
        ({"always": ["RDrop"]}, "RDrop needs noise in the forward pass, "),
        ({"always": ["TokenDropout"]}, "TokenDropout needs texts as token ids (N, T); this problem has none. "),
        ({"ranges": {"TokenDropout.rate": (0.1, 0.2)}}, "TokenDropout needs texts as token ids (N, T); "),
        (
            {"without": ["MixUp"], "ranges": {"MixUp.alpha": (0.1, 0.2)}},
            "MixUp must not have a range when it is left out; got both. Leave one out.",
        ),
        ({"ranges": {"MixUp.alpah": (0.1, 0.2)}}, "Unknown strength 'MixUp.alpah'. Did you mean 'MixUp.alpha'?"),
        ({"ranges": {"Mixup.alpha": (0.1, 0.2)}}, "Unknown technique 'Mixup'. Did you mean 'MixUp'?"),
        ({"ranges": {"optimizer.rl": (0.1, 0.2)}}, "Unknown strength 'optimizer.rl'. Did you mean 'optimizer.lr'?"),
        ({"ranges": {"MixUp": (0.1, 0.2)}}, "A range must be of a strength such as MixUp.alpha; got 'MixUp'."),
        (
            {"ranges": {"Dropout.rate": (0.5, 0.1)}},
            "The range of Dropout.rate must go from low to high; got 0.5 to 0.1. Turn it round.",
        ),
        ({"ranges": {"Dropout.rate": (0.5, 1.1)}}, "The range of Dropout.rate must be between 0 and 1; got 1.1."),
        ({"ranges": {"Dropout.rate": (-0.1, 0.5)}}, "The range of Dropout.rate must be between 0 and 1; got -0.1."),
        (
            {"ranges": {"optimizer.lr": (0.0, 0.1)}},
            "The range of optimizer.lr must start above 0 (it is sampled in the logarithm); got 0.",
        ),
        ({"ranges": {"Dropout.rate": (0.1, float("nan"))}}, "The range of Dropout.rate must be a number; got nan."),
        ({"ranges": {"Dropout.rate": (0.1, "0.2")}}, "The range of Dropout.rate must be a number; got '0.2'."),
        ({"ranges": {"Dropout.rate": (0.1, True)}}, "The range of Dropout.rate must be a number; got True."),
        ({"ranges": {"Dropout.rate": 0.3}}, "The range of Dropout.rate must be a pair such as (0.1, 0.5); got 0.3."),
        ({"ranges": {"Dropout.rate": (0.1,)}}, "The range of Dropout.rate must be a pair such as (0.1, 0.5); got "),
        (
            {"ranges": {"ClipNorm.max_norm": (1.0, float("inf"))}},
            "The range of ClipNorm.max_norm must be finite; got 1 to inf. Narrow it.",
        ),
        ({"ranges": {"optimizer.lr": (1e-3, float("inf"))}}, "The range of optimizer.lr must be finite; got inf."),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_a_sentence(narrowing, message):
    with pytest.raises(DampenError) as refused:
        space(**narrowing)

    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith(".")


# ------------------------------------------------------------------ typed and from a file


def test_ranges_are_read_as_a_person_types_them():
    typed = ["MixUp.alpha=0.1:0.5", " optimizer.lr = 1e-3 ", "Dropout.rate=0.2:0.2", "MixUp.alpha=0.1:0.5"]

    expected = {"MixUp.alpha": (0.1, 0.5), "optimizer.lr": (1e-3, 1e-3), "Dropout.rate": (0.2, 0.2)}
    assert parse_ranges(typed) == expected


@pytest.mark.parametrize("typed", ["MixUp.alpha", "MixUp.alpha=", "MixUp.alpha=a:b", "=", "MixUp.alpha=0.1:0.2:0.3"])
def test_a_range_that_cannot_be_read_is_refused(typed):
    with pytest.raises(DampenError, match=r"^A range must read like MixUp.alpha=0.1:0.5; got "):
        parse_ranges([typed])


def test_contradicting_ranges_are_refused():
    with pytest.raises(DampenError, match=r"^The range of MixUp.alpha must be given once; got two. Leave one out.$"):
        parse_ranges(["MixUp.alpha=0.1:0.5", "MixUp.alpha=0.2:0.5"])


def test_a_space_file_says_what_the_options_say(tmp_path):
    (tmp_path / "space.toml").write_text(
        'preset = "cocktail"\nwith = ["MixUp"]\nwithout = ["SWA"]\n[range]\n"MixUp.alpha" = [0.1, 1]\n', "utf-8-sig"
    )

    found = load_narrowing(tmp_path / "space.toml")

    assert found == Narrowing("cocktail", ("MixUp",), ("SWA",), {"MixUp.alpha": (0.1, 1)})
    (tmp_path / "empty.toml").write_text("")
    assert load_narrowing(tmp_path / "empty.toml") == Narrowing()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"preset = ", "must be TOML; "),
        (b"\xff\xfe", "must be TOML; "),
        (b"presets = 'quick'", "Unknown key of a space file 'presets'. Did you mean 'preset'? "),
        (b"preset = 3", "must be a name; got 3."),
        (b"with = 'MixUp'", "must be lists of names of techniques."),
        (b"without = [1]", "must be lists of names of techniques."),
        (b"range = 3", "must hold pairs such as"),
        (b"[range]\n'MixUp.alpha' = 0.3", "must hold pairs such as"),
        (b"[range]\n'MixUp.alpha' = [0.1, 0.2, 0.3]", "must hold pairs such as"),
        (b"[range]\n'MixUp.alpha' = ['a', 'b']", "must hold pairs such as"),
        (None, "cannot be read: No such file or directory."),
    ],
    ids=str,
)
def test_a_bad_space_file_is_refused_in_a_sentence(tmp_path, text, message):
    if text is not None:
        (tmp_path / "space.toml").write_bytes(text)

    with pytest.raises(DampenError) as refused:
        load_narrowing(tmp_path / "space.toml")

    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


# ------------------------------------------------------------------ in words


def test_the_record_of_a_space_differs_where_the_space_does():
    records = [
        space().to_record(),
        space(without=("MixUp",)).to_record(),
        space(always=("MixUp",)).to_record(),
        space(ranges={"MixUp.alpha": (0.1, 0.5)}).to_record(),
        space("cocktail").to_record(),
    ]

    assert all(one != other for one, other in itertools.combinations(records, 2))
    assert space().to_record() == records[0]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_space_is_printed_in_80_columns(preset):
    lines = str(space(preset)).splitlines()

    assert [line for line in lines if len(line) > 80] == []
    assert lines[-1].startswith("optimizer")


# ------------------------------------------------------------------ helpers


def find(name):
    return next(t for t in CATALOGUE if t.__name__ == name)


def conflict(found, one, other):
    """Whether no recipe holds both, in the order of the catalogue."""
    names = [name for name in found.techniques if name in (one, other)]
    dropout = [t() for t in CATALOGUE if t.__name__ == "Dropout" and "Dropout" not in names]
    try:
        Recipe((*dropout, *(found.techniques[name] for name in names)))
    except DampenError:
        return True
    return False


def test_at_random_a_few_techniques_are_on():
    found = space("all")
    source = np.random.default_rng(0)

    counts = [sum(v is True for v in found_params(found, source).values()) for _ in range(60)]

    assert 2.5 < np.mean(counts) < 4.5


def found_params(found, source):
    chooser = AtRandom(found, source)
    found.choose(chooser)
    return chooser.params
