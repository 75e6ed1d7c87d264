"""Many networks: 64 digits MLPs as one sweep, 8 small CNNs, packs that grow from 1 to 256 members, and their memory.

The usual loop trains and looks at the validation part after every epoch, as ours does (ours looks at a training sample
as well); both sides include building the networks. `sweeps.py DATA` names a folder with MNIST's IDX files.
"""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import time
from pathlib import Path

import torch
from loops import BATCH, digits_problem, usual_loop
from packed_mlps import recipe, strengths
from timing import alternating, bar, machine, ratio

from dampen import CNN, Dropout, Recipe
from dampen.data import open_data
from dampen.data.dataset import from_arrays
from dampen.training.fit import able, fit_pack, full_plan
from dampen.training.measure import ready, seconds_of
from dampen.training.plan import Plan
from dampen.training.problem import Member, Problem

MEMBERS, EPOCHS, ROUNDS = 64, 20, 3
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def main() -> None:
    if sys.argv[1:] == ["memory"]:
        return print(memory_of_a_pack())
    machine()
    sweep()
    convolutions(sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parents[2] / "shared/data/mnist"))
    growth()
    told = subprocess.run([sys.executable, __file__, "memory"], capture_output=True, text=True, check=True).stdout
    bar("memory_of_a_pack_of_64_in_GB", float(told), "<1", float(told) < 1)


def sweep() -> None:
    problem = digits_problem(EPOCHS)
    members = [Member(str(number), recipe(number % 32), number) for number in range(MEMBERS)]
    plan = full_plan(problem, members, able(problem))
    print(f"{MEMBERS} digits MLPs, {EPOCHS} epochs, whole trainings\n{plan}")
    times = alternating(
        {
            "usual loop, one after the other": lambda: [
                usual_loop(problem, EPOCHS, **strengths(number % 32), look=True) for number in range(MEMBERS)
            ],
            "dampen": lambda: trained(problem, members, plan),
        },
        ROUNDS,
    )
    figure = ratio(times, "usual loop, one after the other", "dampen")
    bar("sweep_of_64_mlps", figure, ">=5", figure >= 5)


def convolutions(folder: str) -> None:
    data = open_data(folder)
    part = from_arrays(data.inputs[:5000].numpy(), data.targets[:5000].argmax(1).numpy())
    problem = Problem(part, CNN(), epochs=3, batch_size=128)
    members = [Member(str(seed), Recipe((Dropout(0.1 + 0.05 * seed),)), seed) for seed in range(8)]
    ability = able(problem)
    plan, alone = full_plan(problem, members, ability), full_plan(problem, members[:1], ability)
    print(f"8 CNNs on 5,000 MNIST images, 3 epochs\ntogether:\n{plan}\none by one:\n{alone}")
    times = alternating(
        {
            "one by one, the best settings for one": lambda: [trained(problem, [m], alone) for m in members],
            "as planned together": lambda: trained(problem, members, plan),
        },
        ROUNDS + 2,
    )
    figure = ratio(times, "as planned together", "one by one, the best settings for one")
    bar("sweep_of_8_cnns_over_one_by_one", figure, "<=1.03", figure <= 1.03)


def growth() -> None:
    """Milliseconds of a step per member, packs in float32 and as they are planned."""
    problem = digits_problem(EPOCHS)
    ability = able(problem)
    print("members  ms a step  us per member")
    figures = []
    for size in SIZES:
        members = [Member(str(number), recipe(number % 32), number) for number in range(size)]
        pack = full_plan(problem, members, ability).packs[0]
        count = len(pack.members)
        with torch.no_grad():
            run = ready(problem, members, pack)
            seconds = min(seconds_of(run, max(3, 120 // size)) for _ in range(9))
        figures.append(1e6 * seconds / count)
        kind = f"{pack.lift}, {pack.precision}" + ("" if count == size else f", in packs of {count}")
        print(f"{size:>7}  {1e3 * seconds:>9.3f}  {figures[-1]:>13.1f}  {kind}")
    (Path(__file__).parents[1] / "docs/growth.svg").write_text(drawn(figures))
    upto = figures[: SIZES.index(64) + 1]
    worst = max(after / before for before, after in itertools.pairwise(upto))
    bar("growth_worst_step_up_to_64", worst, "<=1.05", worst <= 1.05)


def drawn(figures: list[float]) -> str:
    """Microseconds of a step per member over the size of the pack, as SVG; both axes begin at 0 and 1, sizes double."""
    high = 100 * math.ceil(max(figures) / 100)
    places = [(70 + 60 * number, 220 - 190 * figure / high) for number, figure in enumerate(figures)]
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="280" font-family="sans-serif" font-size="13">'
    ]
    lines.append('<rect width="640" height="280" fill="white"/>')
    for value in range(0, high + 1, 100):
        y = 220 - 190 * value / high
        lines.append(f'<path d="M60 {y:.0f}H570" stroke="#dddddd"/>')
        lines.append(f'<text x="52" y="{y + 4:.0f}" text-anchor="end">{value}</text>')
    points = " ".join(f"{x},{y:.1f}" for x, y in places)
    lines.append(f'<polyline points="{points}" fill="none" stroke="#4477aa" stroke-width="2"/>')
    for size, (x, y) in zip(SIZES, places, strict=True):
        lines.append(f'<circle cx="{x}" cy="{y:.1f}" r="4" fill="#4477aa"/>')
        lines.append(f'<text x="{x}" y="242" text-anchor="middle">{size}</text>')
    lines.append('<text x="310" y="268" text-anchor="middle">members of the pack</text>')
    lines.append('<text x="60" y="18">microseconds of a step per member</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def memory_of_a_pack() -> float:
    """GB beyond what the process has before the data are read."""
    before = _most_memory()
    problem = digits_problem(3)
    members = [Member(str(number), recipe(number % 32), number) for number in range(MEMBERS)]
    trained(problem, members, full_plan(problem, members, able(problem)))
    return (_most_memory() - before) / 2**20


def _most_memory() -> int:
    """kB; of this program alone, which `getrusage` does not say of one that another has started."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def trained(problem: Problem, members: list[Member], plan: Plan) -> None:
    for pack in plan.packs:
        fit_pack(problem, members, pack)


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    if sys.argv[1:] != ["memory"]:
        print(f"{time.perf_counter() - began:.0f} s, batches of {BATCH}")
