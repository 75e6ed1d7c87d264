"""784-[500]x5-10 on MNIST in bf16: a pack, alone with all threads, and side by side with one thread each, beside a step
by hand of the same products with the same fused Adam, run both ways. Milliseconds a step of one network; no bars.

    python benchmarks/lanes.py [--rounds 7] [--members 4]

The step by hand gets its batch for nothing and does not know its loss: a limit, not a rival.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from timing import alternating, machine, ratio

import dampen
from dampen.training.fit import able
from dampen.training.lanes import in_lanes
from dampen.training.measure import ready, seconds_of
from dampen.training.plan import PackPlan, Plan, make_plan, threads
from dampen.training.problem import Member, Problem

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"
WIDTHS, ROWS, STEPS = (784, 500, 500, 500, 500, 500, 10), 128, 40
GAP = 16


def by_hand() -> Callable[[int], None]:
    """Steps of one network."""
    shapes = list(zip(WIDTHS[1:], WIDTHS[:-1], strict=True))
    starts = [sum(a * b + GAP for a, b in shapes[:layer]) for layer in range(len(shapes) + 1)]
    weights, grads = 0.03 * torch.randn(starts[-1]), torch.zeros(starts[-1])
    moments = torch.zeros(2, starts[-1])
    low = weights.bfloat16()

    def of(block: torch.Tensor, layer: int) -> torch.Tensor:
        out, into = shapes[layer]
        return block[starts[layer] : starts[layer] + out * into].view(out, into)

    inputs = torch.randn(ROWS, WIDTHS[0]).bfloat16()

    def step() -> None:
        low.copy_(weights)
        seen = [inputs]
        for layer in range(len(shapes)):
            x = torch.nn.functional.linear(seen[-1], of(low, layer))
            seen.append(x if layer == len(shapes) - 1 else x.relu_())
        slope = torch.softmax(seen[-1].float(), -1).bfloat16()
        for layer in reversed(range(len(shapes))):
            of(grads, layer).copy_(slope.t() @ seen[layer])
            if layer:
                slope = (slope @ of(low, layer)).mul_(seen[layer] > 0)
        torch._fused_adam_(
            [weights], [grads], [moments[0]], [moments[1]], [], [torch.tensor(1.0)], lr=1e-3, beta1=0.9, beta2=0.999,
            weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip

    def steps(count: int) -> None:
        for _ in range(count):
            step()

    return steps


def side(jobs: list[Callable[[int], object]], count: int, lanes: int, cores: int) -> Callable[[], None]:
    """All the jobs, so many at once, with so many threads each."""
    plan = Plan((PackPlan((0,), (), "loop", threads=cores),), lanes=lanes)

    def job(steps: Callable[[int], object]) -> Callable[..., None]:
        def run(_tell: object) -> None:
            with torch.no_grad(), threads(cores):
                steps(count)

        return run

    return lambda: in_lanes([job(steps) for steps in jobs], plan, lambda *_: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="default: 7")
    parser.add_argument("--members", type=int, default=4, help="networks in all; default: 4")
    asked = parser.parse_args()
    machine()
    problem = Problem(dampen.open_data(MNIST), dampen.MLP((500,) * 5), 10, ROWS)
    members = [Member("", dampen.Recipe(), seed) for seed in range(asked.members)]
    (whole,) = make_plan(problem, members, able(problem)).packs
    whole = dataclasses.replace(whole, precision="bf16")
    lone = [dataclasses.replace(whole, members=(place,), lift="loop") for place in range(asked.members)]
    with torch.no_grad():
        packed, *alone = [ready(problem, members, pack) for pack in (whole, *lone)]
    cores = torch.get_num_threads()
    ours = [lambda count, run=run: seconds_of(run, count) for run in alone]
    hands = [by_hand() for _ in members]
    together = [lambda count: seconds_of(packed, count)]
    sides = {
        "one pack": side(together, STEPS, 1, cores),
        "one after the other": side(ours, STEPS, 1, cores),
        "side by side": side(ours, STEPS, cores, 1),
        "by hand, one after the other": side(hands, STEPS, 1, cores),
        "by hand, side by side": side(hands, STEPS, cores, 1),
    }
    times = alternating(sides, asked.rounds)
    for name, seconds in times.items():
        print(f"{name:<30} {1e3 * statistics.median(seconds) / (STEPS * asked.members):6.2f} ms a step of one network")
    for slow, fast in (("one pack", "side by side"), ("one after the other", "side by side")):
        print(f"{slow} over {fast}: {ratio(times, slow, fast):.2f}")
    print(f"side by side over the same by hand: {ratio(times, 'side by side', 'by hand, side by side'):.2f}")


if __name__ == "__main__":
    main()
