"""How the members of a search are packed: together where that pays, alone where it does not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from searches import PACKING

from dampen import L2, BatchNorm, Dropout, Recipe
from dampen.study import packing
from dampen.study.halving import BATCH, FEW
from dampen.training.plan import Measured
from dampen.training.problem import Member
from dampen.worlds import small_problem

PROBLEM = small_problem(torch.float32, epochs=4)
CHOSEN = [(), (Dropout(0.2),), (L2(0.01),), (Dropout(0.1), L2(0.1)), (BatchNorm(),)]
MEMBERS = [Member("", Recipe(techniques), 0) for techniques in 3 * CHOSEN]
ALL = range(len(MEMBERS))


def took(lift, milliseconds, members=packing.PROBED):
    return Measured(members, lift, "float32", False, 0, milliseconds)


def packed(gain, indexes=ALL, **how):
    return dataclasses.replace(PACKING, gain=gain, **how).packs(PROBLEM, MEMBERS, list(indexes))


@pytest.mark.parametrize(
    ("loop", "vmap", "gain"),
    [
        (4.0, 4.0, 1.0),  # three more take as long as three alone
        (4.0, 2.5, 2.0),  # three more take 1.5, alone they take 3
        (4.0, 1.0, 100.0),  # they cost nothing, as far as can be measured
        (4.0, 5.5, 2 / 3),
    ],
)
def test_what_one_more_costs_by_hand(loop, vmap, gain):
    lone = took("loop", 0.1, members=1)
    later = took("vmap", 0.01)._replace(precision="bf16")
    np.testing.assert_allclose(packing._gain([took("loop", loop), lone, took("vmap", vmap), later]), gain)


def test_where_nothing_was_measured_beginning_with_a_pack_is_what_costs():
    assert packing._gain([]) == packing.TOGETHER_FROM
    assert packing._gain([took("loop", 1.0, members=1)]) == packing.TOGETHER_FROM


def test_where_it_pays_all_train_together_but_who_cannot_rest():
    packs = packed(packing.TOGETHER_FROM)

    assert len(packs) == 2, "a batch norm never rests"
    assert {pack.techniques for pack in packs} == {("Dropout", "L2"), ("BatchNorm",)}


def test_where_it_does_not_pay_everybody_trains_alone_without_what_others_use():
    packs = packed(1.4, reversed(ALL))

    assert [pack.members for pack in packs] == [(index,) for index in reversed(ALL)]
    for pack in packs:
        assert set(pack.techniques) == set(MEMBERS[pack.members[0]].recipe.active)
        assert (pack.lift, pack.threads) == ("loop", PACKING.lone.threads)


@pytest.mark.parametrize("gain", [1.0, 1.5, 3.0])
def test_everybody_is_in_one_pack_which_fits(gain):
    packs = packed(gain, [0, 3, 4, 7, 8, 11, 14], largest=2)

    assert sorted(index for pack in packs for index in pack.members) == [0, 3, 4, 7, 8, 11, 14]
    assert max(len(pack.members) for pack in packs) <= 2


def test_few_are_asked_together_where_packs_do_not_pay():
    assert dataclasses.replace(PACKING, gain=1.4).batch == FEW
    assert dataclasses.replace(PACKING, gain=packing.TOGETHER_FROM).batch == BATCH


def test_a_record_of_it_gives_it_again():
    assert packing.Packing.from_record(PACKING.to_record()) == PACKING


def test_as_many_packs_are_tried_as_there_is_time_for(monkeypatch):
    """The others count for what these took."""
    tried = []
    monkeypatch.setattr(packing, "ready", lambda _problem, _members, pack: tried.append(pack) or pack)
    monkeypatch.setattr(packing, "seconds_of", lambda pack, _count: 2.0 * len(pack.members))
    packs = packed(1.4)
    whole, _ = PACKING.probed(PROBLEM, MEMBERS, packs)
    assert len(tried) == len(packs)
    tried.clear()
    monkeypatch.setattr(packing, "PROBE_SECONDS", 0.0)

    one, setup = PACKING.probed(PROBLEM, MEMBERS, packs)

    np.testing.assert_allclose([one, whole], 30 * PROBLEM.steps_per_epoch)
    assert len(tried) == 1
    assert setup > 0
