"""Does `diagnose` find what is wrong with a training, and keep still where nothing is?

    OMP_NUM_THREADS=1 python benchmarks/curves.py [--count 2000] [--seed 0] [--tuning] [--sheet curves.png]

The trainings are those of `tests/synthetic_histories.py`, which says what counts as true: ten kinds, a quarter of them
healthy, four noise levels. `--tuning` takes the half of every parameter's range that thresholds may be set on; the bars
are for the other half. `--sheet` draws four of each kind and noise level instead, for whoever doubts that trainings
look so.
"""

from __future__ import annotations

import argparse
import collections
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from timing import machine

from dampen.diagnosis import Finding, diagnose

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from synthetic_histories import KINDS, Case, make_cases
from synthetic_worlds import NOISE

LOWER_NOISE = [*NOISE][:2]
NEAR = 2
"""Epochs that the onset may be away from the true one."""

Scored = tuple[Case, tuple[Finding, ...]]


def share(of: Iterable[bool]) -> str:
    told = list(of)
    return f"{sum(told) / len(told):6.1%}" if told else "     -"


def kinds(findings: Iterable[Finding]) -> set[str]:
    return {finding.kind for finding in findings}


def is_found(case: Case, findings: Sequence[Finding]) -> bool:
    return bool(case.accepted & kinds(findings))


def has_high(findings: Sequence[Finding]) -> bool:
    return any(finding.severity == "high" for finding in findings)


def per_noise(head: str, scored: Sequence[Scored], holds: Callable[[Case, Sequence[Finding]], bool]) -> None:
    levels = [share(holds(*one) for one in scored if one[0].noise == noise) for noise in NOISE]
    print(f"{head:<32} {len(scored):>5}  {share(holds(*one) for one in scored)}  " + "  ".join(levels))


def print_shares(scored: Sequence[Scored]) -> None:
    ill = [one for one in scored if one[0].kind != "healthy"]
    well = [one for one in scored if one[0].kind == "healthy"]
    print(f"{'found, or one as good':<32} {'cases':>5}  {'all':>6}  " + "  ".join(f"{noise:>6}" for noise in NOISE))
    for kind in [*KINDS][1:]:
        per_noise(kind, [one for one in ill if one[0].kind == kind], is_found)
    per_noise("all of them", ill, is_found)
    print("\nfound by its own name")
    for kind in sorted({case.kind for case, _ in ill if case.accepted != {case.kind}}):
        per_noise(kind, [one for one in ill if one[0].kind == kind], lambda case, found: case.kind in kinds(found))
    print("\nhealthy")
    per_noise("a finding of high severity", well, lambda _, found: has_high(found))
    per_noise("any finding", well, lambda _, found: bool(found))


def onset_of(case: Case, findings: Sequence[Finding]) -> Finding | None:
    """The finding that says when it began."""
    return next((f for f in findings if f.kind in case.accepted and f.evidence.get("onset") is not None), None)


def is_near(case: Case, findings: Sequence[Finding]) -> bool:
    finding = onset_of(case, findings)
    return finding is not None and abs(finding.evidence["onset"] - case.onset) <= NEAR


def is_between(case: Case, findings: Sequence[Finding]) -> bool:
    finding = onset_of(case, findings)
    return finding is not None and finding.evidence["onset_low"] <= case.onset <= finding.evidence["onset_high"]


def with_onset(scored: Sequence[Scored]) -> list[Scored]:
    return [one for one in scored if one[0].onset is not None and onset_of(*one) is not None]


def print_onsets(scored: Sequence[Scored]) -> None:
    print("\nonset, of those found")
    for kind in ("overfitting", "overfitting of the loss"):
        told = [one for one in with_onset(scored) if one[0].kind == kind]
        per_noise(f"{kind}, within {NEAR}", told, is_near)
        per_noise("    within its own interval", told, is_between)


def print_confusions(scored: Sequence[Scored]) -> None:
    print("\nwhat is found in what, a training counted once per kind found")
    for kind in KINDS:
        found = [findings for case, findings in scored if case.kind == kind]
        counts = collections.Counter(name for findings in found for name in kinds(findings) or {"nothing"})
        print(f"{kind:<24} {len(found):>5}: " + ", ".join(f"{name} {count}" for name, count in counts.most_common()))


def print_bars(scored: Sequence[Scored]) -> None:
    high = [has_high(found) for case, found in scored if case.kind == "healthy"]
    true = [is_found(case, found) for case, found in scored if case.kind != "healthy"]
    near = [is_near(*one) for one in with_onset(scored) if one[0].noise in LOWER_NOISE]
    reached = {True: "reached", False: "MISSED"}
    print(f"\nhealthy, high severity   {share(high)}  at most 2 %: {reached[sum(high) <= 0.02 * len(high)]}")
    print(f"true ones found          {share(true)}  at least 85 %: {reached[sum(true) >= 0.85 * len(true)]}")
    print(f"onset within {NEAR} epochs    {share(near)}  of those found at the two lower noise levels")


def sheet(held_out: bool, seed: int, each: int = 4) -> Figure:
    """Losses (black training, red validation) and, dotted, metrics; a line where overfitting begins."""
    places: dict[tuple[str, str], list[Case]] = collections.defaultdict(list)
    for case in make_cases(40 * len(NOISE) * each, held_out, seed):
        places[case.kind, case.noise].append(case)
    figure = Figure(figsize=(2.2 * len(NOISE) * each, 1.6 * len(KINDS)), layout="constrained")
    grid = figure.subplots(len(KINDS), len(NOISE) * each)
    for row, kind in enumerate(KINDS):
        for column, axes in enumerate(grid[row]):
            case = places[kind, [*NOISE][column // each]][column % each]
            draw(axes, case)
            axes.set_title(f"{kind}, {case.noise}{'' if case.history.clean else ', not clean'}", fontsize=5, pad=2)
    return figure


def draw(axes, case: Case) -> None:
    epochs, more = range(1, len(case.history.epochs) + 1), axes.twinx()
    for part, colour in (("train", "black"), ("val", "red")):
        axes.plot(epochs, case.history.column(f"{part}_loss"), color=colour, linewidth=0.7)
        more.plot(epochs, case.history.column(f"{part}_metric"), color=colour, linewidth=0.7, linestyle=":")
    if case.onset is not None:
        axes.axvline(case.onset, color="grey", linewidth=0.5)
    for each in (axes, more):
        each.tick_params(labelsize=4, length=1, pad=1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--sheet", metavar="PNG")
    arguments = parser.parse_args()
    if arguments.sheet:
        sheet(not arguments.tuning, arguments.seed).savefig(arguments.sheet, dpi=110)
        return
    machine()
    half = "tuning" if arguments.tuning else "held-out"
    print(f"{arguments.count} trainings, seed {arguments.seed}, {half} half of every range\n")
    cases = make_cases(arguments.count, not arguments.tuning, arguments.seed)
    scored = [(case, diagnose(case.history).findings) for case in cases]
    print_shares(scored)
    print_onsets(scored)
    print_confusions(scored)
    print_bars(scored)


if __name__ == "__main__":
    main()
