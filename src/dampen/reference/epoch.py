"""What schedules and stopping rules compute, walking through a training from its first epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence


def early_stopping(
    val_losses: Sequence[float], patience_epochs: float, min_delta: float = 0.0, warmup_epochs: int = 0
) -> tuple[int | None, int | None]:
    """stop when the last `patience_epochs` epochs all failed to bring  val_loss < best - min_delta

    An epoch that does bring it sets the new best and starts the count anew. The first `warmup_epochs` epochs
    are not judged. A loss that is not a number is not below anything, so it counts as a failure.

    val_losses: one per epoch. Returns the epoch after which training stops (None: it runs to the end) and the
    epoch whose weights are served (None: no epoch was judged a success). Both count from 0.
    Prechelt, Early Stopping - But When?, 1998, section 2.
    """
    best, best_epoch, failures = math.inf, None, 0
    for epoch, val_loss in enumerate(val_losses):
        if epoch < warmup_epochs:
            continue
        if val_loss < best - min_delta:
            best, best_epoch, failures = val_loss, epoch, 0
        else:
            failures += 1
        if failures >= patience_epochs:
            return epoch, best_epoch
    return None, best_epoch


def one_cycle(
    peak: float,
    num_steps: int,
    warmup_fraction: float = 0.3,
    start_divisor: float = 25.0,
    end_divisor: float = 1e4,
) -> list[float]:
    """peak / start_divisor  rises to  peak,  then falls to  peak / start_divisor / end_divisor

    Both ways along half a wave of a cosine, written here as start + (end - start) * sin^2(pi / 2 * share),
    where `share` of the way is done. The way up ends at step warmup_fraction * num_steps - 1, which need not
    be whole; the way down ends at the last step.

    Returns the learning rates of all steps.
    Smith and Topin, Super-Convergence, 2018, section 3; the cosine is fastai's and torch's.
    """
    first = peak / start_divisor
    last = first / end_divisor
    top = warmup_fraction * num_steps - 1
    rates = []
    for step in range(num_steps):
        if step > top:
            start, end, share = peak, last, (step - top) / (num_steps - 1 - top)
        elif top > 0:
            start, end, share = first, peak, step / top
        else:
            start, end, share = first, peak, 1.0
        rates.append(start + (end - start) * math.sin(math.pi / 2 * share) ** 2)
    return rates
