"""Where a step's time goes: every operation of the replayed step on the clock, by kind; draws docs/step.svg.
`where_time_goes.py DATA` names a folder with MNIST's IDX files."""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from loops import digits_problem
from packed_mlps import recipe
from timing import machine

from dampen import MLP, Dropout, Recipe
from dampen.data import open_data
from dampen.training import record
from dampen.training.plan import PackPlan
from dampen.training.problem import Member, Problem
from dampen.training.run import Run, start
from dampen.training.shorten import fuse, settle, shorten

KINDS = {
    "products": ("mm", "addmm", "bmm", "linear_pointwise"),
    "masks": ("keep",),
    "activations, dropout": ("relu", "threshold_backward", "mul"),
    "gradients to float32": ("copy_",),
    "sums for biases, bias": ("sum", "add"),
}
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#000000")
STEPS = 150
spent: dict[str, list[float]] = defaultdict(list)


def main() -> None:
    machine()
    mnist = open_data(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared/data/mnist")
    wide = Problem(mnist, MLP((500,) * 5), epochs=5, batch_size=128)
    dropout, sweep = Recipe((Dropout(0.25),)), [recipe(number % 32) for number in range(64)]
    cases = {
        "784-[500]x5-10, bf16": (wide, [dropout], "loop", "bf16"),
        "784-[500]x5-10, float32": (wide, [dropout], "loop", "float32"),
        "64 digits MLPs, bf16": (digits_problem(20), sweep, "vmap", "bf16"),
        "64 digits MLPs, float32": (digits_problem(20), sweep, "vmap", "float32"),
    }
    figures = {name: by_kind(*case) for name, case in cases.items()}
    for name, parts in figures.items():
        print(f"{name}: {sum(parts.values()):.2f} ms")
        print(
            "".join(f"  {kind:<24}{ms:7.2f} ms {100 * ms / sum(parts.values()):5.0f} %\n" for kind, ms in parts.items())
        )
    (Path(__file__).parents[1] / "docs/step.svg").write_text(drawn(figures))


def by_kind(problem: Problem, recipes: list[Recipe], lift: str, precision: str) -> dict[str, float]:
    """Milliseconds of a step by kind, medians."""
    record.Recording.compiled = timed  # type: ignore[method-assign]
    members = [Member(str(number), one, number) for number, one in enumerate(recipes)]
    plan = PackPlan(tuple(range(len(members))), tuple(recipes[0].named), lift, precision)
    with torch.no_grad():
        run = start(problem, members, plan, train_sample=1)
        run.replay_from = 0
        run.program.forward.train()
        steps(run, 10)
        spent.clear()
        total = statistics.median(steps(run, STEPS))
    parts = {kind: 0.0 for kind in ("products", "optimizer", "masks", *list(KINDS)[2:], "batch")}
    for name, seconds in spent.items():
        count = len(seconds) // STEPS
        each = statistics.median(sum(seconds[i * count : (i + 1) * count]) for i in range(STEPS))
        kind = name if name in parts else next((k for k, words in KINDS.items() if name in words), None)
        parts[kind or "rest"] = parts.get(kind or "rest", 0.0) + 1e3 * each
    parts["rest"] = 1e3 * total - sum(ms for kind, ms in parts.items() if kind != "rest")
    return parts


def steps(run: Run, count: int) -> list[float]:
    order, trained, seconds = run.order(0), run.trained(0), []
    optimize = run.pack.optimize
    run.pack.optimize = lambda names: clocked("optimizer", optimize, names)  # type: ignore[method-assign]
    for number in range(count):
        began = time.perf_counter()
        batch = clocked("batch", run.batch, order[:, number % order.shape[1]])
        run.step(run.clock(0, number % run.steps_per_epoch), batch, trained)
        seconds.append(time.perf_counter() - began)
    run.pack.optimize = optimize  # type: ignore[method-assign]
    return seconds


def clocked(kind: str, function: Callable[..., Any], *args: Any) -> Any:
    began = time.perf_counter()
    result = function(*args)
    spent[kind].append(time.perf_counter() - began)
    return result


def timed(self: record.Recording, num_varying: int, num_constant: int, fused: bool) -> Any:
    """`Recording.compiled` with every operation on the clock."""
    self.graph.output(tuple(self.outputs))
    if fused:
        fuse(self.graph)
    prepare = settle(self.graph, self.places[:num_varying], self.places[num_varying : num_varying + num_constant])
    shorten(self.graph)
    code = self.graph.python_code("self")
    lines = [_on_the_clock(line) for line in code.src.splitlines()]
    scope = {**code.globals, "_now": time.perf_counter, "_spent": spent}
    exec("\n".join(lines), scope)
    return lambda *leaves: scope["forward"](None, *leaves), prepare


def _on_the_clock(line: str) -> str:
    """`    x = torch.mm(a, b);  a = None` with the call timed under its last name."""
    found = re.match(r"    (\w+) = ([\w.]+)\((.*?)\);?(  .*)?$", line)
    if not found:
        return line
    name, function, arguments, rest = found.groups()
    parts = [part for part in function.split(".") if part not in ("default", "grad_input", "out", "Tensor", "Scalar")]
    kind = next((word for words in KINDS.values() for word in words if parts[-1].endswith(word)), parts[-1])
    clock = f"_spent[{kind!r}].append(_now() - _t)"
    return f"    _t = _now(); {name} = {function}({arguments}); {clock}; {(rest or '').strip()}"


def drawn(figures: dict[str, dict[str, float]]) -> str:
    """Stacked bars of shares, as SVG."""
    kinds = list(next(iter(figures.values())))
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="880" height="250" font-family="sans-serif" font-size="13">'
    ]
    lines.append('<rect width="880" height="250" fill="white"/>')
    for row, (name, parts) in enumerate(figures.items()):
        total, left, top = sum(parts.values()), 190.0, 20 + 40 * row
        lines.append(f'<text x="182" y="{top + 18}" text-anchor="end">{name}</text>')
        for colour, kind in zip(COLOURS, kinds, strict=True):
            width = 600 * max(parts[kind], 0) / total
            lines.append(f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="26" fill="{colour}"/>')
            left += width
        lines.append(f'<text x="{left + 8:.1f}" y="{top + 18}">{total:.1f} ms</text>')
    for place, (colour, kind) in enumerate(zip(COLOURS, kinds, strict=True)):
        x, y = 190 + 165 * (place % 4), 190 + 24 * (place // 4)
        lines.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
        lines.append(f'<text x="{x + 17}" y="{y + 11}">{kind}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()
