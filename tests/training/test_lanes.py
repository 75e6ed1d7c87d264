"""Packs side by side: the same bits as one after the other, and only where it was measured to be faster."""

import dataclasses
import threading
import time

import pytest
import torch
from torch import nn

from dampen import CNN, L1, MLP, Dropout, Recipe, compare
from dampen.training import lanes
from dampen.training.fit import able, fit_pack
from dampen.training.lanes import fastest_plan, in_lanes
from dampen.training.plan import Ability, PackPlan, Plan, make_plan
from dampen.training.problem import Member, Problem
from dampen.worlds import small_data

MEMBERS = [Member(str(r), Recipe(r), seed) for r in ((), (Dropout(0.2),), (L1(1e-3),)) for seed in range(2)]
SMALL = MLP((12, 8))
LOOPS = Ability(vmap=False, torch_randomness=False, bf16=False, images=False)


def long_problem(model=SMALL, epochs=200, **settings):
    return Problem(small_data(), model, epochs=epochs, batch_size=11, precision="float32", **settings)


def plan_of(*packs, count=2):
    return Plan(tuple(packs) or (PackPlan((0,), (), "loop", threads=1),) * 2, lanes=count)


# ------------------------------------------------------------------ jobs in lanes


def test_as_many_jobs_run_at_once_as_there_are_lanes_and_news_come_to_the_caller():
    running, most, heard, where = [], [], [], []

    def job(number, tell):
        running.append(number)
        most.append(len(running))
        tell("begun", number)
        time.sleep(0.05)
        where.append(threading.get_ident())
        running.remove(number)

    def tell(number, word, same):
        heard.append((number, word, same))
        assert threading.get_ident() == here

    here = threading.get_ident()
    jobs = [lambda tell, number=number: job(number, tell) for number in range(5)]
    in_lanes(jobs, plan_of(), tell)
    assert max(most) == 2
    assert sorted(heard) == [(number, "begun", number) for number in range(5)]
    assert here not in where
    in_lanes(jobs, plan_of(count=1), tell)
    assert most[5:] == [1] * 5
    assert set(where[5:]) == {here}


def endless(ended):
    """A job that notes its end."""

    def job(tell):
        try:
            while True:
                time.sleep(0.005)
                tell()
        finally:
            ended.append(True)

    return job


def test_what_a_job_raises_comes_out_when_the_others_have_ended():
    ended = []

    def fails(_tell):
        time.sleep(0.02)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        in_lanes([endless(ended), fails, endless(ended)], plan_of(), lambda *_: None)
    assert ended == [True]  # the third never began


def test_what_the_caller_raises_ends_all_jobs_at_their_next_news():
    told, ended = [], []

    def interrupts(number):
        told.append(number)
        if len(told) == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_lanes([endless(ended)] * 3, plan_of(), interrupts)
    assert len(ended) == 2


def test_every_lane_begins_with_the_threads_of_its_packs():
    seen = []
    pack = PackPlan((0,), (), "loop", threads=3)
    in_lanes([lambda _tell: seen.append(torch.get_num_threads())] * 2, plan_of(pack, pack), lambda *_: None)
    assert seen == [3, 3]


def test_threads_are_as_before_also_in_the_callers_thread():
    before = torch.get_num_threads()
    pack = PackPlan((0,), (), "loop", threads=3)
    in_lanes([lambda _tell: torch.set_num_threads(2)] * 2, plan_of(pack, pack), lambda *_: None)
    assert torch.get_num_threads() == before


# ------------------------------------------------------------------ trainings in lanes


class Slow(nn.Module):
    """Draws its weights so slowly that another network is built meanwhile, where nobody prevents it."""

    def __init__(self, facts):
        super().__init__()
        self.one = nn.Linear(facts.num_inputs, 8)
        time.sleep(0.02)
        self.two = nn.Linear(8, facts.num_outputs)

    def forward(self, inputs):
        return self.two(self.one(inputs.flatten(1)).relu())


def trained(problem, plan, members=MEMBERS):
    found = {}

    def job(number, tell):
        found[number] = fit_pack(problem, members, plan.packs[number], watch=tell)

    jobs = [lambda tell, number=number: job(number, tell) for number in range(len(plan.packs))]
    in_lanes(jobs, plan, lambda *_: None)
    return [fitted for number in sorted(found) for fitted in found[number]]


@pytest.mark.parametrize("model", [MLP((12, 8)), CNN((2, 3)), Slow])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_side_by_side_comes_to_the_same_bits_as_one_after_the_other(model, precision):
    problem = long_problem(model, epochs=60)  # long enough for recordings
    packs = [
        dataclasses.replace(
            make_plan(problem, [member], LOOPS).packs[0], members=(place,), threads=1, precision=precision
        )
        for place, member in enumerate(MEMBERS)
    ]
    single, double = trained(problem, plan_of(*packs, count=1)), trained(problem, plan_of(*packs, count=3))
    for one, other in zip(single, double, strict=True):
        assert all(torch.equal(one.params[name], other.params[name]) for name in one.params)
        assert one.test == other.test
        assert [e["objective"] for e in one.history.epochs] == [e["objective"] for e in other.history.epochs]


def test_ctrl_c_between_lanes_keeps_what_is_complete():
    settings = {"model": CNN((2, 3)), "data": small_data(), "seeds": 2, "epochs": 5, "batch_size": 11}
    recipes = {"dropout": "Dropout", "l1": "L1"}
    whole = compare(recipes=recipes, with_default=False, precision="float32", **settings)
    packs = [dict(whole.plan["packs"][0], members=[place], techniques=list(CARRIED), threads=1) for place in range(6)]
    plan = {"packs": packs, "measured": [], "lanes": 2}
    told = []

    def interrupts(share, left, names):
        told.append(names)
        if names == "l1":
            raise KeyboardInterrupt

    answer = compare(recipes=recipes, with_default=False, plan=plan, watch=interrupts, **settings)
    assert answer.interrupted
    assert "baseline" in answer.scores
    assert "l1" not in answer.scores
    assert set(told) == {"baseline", "dropout", "l1"}
    replayed = compare(recipes=recipes, with_default=False, plan=plan, **settings)
    assert replayed.plan == {**plan, "packs": [dict(p, members=tuple(p["members"]), techniques=CARRIED) for p in packs]}


CARRIED = ("Dropout", "L1")


# ------------------------------------------------------------------ whether

PACKED = Plan((PackPlan((0, 1, 2, 3, 4, 5), ("Dropout", "L1"), "vmap"),))
VMAPS = dataclasses.replace(LOOPS, vmap=True)


def planned(monkeypatch, seconds, *, problem=None, members=MEMBERS, ability=LOOPS, cores=4, lifts=None):
    """(the plan, the candidates), where a step of a candidate takes `seconds(candidate)`, and of a lift `lifts[lift]`;
    `PACKED` where it stays with packs."""
    asked = []

    def times(_problem, _members, candidates):
        asked.extend(candidates)
        return [seconds(plan) for plan in candidates]

    def lift_times(_problem, _members, packs):
        return {pack: lifts[pack.lift] for pack in packs if pack.lift in lifts}

    monkeypatch.setattr(lanes, "_times", times)
    monkeypatch.setattr(lanes, "step_times", lift_times)
    monkeypatch.setattr(lanes, "measured_plan", lambda _problem, _members, plan, _ability: plan)
    monkeypatch.setattr(lanes, "full_plan", lambda *_: PACKED)
    monkeypatch.setattr(torch, "get_num_threads", lambda: cores)
    return fastest_plan(problem or long_problem(), members, ability), asked


def by_lanes(*seconds, packed=1.0):
    """seconds of 1, 2, 4 lanes."""
    return lambda plan: packed if len(plan.packs) == 1 else seconds[plan.lanes.bit_length() - 1]


def test_everybody_trains_alone_with_nothing_at_rest_in_as_many_lanes_as_are_fastest(monkeypatch):
    plan, asked = planned(monkeypatch, by_lanes(1.0, 0.6, 0.8))
    assert [candidate.lanes for candidate in asked] == [1, 1, 2, 4]  # the first is a pack
    assert [len(candidate.packs) for candidate in asked] == [1, 6, 6, 6]
    assert plan.lanes == 2
    assert [pack.members for pack in plan.packs] == [(place,) for place in range(len(MEMBERS))]
    assert [pack.techniques for pack in plan.packs] == [(), (), ("Dropout",), ("Dropout",), ("L1",), ("L1",)]
    assert {pack.threads for pack in plan.packs} == {2}
    assert "2 packs train at once" in str(plan)
    assert all(len(line) <= 80 for line in str(plan).splitlines())
    assert Plan.from_record(plan.to_record()) == plan


@pytest.mark.parametrize(
    ("seconds", "count"),
    [((1.0, 0.6, 0.62), 4), ((1.0, 1.03, 1.2), 2), ((1.0, 1.1, 1.2), 1), ((0.9, 0.9, 0.9), 4)],
)
def test_of_what_is_about_as_fast_it_takes_the_most_lanes(seconds, count, monkeypatch):
    plan, _ = planned(monkeypatch, by_lanes(*seconds))
    assert plan.lanes == count


@pytest.mark.parametrize(("packed", "stays"), [(0.75, True), (0.85, False)])
def test_packs_stay_where_their_steps_are_clearly_faster(packed, stays, monkeypatch):
    plan, _ = planned(monkeypatch, by_lanes(1.2, 1.0, 1.1, packed=packed))
    assert (plan == PACKED) == stays


def test_one_lane_has_the_threads_that_were_measured(monkeypatch):
    plan, _ = planned(monkeypatch, by_lanes(0.5, 1.0, 1.0))
    assert (plan.lanes, len(plan.packs)) == (1, 6)
    assert {pack.threads for pack in plan.packs} == {0}


@pytest.mark.parametrize(
    ("changed", "count"),
    [
        ({"cores": 1}, [1, 1]),
        ({"cores": 3}, [1, 1, 2]),
        ({"cores": 64}, [1, 1, 2, 4]),  # six members
        ({"problem": long_problem(epochs=100)}, []),  # short
        ({"members": MEMBERS[:1]}, []),
        ({"ability": dataclasses.replace(LOOPS, torch_randomness=True)}, []),
    ],
)
def test_lanes_are_tried_as_far_as_cores_and_members_reach(changed, count, monkeypatch):
    plan, asked = planned(monkeypatch, lambda _plan: 1.0, **changed)
    assert [candidate.lanes for candidate in asked] == count
    assert (plan == PACKED) == (not count)


def test_lanes_are_tried_as_far_as_memory_reaches(monkeypatch):
    problem = long_problem()
    pack = make_plan(problem, MEMBERS[:1], LOOPS).packs[0]
    weight = lanes.bytes_of_a_member(problem, MEMBERS, pack)
    monkeypatch.setattr(lanes, "free_bytes", lambda _device: 3 * weight / lanes.SHARE)
    _, asked = planned(monkeypatch, lambda _plan: 1.0, problem=problem)
    assert [plan.lanes for plan in asked] == [1, 1, 2]


@pytest.mark.parametrize(("loop", "tried"), [(1.4, True), (1.6, False), (None, False)])
def test_nobody_tries_it_where_the_batched_program_is_far_faster(loop, tried, monkeypatch):
    lifts = {"vmap": 1.0} if loop is None else {"vmap": 1.0, "loop": loop}
    plan, asked = planned(monkeypatch, by_lanes(1.0, 0.9, 0.8), ability=VMAPS, lifts=lifts)
    assert bool(asked) == tried
    assert (plan == PACKED) == (not tried)
    if tried:
        assert asked[0].packs[0].lift == "vmap"
        assert {pack.lift for pack in plan.packs} == {"loop"}


def test_a_real_choice_gives_a_plan_that_trains():
    problem = long_problem(MLP((300, 300)), epochs=170)
    plan = fastest_plan(problem, MEMBERS[:3], able(problem))
    assert sorted(place for pack in plan.packs for place in pack.members) == [0, 1, 2]
    assert [fitted.history.outcome for fitted in trained(problem, plan, MEMBERS[:3])] == ["finished"] * 3


def test_steps_of_several_lanes_are_timed():
    problem = long_problem(epochs=170)
    times = lanes._times(problem, MEMBERS, [plan_of(*ALONE, count=1), plan_of(*ALONE, count=2)])
    assert len(times) == 2
    assert all(0 < seconds < 1 for seconds in times)


ALONE = [PackPlan((0,), (), "loop", threads=1), PackPlan((1,), (), "loop", threads=1)]
