"""Who survives a rung goes on with what it had, bit for bit, whoever it is packed with next."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from dampen import (
    EMA,
    SWA,
    Adam,
    BatchNorm,
    Dropout,
    EarlyStopping,
    LabelSmoothing,
    Lookahead,
    OneCycle,
    Recipe,
    SnapshotEnsemble,
    WeightDecay,
)
from dampen.laws import plan_for
from dampen.training.fit import fit_pack
from dampen.training.plan import Ability, make_plan
from dampen.training.problem import Member
from dampen.training.race import CUT, Race
from dampen.worlds import small_problem

EPOCHS = 6
RUNGS = (2, 4, EPOCHS)
TOLERANCE = {"rtol": 1e-12, "atol": 1e-12}
PATIENT = EarlyStopping(patience_epochs=EPOCHS)
RECIPES = [
    Recipe((Dropout(0.2), BatchNorm(), EMA(4.0), OneCycle(), PATIENT), Adam(lr=0.01)),
    Recipe((Dropout(0.1), BatchNorm(), SWA(0.3), OneCycle()), Adam(lr=0.02)),
    Recipe((BatchNorm(), WeightDecay(0.1), Lookahead(), PATIENT), Adam(lr=0.005)),
    Recipe((Dropout(0.3), BatchNorm(), SnapshotEnsemble(3)), Adam(lr=0.01)),
    Recipe((BatchNorm(), LabelSmoothing(0.1)), Adam(lr=0.03)),
    Recipe((BatchNorm(), WeightDecay(0.2), EMA(2.0)), Adam(lr=0.01)),
]
CUT_AT = {2: [4], 4: [5]}
"""Who leaves at which rung."""


def raced(problem, folder=None, watch=None):
    """Three rungs in packs of other members each time; with a folder, another race takes over at every rung."""
    members = [Member(str(place), recipe, 3) for place, recipe in enumerate(RECIPES)]
    apart = [pack for i in range(len(members)) for pack in packs_of(problem, members, [i])]
    race, gone = Race(problem, members, apart), {}
    for number, end in enumerate(RUNGS):
        race.to(end)
        gone |= race.leave(CUT_AT.get(end, []))
        packs = packs_of(problem, members, race.running, together=number == 0)
        before = standing(race)
        race.regroup(packs)
        if watch is not None:
            watch(before, standing(race))
        if folder is not None and end < EPOCHS:
            race.save(folder / str(number))
            race = Race(problem, members, packs)
            race.restore(folder / str(number), end)
    return race, gone


def packs_of(problem, members, indexes, together=True):
    """By rule, at once in one pack as far as they go together; else two and two, in another order."""
    groups = [list(indexes)] if together else [list(indexes)[::-1][:2], list(indexes)[::-1][2:]]
    packs = []
    for group in groups:
        plan = make_plan(problem, [members[i] for i in group], ABILITY, merge_below=64, riding_share=0.0)
        for pack in plan.packs:
            packs.append(dataclasses.replace(pack, members=tuple(group[p] for p in pack.members)))
    return packs


ABILITY = Ability(vmap=True, torch_randomness=False, bf16=False, images=False)


def standing(race):
    """Everything that a member takes along, by member; of techniques only those that it uses."""
    found = {}
    for training in race.trainings:
        pack = training.run.pack
        for row, index in enumerate(pack.indexes):
            active = race.members[index].recipe.active
            tensors = {"block": pack.params, "kept": pack.block.view(pack.kept), "buffers": pack.buffers}
            tensors |= {f"optimizer {name}": pack.block.view(t) for name, t in pack.optimizer_state.items()}
            tensors |= {f"state of {name}": state for name, state in pack.states.items() if name in active}
            tensors |= {"kept buffers": pack.kept_buffers, "flags": {"kept": pack.has_kept, "limit": pack.limit}}
            found[index] = {
                "tensors": {f"{group}/{n}": t[row].clone() for group, of in tensors.items() for n, t in of.items()},
                "also": list(training.also[index]),
                "plain": (training.epoch, dict(pack.steps), training.histories[index].to_record()),
            }
    return found


@pytest.fixture(scope="module")
def solo():
    """The same members, each trained alone and uncut."""
    problem = small_problem(epochs=EPOCHS)
    return [
        fit_pack(problem, [Member("", recipe, 3)], plan_for(problem, recipe, 1, lift="loop"))[0] for recipe in RECIPES
    ]


@pytest.fixture(scope="module")
def race():
    """(race, who left with which history, what everybody had before and after each rung)."""
    looked = []
    race, gone = raced(small_problem(epochs=EPOCHS), watch=lambda before, after: looked.append((before, after)))
    return race, gone, looked


def test_survivors_take_everything_along_bit_for_bit(race):
    for before, after in race[2]:
        assert before.keys() == after.keys()
        for index, had in before.items():
            assert had["tensors"].keys() == after[index]["tensors"].keys()
            torch.testing.assert_close(after[index]["tensors"], had["tensors"], rtol=0, atol=0, equal_nan=True)
            torch.testing.assert_close(after[index]["also"], had["also"], rtol=0, atol=0)
            assert after[index]["plain"] == had["plain"]
    assert [list(before) for before, _ in race[2]] == [[0, 1, 2, 3, 5], [0, 1, 2, 3], []]
    (first, _), (second, _), _ = race[2]
    assert all(of["tensors"]["flags/kept"] == (i in (0, 2)) for i, of in first.items()), "weights were kept by then"
    assert len(second[3]["also"]) == 2, "and snapshots"


def test_packs_were_merged_and_divided():
    """Else the other tests of this file would show little."""
    problem = small_problem(epochs=EPOCHS)
    members = [Member("", recipe, 3) for recipe in RECIPES]

    whole, halves = packs_of(problem, members, [0, 1, 2, 3, 5]), packs_of(problem, members, [0, 1, 2, 3], False)

    assert [sorted(pack.members) for pack in whole] == [[0, 1, 2, 3, 5]]
    assert [sorted(pack.members) for pack in halves] == [[2, 3], [0, 1]]


def test_a_member_of_three_rungs_is_the_one_that_trained_alone_and_uncut(race, solo):
    assert sorted(race[0].done) == [0, 1, 2, 3]
    for index, fitted in race[0].done.items():
        alone = solo[index]
        torch.testing.assert_close(fitted.params, alone.params, **TOLERANCE)
        torch.testing.assert_close(fitted.buffers, alone.buffers, **TOLERANCE)
        torch.testing.assert_close(fitted.also, alone.also, **TOLERANCE)
        torch.testing.assert_close(fitted.validation, alone.validation, **TOLERANCE)
        torch.testing.assert_close(fitted.test_rows, alone.test_rows, **TOLERANCE)
        torch.testing.assert_close(columns(fitted.history), columns(alone.history), **TOLERANCE)
        assert fitted.history.outcome == "finished"


def test_in_float32_it_is_the_same_up_to_rounding():
    problem = small_problem(torch.float32, epochs=EPOCHS)
    raced_too, _ = raced(problem)

    for index in (0, 1):
        fitted = raced_too.done[index]
        (alone,) = fit_pack(problem, [Member("", RECIPES[index], 3)], plan_for(problem, RECIPES[index], 1, lift="loop"))
        torch.testing.assert_close(fitted.validation["loss"], alone.validation["loss"], rtol=1e-4, atol=1e-5)
        losses = [[record["val_loss"] for record in f.history.epochs] for f in (fitted, alone)]
        torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-5)


def test_a_race_that_is_taken_up_at_every_rung_ends_in_the_same_bits(race, tmp_path):
    whole, gone, _ = race

    resumed, gone_too = raced(small_problem(epochs=EPOCHS), folder=tmp_path)

    assert sorted(resumed.done) == sorted(whole.done)
    for index, fitted in whole.done.items():
        ours = resumed.done[index]
        torch.testing.assert_close(ours.params, fitted.params, rtol=0, atol=0)
        torch.testing.assert_close(ours.buffers, fitted.buffers, rtol=0, atol=0)
        torch.testing.assert_close(ours.also, fitted.also, rtol=0, atol=0)
        assert columns(ours.history) == columns(fitted.history)
        assert ours.test == fitted.test
    assert {i: columns(h) for i, h in gone_too.items()} == {i: columns(h) for i, h in gone.items()}


def test_who_is_cut_leaves_its_history_and_nobody_else_is_touched(race, solo):
    gone = race[1]

    assert {index: (h.outcome, len(h.epochs)) for index, h in gone.items()} == {4: (CUT, 2), 5: (CUT, 4)}
    for index, history in gone.items():
        uncut = columns(solo[index].history)
        torch.testing.assert_close(
            columns(history), {n: c[: len(history.epochs)] for n, c in uncut.items()}, **TOLERANCE
        )


def test_scores_at_a_rung_are_of_what_would_be_handed_over():
    """With the weights of its best epoch where a technique keeps them: as in a training that ends there."""
    problem, short = small_problem(epochs=EPOCHS), small_problem(epochs=3)
    recipe = Recipe((Dropout(0.2), EarlyStopping(patience_epochs=EPOCHS)), Adam(lr=0.1))
    member = Member("", recipe, 1)
    race = Race(problem, [member], [plan_for(problem, recipe, 1, lift="loop")])

    race.to(3, arrived=(scores := {}).update)
    (ended,) = fit_pack(short, [member], plan_for(short, recipe, 1, lift="loop"))

    torch.testing.assert_close(scores[0], ended.validation, **TOLERANCE)
    losses = [record["val_loss"] for record in ended.history.epochs]
    torch.testing.assert_close(ended.validation["loss"], min(losses))


def test_a_pack_that_all_stay_in_goes_on_with_its_recordings():
    problem = small_problem(epochs=4)
    members = [Member("", Recipe((), Adam(lr=0.01)), seed) for seed in range(3)]
    packs = [packs_of(problem, members, [index])[0] for index in range(3)]
    race = Race(problem, members, packs)
    race.to(2)
    first, _, third = race.trainings
    race.leave([1])

    race.regroup([packs[2], packs[0]])
    assert race.trainings[0] is third
    assert race.trainings[1] is first
    race.regroup(packs_of(problem, members, [0, 2]))
    assert not {first, third} & set(race.trainings)
    race.to(4)

    alone = Race(problem, members, packs[:1])
    alone.to(4)
    torch.testing.assert_close(race.done[0].params, alone.done[0].params, **TOLERANCE)


def test_watchers_hear_of_every_epoch_how_many_were_in_it():
    problem = small_problem(epochs=4)
    members = [Member("", Recipe((), Adam(lr=0.01)), seed) for seed in range(3)]
    race, heard = Race(problem, members, packs_of(problem, members, range(3))), []

    race.to(2, lambda count, seconds: heard.append((count, seconds > 0)))
    race.leave([1])
    race.to(4, lambda count, seconds: heard.append((count, seconds > 0)))

    assert heard == [(3, True)] * 2 + [(2, True)] * 2
    assert race.leave_done().keys() == {0, 2}
    assert race.running == []


@pytest.mark.parametrize(
    "world", ["blobs", "blobs, convolutions", "columns", "waves", "words, transformer", "words, lstm"]
)
def test_a_blind_race_has_no_test_part_whatever_the_network(world):
    import dataclasses

    problem = dataclasses.replace(small_problem(torch.float32, epochs=2, world=world), blind=True)
    race = Race(problem, [Member("", Recipe(), 0)], [plan_for(problem, Recipe(), 1, lift="loop")])

    race.to(2)

    assert race.done[0].test == {}
    assert race.done[0].test_rows.tolist() == []
    assert set(race.done[0].validation) == {"metric", "loss"}


def columns(history):
    """What was recorded, by name: lists over the epochs; seconds are of the machine."""
    return {name: [record[name] for record in history.epochs] for name in history.epochs[0] if name != "seconds"}
