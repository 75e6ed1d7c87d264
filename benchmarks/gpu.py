"""On a GPU: the laws, packs of 64 and 256 MLPs and 16 CNNs against one by one, keyed dropout (one kernel) against
torch's. Under eight minutes. Without a GPU it says so and exits 0."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from torch import nn

TECHNIQUE_SECONDS = 200.0
"""The laws stop after this long and say how many techniques they have reached."""


def main() -> None:
    if not torch.cuda.is_available():
        print("no GPU here: torch.cuda.is_available() is False. Nothing was measured.")
        return
    from timing import machine

    machine()
    print(torch.cuda.get_device_name())
    dropout()
    laws()
    packs()


def dropout() -> None:
    from timing import bar

    from dampen.philox import one_kernel
    from dampen.randomness import keep, make_key

    device = torch.device("cuda", torch.cuda.current_device())
    print(f"one kernel: {one_kernel(device) is not None}")
    for shape in ((128, 500), (64, 128, 500), (256, 64, 128)):
        x = torch.randn(shape, device=device, requires_grad=True)
        module, key = nn.Dropout(0.25), make_key(1, 2, device)

        def ours(x: torch.Tensor = x, key: object = key) -> torch.Tensor:
            return x * keep(key, 0.25, x.shape, x.dtype)

        def theirs(x: torch.Tensor = x, module: nn.Module = module) -> torch.Tensor:
            return module(x)

        times = {}
        for name, forward in (("torch", theirs), ("keyed", ours)):
            times[name] = milliseconds(lambda f=forward, x=x: torch.autograd.grad(f().sum(), x))
        print(f"  dropout {shape}: torch {times['torch']:.3f} ms, keyed {times['keyed']:.3f} ms")
        bar(f"gpu_keyed_dropout_{shape[0]}", times["torch"] / times["keyed"], ">=1", times["keyed"] <= times["torch"])


def laws() -> None:
    """One is many and off is off, on the GPU, in float64."""
    from dampen.laws import off_is_off, one_is_many
    from dampen.techniques import CATALOGUE

    began, done = time.perf_counter(), 0
    for technique in CATALOGUE:
        if time.perf_counter() - began > TECHNIQUE_SECONDS:
            break
        for law in (off_is_off, one_is_many):
            law(technique, device="cuda")
        done += 1
    print(f"laws on the GPU: {done} of {len(CATALOGUE)} techniques hold, {time.perf_counter() - began:.0f} s")


def packs() -> None:
    from dampen import CNN, MLP, Dropout, Recipe
    from dampen.data import load
    from dampen.training.fit import able, full_plan
    from dampen.training.measure import ready, seconds_of
    from dampen.training.problem import Member, Problem

    cases = [("MLPs", MLP(), 64, 64), ("MLPs", MLP(), 256, 64), ("CNNs", CNN((16, 32)), 16, 64)]
    for name, model, count, batch in cases:
        problem = Problem(load("digits"), model, epochs=40, batch_size=batch, device=torch.device("cuda"))
        ability = able(problem)
        members = [Member(str(k), Recipe((Dropout(0.1 + 0.3 * k / count),)), k) for k in range(count)]
        plan, alone = full_plan(problem, members, ability), full_plan(problem, members[:1], ability)
        with torch.no_grad():
            one = min(seconds_of(ready(problem, members[:1], alone.packs[0]), 50) for _ in range(3))
            together = sum(min(seconds_of(ready(problem, members, p), 20) for _ in range(3)) for p in plan.packs)
        print(
            f"  {count} {name}: one by one {1e3 * count * one:.1f} ms a step, packed {1e3 * together:.1f} ms,", end=""
        )
        print(f" {count * one / together:.1f} times faster\n{plan}")


def milliseconds(function: Callable[[], object]) -> float:
    for _ in range(20):
        function()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(200):
        function()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / 200 * 1e3


if __name__ == "__main__":
    sys.exit(main())
