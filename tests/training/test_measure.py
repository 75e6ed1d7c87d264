"""The plan is what a few steps of each candidate showed to be fastest, and nothing where there was nothing to gain."""

import dataclasses

import pytest
import torch
from helpers import agrees

from dampen import MLP, BatchNorm, Dropout, Recipe, compare, fit
from dampen.errors import DampenError
from dampen.training import measure
from dampen.training.fit import able, full_plan
from dampen.training.plan import Ability, Plan, make_plan, threads
from dampen.training.problem import Member, Problem
from dampen.worlds import small_data, small_problem

MEMBERS = [Member("a", Recipe((Dropout(0.2),)), seed) for seed in range(4)]
ABLE = Ability(vmap=True, torch_randomness=False, bf16=True, images=True)


def long_problem(**settings):
    return Problem(small_data(), MLP((12, 8)), epochs=60, batch_size=11, **settings)


def planned(problem, times, monkeypatch, ability=ABLE, members=MEMBERS):
    """The measured plan, where a step of a candidate takes `times(candidate)`."""
    asked = []

    def told(_problem, _members, candidates, _runs):
        asked.extend(candidates)
        return {candidate: times(candidate) for candidate in candidates}

    monkeypatch.setattr(measure, "step_times", told)
    return measure.measured_plan(problem, members, make_plan(problem, members, ability), ability), asked


def test_the_fastest_wins_step_by_step(monkeypatch):
    def times(p):
        fast = 3.0 if p.lift == "loop" else 4.0
        return fast * (0.5 if p.precision == "bf16" else 1) * (0.8 if p.channels_last else 1)

    plan, _ = planned(long_problem(), times, monkeypatch)
    (pack,) = plan.packs
    assert (pack.lift, pack.precision, pack.channels_last) == ("loop", "bf16", True)
    assert min(m.milliseconds for m in plan.measured) == pytest.approx(1200)
    assert {(m.lift, m.precision) for m in plan.measured} >= {
        ("vmap", "float32"),
        ("loop", "float32"),
        ("loop", "bf16"),
    }


def test_what_is_hardly_faster_does_not_change_the_plan(monkeypatch):
    plan, _ = planned(long_problem(), lambda p: 1.0 if p.lift == "vmap" else 0.97, monkeypatch)
    assert plan.packs[0].lift == "vmap"


def test_packs_of_one_size_share_a_measurement(monkeypatch):
    members = MEMBERS + [Member("b", Recipe(), seed) for seed in range(4)] + [Member("c", Recipe(), 9)] * 3
    plan, asked = planned(long_problem(), lambda _: 1.0, monkeypatch, members=members)
    assert {len(p.members) for p in asked} == {len(p.members) for p in plan.packs}
    assert len({p.members for p in asked}) == len({len(p.members) for p in plan.packs})


@pytest.mark.parametrize(("slower", "wanted"), [(1.1, "bf16"), (3.0, "float32")])
def test_the_precision_is_one_for_all_packs(slower, wanted, monkeypatch):
    members = MEMBERS + [Member("b", Recipe((BatchNorm(),)), seed) for seed in range(3)]

    def times(p):  # bf16 is faster for the four and slower for the three
        return len(p.members) * ({4: 0.5, 3: slower}[len(p.members)] if p.precision == "bf16" else 1.0)

    plan, _ = planned(long_problem(), times, monkeypatch, members=members)
    assert sorted(len(p.members) for p in plan.packs) == [3, 4]
    assert {p.precision for p in plan.packs} == {wanted}


@pytest.mark.parametrize(
    ("settings", "ability", "varies"),
    [
        ({"precision": "float32"}, ABLE, {"lift", "channels_last", "threads"}),
        ({"precision": "bf16"}, ABLE, {"lift", "channels_last", "threads"}),
        ({}, dataclasses.replace(ABLE, bf16=False),
         {"lift", "channels_last", "threads"}),
        ({}, dataclasses.replace(ABLE, vmap=False, images=False), {"precision", "threads"}),
    ],
)  # fmt: skip
def test_only_what_is_open_is_tried(settings, ability, varies, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    _, asked = planned(long_problem(**settings), lambda _: 1.0, monkeypatch, ability)
    found = {field for field in measure.HOW if len({getattr(p, field) for p in asked}) > 1}
    assert found == varies
    if settings:
        assert {p.precision for p in asked} == {settings["precision"]}


def test_short_trainings_are_planned_by_rule(monkeypatch):
    plan, asked = planned(small_problem(torch.float32), lambda _: 1.0, monkeypatch)
    assert not asked
    assert not plan.measured


def test_a_real_measurement_is_printed_and_travels():
    problem = long_problem()
    plan = full_plan(problem, MEMBERS, able(problem))
    assert {m.lift for m in plan.measured} == {"vmap", "loop"}
    assert all(m.milliseconds > 0 for m in plan.measured)
    assert Plan.from_record(plan.to_record()) == plan
    assert all(len(line) <= 80 for line in str(plan).splitlines())
    assert "ms a step" in str(plan)


def test_a_candidate_that_fails_is_left_out(monkeypatch):
    problem = long_problem()
    ready = measure.ready

    def fails(problem, members, candidate):
        if candidate.precision == "bf16":
            raise RuntimeError("expected scalar type BFloat16 but found Float")
        return ready(problem, members, candidate)

    monkeypatch.setattr(measure, "ready", fails)
    plan = full_plan(problem, MEMBERS, able(problem))
    assert {m.precision for m in plan.measured} == {"float32"}


def test_a_replayed_plan_gives_the_same_bits():
    settings = {"model": MLP((12, 8)), "data": small_data(), "seeds": 3, "epochs": 45, "batch_size": 11}
    first = compare(recipes=["Dropout"], **settings)
    again = compare(recipes=["Dropout"], plan=first.plan, **settings)
    assert again.scores == first.scores
    assert again.plan == first.plan


def test_precision_is_checked_at_the_door():
    with pytest.raises(DampenError, match=r"precision must be one of auto, float32, bf16; got 'half'\."):
        fit(MLP((8,)), small_data(), precision="half")


def test_bf16_keeps_weights_in_float32_and_comes_close():
    settings = {"epochs": 20, "batch_size": 11}
    wide = fit(MLP((12, 8)), small_data(), precision="float32", **settings)
    short = fit(MLP((12, 8)), small_data(), precision="bf16", **settings)
    assert short.plan.precision == "bf16"
    assert all(t.dtype == torch.float32 for t in short.params.values())
    agrees(short.validation["loss"], wide.validation["loss"], rtol=0.3, atol=0.05)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
