"""The figures behind the laws, per technique: how far a packed member is from the same member alone, and how far one
that rides along at off is from an empty recipe. 20 steps; the tests hold the same comparisons to their tolerances.

K = 1 and 2 take the loop by plan (the same program as alone); 7 and 64 are batched, 64 also with permuted mates.
"""

from __future__ import annotations

import torch
from timing import bar, machine

from dampen.laws import outputs_of, plan_for, stepped, varied
from dampen.presets import alone
from dampen.recipe import Recipe
from dampen.techniques import CATALOGUE
from dampen.training.plan import may_ride_along, on_device
from dampen.training.problem import Member
from dampen.worlds import problem_for

SIZES = (1, 2, 7, 64)


def apart(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return ((actual - expected).abs() / expected.abs().clamp(min=1.0)).max().item()


def packed_against_solo(declared: type, dtype: torch.dtype) -> float:
    """Worst relative difference of losses and predictions over sizes, places and a permutation."""
    problem, base, worst = problem_for(declared, dtype), alone(declared()), 0.0
    members = [Member("", varied(base, position), seed=position) for position in range(max(SIZES))]
    solo = {}
    for size in SIZES:
        orders = [list(range(size))]
        if size == max(SIZES):
            orders.append(torch.randperm(size, generator=torch.Generator().manual_seed(3)).tolist())
        for order in orders:
            run, losses = stepped(problem, [members[i] for i in order], plan_for(problem, base, size))
            outputs = outputs_of(run)
            for place in sorted({0, size // 2, size - 1}):
                member = order[place]
                if member not in solo:
                    alone_run, alone_losses = stepped(problem, [members[member]], plan_for(problem, base, 1))
                    solo[member] = alone_losses[:, 0], outputs_of(alone_run)[0]
                worst = max(worst, apart(losses[:, place], solo[member][0]), apart(outputs[place], solo[member][1]))
    return worst


def off_against_empty(declared: type, dtype: torch.dtype) -> float | None:
    """Largest absolute difference of any served weight after 20 steps; None where it may not ride along."""
    built = declared()
    if not (may_ride_along(built) and on_device(built)):
        return None
    problem, recipe = problem_for(type(built), dtype), alone(built)
    members = [Member("rests", Recipe(), 1), Member("uses", recipe, 2), Member("uses", recipe, 3)]
    riding, _ = stepped(problem, members, plan_for(problem, recipe, 3))
    empty = [Member("rests", Recipe(), seed) for seed in (1, 2, 3)]
    plain, _ = stepped(problem, empty, plan_for(problem, Recipe(), 3))
    served, expected = riding.served()[0], plain.served()[0]
    return max((served[name][0] - tensor[0]).abs().max().item() for name, tensor in expected.items())


def main() -> None:
    machine()
    print(f"{'technique':<16} {'packed f64':>11} {'packed f32':>11} {'off f64':>9} {'off f32':>9}")
    worst = {"f64": 0.0, "f32": 0.0, "off": 0.0}
    for declared in CATALOGUE:
        packed = packed_against_solo(declared, torch.float64), packed_against_solo(declared, torch.float32)
        off = off_against_empty(declared, torch.float64), off_against_empty(declared, torch.float32)
        told = ["never" if figure is None else f"{figure:.1e}" for figure in off]
        print(f"{declared.__name__:<16} {packed[0]:>11.1e} {packed[1]:>11.1e} {told[0]:>9} {told[1]:>9}")
        worst["f64"], worst["f32"] = max(worst["f64"], packed[0]), max(worst["f32"], packed[1])
        worst["off"] = max(worst["off"], *(figure or 0.0 for figure in off))
    bar("packed_is_solo_float64", worst["f64"], "<=1e-12", worst["f64"] <= 1e-12)
    bar("packed_is_solo_float32", worst["f32"], "<=1e-5", worst["f32"] <= 1e-5)
    bar("off_is_empty", worst["off"], "bit for bit", worst["off"] == 0.0)


if __name__ == "__main__":
    main()
