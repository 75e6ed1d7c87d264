"""32 digits MLPs (64-128-128-10, batch 64) with different dropout, L1, L2 and smoothing: as one pack, against the
usual hand-written loop one after the other; and one such MLP alone (dropout 0.25, L2) against the usual loop.

Training steps only on both sides: no evaluation, no set-up of ours, building the network within theirs.
"""

from __future__ import annotations

from loops import digits_problem, our_epochs, our_run, usual_loop
from timing import alternating, bar, machine, ratio

from dampen import L1, L2, Dropout, LabelSmoothing, Recipe

MEMBERS, EPOCHS, ROUNDS = 32, 2, 7
ALONE_EPOCHS, ALONE_ROUNDS = 8, 9


def strengths(member: int) -> dict[str, float]:
    return {
        "dropout": 0.1 + 0.4 * member / MEMBERS,
        "l1": 1e-6 * (1 + member % 8),
        "l2": 1e-5 * (1 + member % 5),
        "smoothing": 0.02 * (1 + member % 4),
    }


def recipe(member: int) -> Recipe:
    s = strengths(member)
    return Recipe((LabelSmoothing(s["smoothing"]), Dropout(s["dropout"]), L1(s["l1"]), L2(s["l2"])))


def main() -> None:
    machine()
    problem = digits_problem(EPOCHS)
    run = our_run(problem, [recipe(member) for member in range(MEMBERS)], "vmap")
    steps = EPOCHS * run.steps_per_epoch
    print(f"{MEMBERS} digits MLPs, {steps} steps each")
    times = alternating(
        {
            "usual loop, one after the other": lambda: [
                usual_loop(problem, EPOCHS, **strengths(member)) for member in range(MEMBERS)
            ],
            "dampen, one pack": lambda: our_epochs(run, EPOCHS),
        },
        ROUNDS,
    )
    pack = ratio(times, "usual loop, one after the other", "dampen, one pack")

    problem = digits_problem(ALONE_EPOCHS)
    alone = our_run(problem, [Recipe((Dropout(0.25), L2(1e-4)))], "loop")
    print(f"one digits MLP, {ALONE_EPOCHS * alone.steps_per_epoch} steps")
    times = alternating(
        {
            "usual loop": lambda: usual_loop(problem, ALONE_EPOCHS, dropout=0.25, l1=0, l2=1e-4, smoothing=0),
            "dampen, K = 1": lambda: our_epochs(alone, ALONE_EPOCHS),
        },
        ALONE_ROUNDS,
    )
    single = ratio(times, "usual loop", "dampen, K = 1")
    bar("pack_of_32", pack, ">=3", pack >= 3)
    bar("one_alone", single, ">=1", single >= 1)


if __name__ == "__main__":
    main()
