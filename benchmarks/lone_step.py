"""Where a lone step goes: 64-128-128-10, batch 64, K = 1. Microseconds, the minimum of seven rounds; no bars."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from loops import digits_problem, our_run
from timing import machine
from torch import nn

from dampen import L2, Dropout, Recipe

REPEATS, ROUNDS = 300, 7


def microseconds(function: Callable[[], object]) -> float:
    rounds = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        for _ in range(REPEATS):
            function()
        rounds.append((time.perf_counter() - began) / REPEATS * 1e6)
    return min(rounds[1:])


def by_hand(dropout: float, l2: float) -> float:
    """Forward and gradient of a plain module, without optimizer and data."""
    noise = [nn.Dropout(dropout)] if dropout else []
    net = nn.Sequential(
        *(nn.Linear(64, 128), nn.ReLU(), *noise, nn.Linear(128, 128), nn.ReLU(), *noise), nn.Linear(128, 10)
    )
    x, y, params = torch.randn(64, 64), torch.randint(0, 10, (64,)), list(net.parameters())

    def gradient() -> object:
        loss = nn.functional.cross_entropy(net(x), y)
        if l2:
            loss = loss + l2 / 2 * sum(w.square().sum() for w in params if w.dim() > 1)
        return torch.autograd.grad(loss, params)

    return microseconds(gradient)


def main() -> None:
    machine()
    problem = digits_problem(1)
    cases = {"empty recipe": (0.0, 0.0), "dropout 0.25": (0.25, 0.0), "dropout 0.25 and L2": (0.25, 1e-4)}
    for name, (dropout, l2) in cases.items():
        techniques = ([Dropout(dropout)] if dropout else []) + ([L2(l2)] if l2 else [])
        run = our_run(problem, [Recipe(tuple(techniques))], "loop")
        run.program.forward.train()
        rows, trained, clock = run.order(0)[:, 0], run.trained(0), run.clock(0, 0)
        with torch.no_grad():
            step = microseconds(lambda: run.step(clock, run.batch(rows), trained))  # noqa: B023
            feed = microseconds(lambda: (run.batch(rows), run.words(0)))  # noqa: B023
            move = microseconds(lambda: run.pack.optimize(trained))  # noqa: B023
        hand = by_hand(dropout, l2)
        print(f"  {name:<22} step {step:6.0f}  batch {feed:4.0f}  optimizer {move:4.0f}  by hand {hand:6.0f}")


if __name__ == "__main__":
    main()
