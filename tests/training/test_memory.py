"""Packs fit in memory, and training goes on where they turn out not to."""

import importlib
import subprocess
import sys
import textwrap

import pytest
import torch
from helpers import agrees

from dampen import Dropout, Recipe
from dampen.errors import DampenError
from dampen.laws import plan_for
from dampen.training import memory
from dampen.training.fit import able, fit_pack
from dampen.training.plan import make_plan
from dampen.training.problem import Member
from dampen.worlds import small_problem

fit = importlib.import_module("dampen.training.fit")  # the package has a function of that name
MEMBERS = [Member("a", Recipe((Dropout(0.2),)), seed) for seed in range(6)]


def planned(problem):
    return make_plan(problem, MEMBERS, able(problem))


def test_a_pack_is_cut_into_parts_of_nearly_the_same_size():
    (pack,) = planned(small_problem()).packs
    assert [part.members for part in memory.cut(pack, 4)] == [(0, 1), (2,), (3,), (4, 5)]
    assert memory.cut(pack, 1) == [pack]


def test_packs_that_would_not_fit_are_cut_before_training(monkeypatch):
    problem = small_problem()
    plan = planned(problem)
    one = memory.bytes_of_a_member(problem, MEMBERS, plan.packs[0])
    monkeypatch.setattr(memory, "free_bytes", lambda _: 2.5 * one / memory.SHARE)
    assert [len(pack.members) for pack in memory.fitting_plan(problem, MEMBERS, plan).packs] == [2, 2, 2]
    monkeypatch.setattr(memory, "free_bytes", lambda _: 0)
    assert [len(pack.members) for pack in memory.fitting_plan(problem, MEMBERS, plan).packs] == [1] * 6
    monkeypatch.undo()
    assert memory.fitting_plan(problem, MEMBERS, plan) == plan


def test_a_member_weighs_its_weights_and_what_a_step_makes():
    problem = small_problem()
    pack = planned(problem).packs[0]
    wide = small_problem()
    object.__setattr__(wide, "model", type(wide.model)((120, 80)))
    narrow_bytes, wide_bytes = (memory.bytes_of_a_member(p, MEMBERS, pack) for p in (problem, wide))
    weights = 64 * 120 + 120 * 80
    assert wide_bytes - narrow_bytes > 8 * 7 * weights  # five rows and Adam's two
    assert wide_bytes < 8 * 40 * weights


def test_a_long_training_weighs_no_more_than_a_short_one():
    short, long = (small_problem(epochs=epochs) for epochs in (2, 200))  # of which the long one would be recorded
    pack = planned(short).packs[0]
    assert memory.bytes_of_a_member(long, MEMBERS, pack) == memory.bytes_of_a_member(short, MEMBERS, pack)


def failing_above(limit):
    """`start` as it is where memory for more than `limit` members is missing."""
    start = fit.start

    def started(problem, members, plan, train_sample):
        if len(plan.members) > limit:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] data. DefaultCPUAllocator: can't allocate memory")
        return start(problem, members, plan, train_sample)

    return started


def test_a_pack_that_does_not_fit_trains_in_halves(monkeypatch):
    problem = small_problem()
    (pack,) = planned(problem).packs
    wanted = [fitted for half in memory.cut(pack, 2) for fitted in fit_pack(problem, MEMBERS, half)]
    told = []
    monkeypatch.setattr(fit, "start", failing_above(3))
    got = fit_pack(problem, MEMBERS, pack, watch=lambda *share: told.append(share))
    assert [fitted.member.seed for fitted in got] == [0, 1, 2, 3, 4, 5]
    assert [len(fitted.plan.members) for fitted in got] == [3] * 6
    for one, other in zip(got, wanted, strict=True):
        agrees(one.params, other.params, rtol=0, atol=0)
    assert told == sorted(told)
    assert told[-1] == (6 * problem.epochs, 6 * problem.epochs)


def test_a_half_may_lack_a_technique_of_the_whole():
    problem = small_problem()
    members = [Member("a", Recipe(), seed) for seed in range(4)] + MEMBERS[:4]
    (pack,) = make_plan(problem, members, able(problem)).packs
    first, _ = memory.cut(pack, 2)
    assert pack.techniques == ("Dropout",)
    alone = plan_for(problem, Recipe(), 4)
    for one, other in zip(fit_pack(problem, members, first), fit_pack(problem, members, alone), strict=True):
        agrees(one.params, other.params, rtol=0, atol=0)


def test_halves_are_taken_up_from_their_own_folders(monkeypatch, tmp_path):
    problem = small_problem()
    (pack,) = planned(problem).packs
    monkeypatch.setattr(fit, "start", failing_above(3))
    wanted = fit_pack(problem, MEMBERS, pack)
    assert fit_pack(problem, MEMBERS, pack, folder=tmp_path, stop_after=2) == []
    got = fit_pack(problem, MEMBERS, pack, folder=tmp_path)
    for one, other in zip(got, wanted, strict=True):
        agrees(one.params, other.params, rtol=0, atol=0)


def test_one_network_that_does_not_fit_is_an_error(monkeypatch):
    problem = small_problem()
    monkeypatch.setattr(fit, "start", failing_above(0))
    with pytest.raises(DampenError, match="must fit in memory"):
        fit_pack(problem, MEMBERS, plan_for(problem, Recipe(), 2))


def test_other_errors_are_not_taken_for_missing_memory(monkeypatch):
    def broken(*_):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(fit, "start", broken)
    problem = small_problem()
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        fit_pack(problem, MEMBERS, planned(problem).packs[0])


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space of a process")
def test_torch_is_understood_when_memory_really_runs_out():
    script = """
        import resource, torch
        from dampen.tensors import is_allocation_failure
        torch.zeros(2)
        size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + 2**28, size + 2**28))
        try:
            torch.zeros(2**29)
        except RuntimeError as error:
            print("understood" if is_allocation_failure(error) else error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "understood", done.stderr


def test_free_memory_is_a_number_of_bytes():
    assert 2**20 < memory.free_bytes(torch.device("cpu")) < 2**50
