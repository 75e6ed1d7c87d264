import dataclasses

import numpy as np
import polars as pl
import pytest
import torch
from helpers import agrees
from sklearn.datasets import load_diabetes, load_wine
from tabular_sets import wine

from dampen import DampenError
from dampen.data import load, load_table, split
from dampen.data.dataset import as_dataset, from_arrays
from dampen.data.split import with_outer, with_share

WINE, DIABETES = load_wine(), load_diabetes()
DATA = {
    "images": load("digits"),
    "table": from_arrays(WINE.data, WINE.target),
    "numbers": from_arrays(DIABETES.data, DIABETES.target),
    "fixed test": from_arrays(WINE.data[::2], WINE.target[::2], WINE.data[1::2], WINE.target[1::2]),
}


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_the_parts_are_disjoint_and_cover_every_row(data, seed):
    parts = split(data, seed)

    agrees(torch.cat(parts).sort().values, torch.arange(len(data.inputs)))
    for rows in parts:
        assert rows.dtype == torch.int64
        agrees(rows, rows.sort().values)


@pytest.mark.parametrize("name", ["images", "table", "numbers"])
def test_60_20_20(name):
    total = len(DATA[name].inputs)

    sizes = [len(rows) for rows in split(DATA[name], 3)]

    np.testing.assert_allclose(sizes, [0.6 * total, 0.2 * total, 0.2 * total], atol=1.5)


@pytest.mark.parametrize("name", ["images", "table"])
def test_every_part_holds_the_classes_in_the_shares_of_the_whole(name):
    """Stratified: in every part the count of a class is its share of the part, rounded (two cuts: by up to two)."""
    data = DATA[name]
    shares = data.targets.mean(0)

    for seed in range(5):
        for rows in split(data, seed):
            np.testing.assert_allclose(data.targets[rows].sum(0), shares * len(rows), atol=2)


def test_the_same_seed_is_the_same_split_and_another_seed_another():
    data = DATA["images"]

    agrees(list(split(data, 5)), list(split(data, 5)))
    for one, other in zip(split(data, 5), split(data, 6), strict=True):
        assert set(one.tolist()) != set(other.tolist())


def test_a_split_leaves_torch_s_and_numpy_s_global_generators_alone():
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()

    split(DATA["images"], 1)

    agrees(torch.random.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state[1])
    assert np.random.get_state()[2] == numpy_state[2]


def test_the_split_does_not_depend_on_what_the_inputs_are():
    one, other = (from_arrays(values, WINE.target) for values in (WINE.data, -WINE.data))

    agrees(list(split(one, 4)), list(split(other, 4)))


def test_a_test_part_of_its_own_is_the_test_part_of_every_seed():
    data = DATA["fixed test"]

    parts = [split(data, seed) for seed in range(4)]

    for part in parts:
        agrees(part.test, data.test_rows)
        np.testing.assert_allclose([len(part.train), len(part.validation)], [0.8 * 89, 0.2 * 89], atol=1.5)
    assert len({tuple(part.train.tolist()) for part in parts}) == 4, "the other rows are split by the seed"


@pytest.mark.parametrize("rare", [3, 4])
def test_a_class_that_was_let_in_is_in_every_part(rare):
    """`from_arrays` asks for three rows of each class, "one for each part": then each part must get one."""
    rows = np.r_[np.flatnonzero(WINE.target < 2), np.flatnonzero(WINE.target == 2)[:rare]]
    data = from_arrays(WINE.data[rows], WINE.target[rows])

    lacking = [seed for seed in range(20) if any((data.targets[part].sum(0) == 0).any() for part in split(data, seed))]

    assert lacking == []


def test_many_small_classes_that_were_let_in_can_be_split():
    """30 rows in ten classes of three: a fifth of the rows is fewer than there are classes."""
    rng = np.random.default_rng(0)
    data = from_arrays(rng.normal(size=(30, 4)), np.arange(30) % 10)

    parts = split(data, 0)

    agrees(torch.cat(parts).sort().values, torch.arange(30))


def test_six_rows_of_numbers_can_be_split():
    data = from_arrays(DIABETES.data[:6], DIABETES.target[:6])

    assert all(len(part) for part in split(data, 0))


# ------------------------------------------------------------------ groups and times


@pytest.fixture(scope="module")
def grouped(tmp_path_factory):
    """Wine from 30 cellars of two to ten bottles."""
    frame = wine().sample(fraction=1.0, shuffle=True, seed=1)
    cellar = np.sort(np.random.default_rng(0).integers(0, 30, len(frame)))
    file = tmp_path_factory.mktemp("split") / "wine.csv"
    frame.with_columns(pl.Series("cellar", cellar)).write_csv(file)
    return load_table(file, target="kind", group="cellar")


def test_no_group_stands_in_two_parts_and_sizes_do_not_depend_on_the_seed(grouped):
    sizes = set()

    for seed in range(50):
        parts = split(grouped, seed)
        groups = [set(grouped.groups[rows].tolist()) for rows in parts]
        assert sum(map(len, groups)) == len(set.union(*groups))
        assert len(set(torch.cat(parts).tolist())) == sum(map(len, parts))
        assert (grouped.targets[parts.train].sum(0) > 0).all()
        sizes.add(tuple(map(len, parts)))

    ((train, validation, test),) = sizes
    largest = int(grouped.groups.bincount().max())
    assert (validation, test) == (36, 36)
    assert 178 - train - 72 == 2 * (largest - 1)
    assert grouped.notes == (f"{2 * (largest - 1)} rows idle under every seed, so that no group stands in two parts",)
    assert "cellar" not in grouped.schema.groups
    assert grouped.describe().endswith("3 classes, no group in two parts")


def test_groups_of_one_size_leave_no_row_idle(tmp_path):
    frame = wine()[:170].with_columns(pl.Series("case", np.arange(170) % 85))
    frame.write_csv(tmp_path / "wine.csv")

    data = load_table(tmp_path / "wine.csv", target="kind", group="case")

    assert [len(rows) for rows in split(data, 0)] == [102, 34, 34]
    assert data.notes == ()


def test_every_seed_draws_other_groups(grouped):
    assert len({tuple(split(grouped, seed).test.tolist()) for seed in range(10)}) == 10
    agrees(list(split(grouped, 5)), list(split(grouped, 5)))


def test_rows_left_idle_are_drawn_over_all_of_the_table(grouped):
    """Not always the last ones of the file."""
    idle = torch.zeros(178)
    for seed in range(200):
        idle += 1
        idle[torch.cat(split(grouped, seed))] -= 1

    halves = idle[:89].sum(), idle[89:].sum()
    np.testing.assert_allclose(halves[0] / halves[1], 1.0, atol=0.25)


def test_a_class_of_few_groups_is_always_in_training(tmp_path):
    """Barolo in three of thirty cellars: one division in a hundred would leave it out of training."""
    kinds = wine()["kind"].to_numpy()
    cellar = np.where(kinds == "barolo", np.arange(178) % 3, 3 + np.arange(178) % 9)
    wine().with_columns(pl.Series("cellar", cellar)).write_csv(tmp_path / "wine.csv")
    data = load_table(tmp_path / "wine.csv", target="kind", group="cellar")

    lacking = [seed for seed in range(300) if (data.targets[split(data, seed).train].sum(0) == 0).any()]

    assert lacking == []


def test_what_decides_the_split_is_in_the_fingerprint(tmp_path):
    frame = wine().with_columns(pl.Series("cellar", np.arange(178) % 30))
    frame.write_csv(tmp_path / "wine.csv")

    plain = load_table(tmp_path / "wine.csv", target="kind", drop=["cellar"])
    grouped = load_table(tmp_path / "wine.csv", target="kind", group="cellar")

    agrees(grouped.inputs.nan_to_num(), plain.inputs.nan_to_num())
    assert grouped.fingerprint != plain.fingerprint


TIMES = {
    "numbers": lambda place: [str(1.5 * p) for p in place],
    "dates": lambda place: [f"{2000 + p // 300}-{1 + p % 300 // 28:02d}-{1 + p % 28:02d}" for p in place],
    "times of day": lambda place: [f"2024-05-{1 + p // 24:02d} {p % 24:02d}:00" for p in place],
}


@pytest.mark.parametrize("form", TIMES)
def test_the_last_rows_in_time_are_the_test_part_of_every_seed(tmp_path, form):
    place = np.random.default_rng(3).permutation(178)
    wine().with_columns(pl.Series("when", TIMES[form](place))).write_csv(tmp_path / "wine.csv")

    data = load_table(tmp_path / "wine.csv", target="kind", time="when")

    for seed in (0, 7):
        parts = split(data, seed)
        agrees([np.sort(place[rows]) for rows in parts], [np.arange(107), np.arange(107, 142), np.arange(142, 178)])
    assert data.protocol == "fixed test"
    assert "when" not in data.schema.groups
    assert data.describe().endswith("3 classes, split in time")


@pytest.mark.parametrize("part", ["test_rows", "validation_rows"])
@pytest.mark.parametrize(("rows", "told"), [([0, 1797], "0 to 1797"), ([-1, 5], "-1 to 5")])
def test_rows_of_a_part_must_be_there(part, rows, told):
    with pytest.raises(DampenError, match=rf"Dataset\.{part} must be numbers of its 1797 rows, .*; got {told}\."):
        as_dataset(dataclasses.replace(load("digits"), **{part: torch.tensor(rows)}))


def test_inputs_are_not_cut_without_their_targets():
    data = load("digits")
    with pytest.raises(DampenError, match="as many rows; got 100 and 1797"):
        as_dataset(dataclasses.replace(data, inputs=data.inputs[:100]))


def test_a_validation_part_that_somebody_gave_is_not_called_a_split_in_time():
    data = load("digits")
    assert data.describe().endswith("10 classes")
    given = dataclasses.replace(data, validation_rows=torch.arange(100))
    assert given.describe().endswith("10 classes, validation part given")


@pytest.mark.parametrize(
    ("counts", "parts"),
    [
        ([100, 30, 20, 28], [{0}, {1, 2}, {3}]),
        ([100, 30, 10, 10, 28], [{0}, {1, 2}, {3, 4}]),
        ([158, 10, 10], [{0}, {1}, {2}]),
    ],
)
def test_rows_of_one_time_stay_together(tmp_path, counts, parts):
    """The cuts move to the nearest change of time that leaves rows for every part."""
    years = np.repeat(np.arange(len(counts)), counts)
    frame = wine().sample(fraction=1.0, shuffle=True, seed=1).with_columns(pl.Series("year", years))
    frame.write_csv(tmp_path / "wine.csv")

    found = split(load_table(tmp_path / "wine.csv", target="kind", time="year"), 0)

    assert [set(years[rows].tolist()) for rows in found] == parts


# ------------------------------------------------------------------ an outer test part, and shares of the rows


@pytest.mark.parametrize("name", ["images", "table", "numbers"])
def test_the_outer_part_is_one_fifth_the_same_for_every_seed_and_no_seed_sees_it(name):
    data = with_outer(DATA[name], 0)

    outer = set(data.test_rows.tolist())
    np.testing.assert_allclose(len(outer), 0.2 * len(data.inputs), atol=1.5)
    for seed in (0, 1, 7):
        parts = split(data, seed)
        agrees(parts.test, data.test_rows)
        assert not outer & {*parts.train.tolist(), *parts.validation.tolist()}
        agrees(torch.cat(parts).sort().values, torch.arange(len(data.inputs)))
    assert split(data, 0).train.tolist() != split(data, 1).train.tolist()
    assert data.protocol == "fixed test"


@pytest.mark.parametrize("name", ["images", "table"])
def test_the_outer_part_holds_every_class_in_its_share(name):
    data = with_outer(DATA[name], 3)

    shares = data.targets.mean(0)

    np.testing.assert_allclose(data.targets[data.test_rows].sum(0), shares * len(data.test_rows), atol=1)


def test_data_and_number_decide_the_outer_part():
    parts = [tuple(with_outer(DATA["table"], number).test_rows.tolist()) for number in range(6)]
    moved = from_arrays(WINE.data + 1, WINE.target)

    assert len(set(parts)) == 6
    assert tuple(with_outer(DATA["table"], 2).test_rows.tolist()) == parts[2]
    assert tuple(with_outer(moved, 0).test_rows.tolist()) != parts[0]
    assert len({with_outer(DATA["table"], number).fingerprint for number in range(6)}) == 6


def test_data_with_a_test_part_keep_it():
    data = DATA["fixed test"]

    assert with_outer(data, 0) is data
    with pytest.raises(DampenError, match=r"^outer must be 0 where the data bring their own test part; got 2\. "):
        with_outer(data, 2)


def test_no_group_of_the_outer_part_is_in_another(grouped):
    data = with_outer(grouped, 1)

    outer = set(data.groups[data.test_rows].tolist())
    for seed in range(10):
        train, validation, test = split(data, seed)
        agrees(test, data.test_rows)
        groups = [set(data.groups[rows].tolist()) for rows in (train, validation)]
        assert not groups[0] & groups[1]
        assert not outer & (groups[0] | groups[1])


def rows_of(data, whole):
    """Where the rows of a part of a data set stand in the whole; targets beside inputs tell equal rows apart."""
    told = {tuple(row): n for n, row in enumerate(whole.inputs.flatten(1).double().nan_to_num(-1.0).tolist())}
    return [told[tuple(row)] for row in data.inputs.flatten(1).double().nan_to_num(-1.0).tolist()]


@pytest.mark.parametrize("name", ["images", "table", "numbers", "fixed test"])
def test_shares_are_nested_stratified_and_leave_the_test_part_alone(name):
    data = with_outer(DATA[name], 0)
    free = set(range(len(data.inputs))) - set(data.test_rows.tolist())

    smaller = None
    for share in (0.25, 0.5, 0.75, 1.0):
        part = with_share(data, share)
        rows = rows_of(part, data)
        agrees(part.inputs.nan_to_num(), data.inputs[rows].nan_to_num())
        agrees(part.targets, data.targets[rows])
        agrees(part.inputs[part.test_rows], data.inputs[data.test_rows])
        kept = set(rows) & free
        np.testing.assert_allclose(len(kept), share * len(free), atol=0.5 * data.targets.shape[1] + 1)
        if data.task == "classes":
            expected = share * data.targets[sorted(free)].sum(0)
            np.testing.assert_allclose(data.targets[sorted(kept)].sum(0), expected, atol=0.5)
        assert smaller is None or smaller < kept
        assert with_share(data, share).fingerprint == part.fingerprint
        smaller = kept
    assert smaller == free


def test_every_class_keeps_three_rows_in_a_small_share():
    part = with_share(with_outer(DATA["table"], 0), 0.001)

    train_and_validation = np.setdiff1d(np.arange(len(part.inputs)), part.test_rows)
    agrees(part.targets[train_and_validation].sum(0), torch.tensor([3.0, 3.0, 3.0]), rtol=0)
    assert all(len(rows) for rows in split(part, 0))


def test_a_share_of_grouped_rows_is_whole_groups_never_in_two_parts(grouped):
    data = with_outer(grouped, 0)
    outer = set(data.groups[data.test_rows].tolist())

    smaller = set()
    for share in (0.5, 0.75):
        part = with_share(data, share)
        chosen = set(part.groups.tolist()) - outer
        for group in chosen:
            assert int((part.groups == group).sum()) == int((data.groups == group).sum())
        assert smaller <= chosen
        smaller = chosen
        train, validation, test = split(part, 4)
        agrees(part.inputs[test].nan_to_num(), data.inputs[data.test_rows].nan_to_num())
        groups = [set(part.groups[rows].tolist()) for rows in (train, validation, test)]
        assert sum(map(len, groups)) == len(set.union(*groups))


def test_a_share_of_rows_in_time_leaves_what_chooses_and_what_judges(tmp_path):
    place = np.random.default_rng(3).permutation(178)
    wine().with_columns(pl.Series("when", place)).write_csv(tmp_path / "wine.csv")
    data = load_table(tmp_path / "wine.csv", target="kind", time="when")

    part = with_share(data, 0.5)

    for mine, its in zip(split(part, 0)[1:], split(data, 0)[1:], strict=True):
        agrees(part.inputs[mine].nan_to_num(), data.inputs[its].nan_to_num())
    np.testing.assert_allclose(len(split(part, 0).train), 0.5 * len(split(data, 0).train), atol=2)
