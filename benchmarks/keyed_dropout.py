"""`Dropout` forward and backward against `torch.nn.Dropout`, on the CPU: x * keep(key, rate) with keyed masks."""

from __future__ import annotations

import torch
from timing import alternating, bar, machine, ratio

from dampen import At, Clock, Dropout
from dampen.contracts import with_values
from dampen.randomness import make_key

REPEATS, ROUNDS, RATE = 300, 11, 0.25


def main() -> None:
    machine()
    found = {}
    for shape in ((128, 500), (64, 128)):
        x, upstream = torch.randn(shape, requires_grad=True), torch.randn(shape)
        theirs = torch.nn.Dropout(RATE)
        ours = with_values(Dropout(RATE), {"rate": torch.tensor(RATE)})
        at, key = At(Clock(0, 1, 0, 1), None, None), make_key(1, 2) / "Dropout" / "body.1"

        def torchs(x=x, upstream=upstream, theirs=theirs) -> None:
            for _ in range(REPEATS):
                torch.autograd.grad(theirs(x), x, upstream)

        def keyed(x=x, upstream=upstream, ours=ours, at=at, key=key) -> None:
            for _ in range(REPEATS):
                torch.autograd.grad(ours.activation(x, ours.draw(x, key, at), at), x, upstream)

        print(f"{shape[0]} x {shape[1]}, {REPEATS} times forward and backward")
        times = alternating({"torch.nn.Dropout": torchs, "dampen Dropout": keyed}, ROUNDS)
        found[shape] = ratio(times, "torch.nn.Dropout", "dampen Dropout")
    bar("dropout_128x500", found[128, 500], ">=4", found[128, 500] >= 4)
    bar("dropout_64x128", found[64, 128], ">=1", found[64, 128] >= 1)


if __name__ == "__main__":
    main()
