"""What every benchmark shares: the machine in words, alternating runs, and the line that states a bar."""

from __future__ import annotations

import contextlib
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from dampen.cli.machine import keep_big_blocks


def machine() -> None:
    """Print where these figures come from; keep freed memory, as the command does."""
    keep_big_blocks()
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    processor = names[0].partition(": ")[2] if names else platform.processor()
    print(f"{processor}, {torch.get_num_threads()} threads, Python {platform.python_version()}, "
          f"torch {torch.__version__}, numpy {version('numpy')}, {time.strftime('%Y-%m-%d')}")  # fmt: skip


def alternating(sides: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each side, in turns, after one turn that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, side in sides.items():
            began = time.perf_counter()
            side()
            if turn:
                times[name].append(time.perf_counter() - began)
    for name, seconds in times.items():
        low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
        print(f"  {name:<44} median {1e3 * middle:10.3f} ms   min {1e3 * low:10.3f}   max {1e3 * high:10.3f}")
    return times


def elsewhere(make: Callable[..., Callable[[], None] | None], *args: Any) -> Callable[[], None] | None:
    """What `make(*args)` returns, called in a process of its own: tools that share one disturb each other's threads
    and caches. None where it returns None."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    context.Process(target=_serve, args=(there, make, args), daemon=True).start()
    if not here.recv():
        return None

    def call() -> None:
        here.send(None)
        here.recv()

    return call


def _serve(pipe: Any, make: Callable[..., Any], args: tuple[Any, ...]) -> None:
    side = make(*args)
    pipe.send(side is not None)
    with contextlib.suppress(EOFError):  # the other end is gone: done
        while side is not None:
            pipe.recv()
            side()
            pipe.send(None)


def ratio(times: dict[str, list[float]], slow: str, fast: str) -> float:
    """Median over the turns of slow / fast of the same turn."""
    return statistics.median(a / b for a, b in zip(times[slow], times[fast], strict=True))


def bar(name: str, figure: float, wanted: str, holds: bool) -> None:
    print(f"bar: {name} figure={figure:.4g} bar={wanted} {'holds' if holds else 'falls short'}")
