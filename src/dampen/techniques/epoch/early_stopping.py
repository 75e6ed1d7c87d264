"""Early stopping: end training when the validation score stops improving, and serve the best weights."""

from __future__ import annotations

import math

from ...contracts import Decision, structural, technique, tunable


@technique
class EarlyStopping:
    """stop  when no epoch of the last patience_epochs had  val_loss < best - min_delta;  serve the best weights

    The best weights are served whatever ended the run. A validation loss that is not a number is no improvement.

    Use it wherever there is a validation part: it costs nothing and saves epochs. Give it the patience of the whole
    run beside a learning-rate schedule, which a stop would cut short.

    Prechelt, Early Stopping - But When?, 1998, section 2, in Neural Networks: Tricks of the Trade.
    """

    patience_epochs: float = tunable(
        10.0, off=math.inf, low=1.0, search=(3.0, 30.0), meaning="epochs without improvement before it stops"
    )
    min_delta: float = tunable(0.0, low=0.0, search=(0.0, 0.01), meaning="smallest improvement that counts, absolute")
    warmup_epochs: int = structural(0, low=0, meaning="epochs at the start that are not judged")

    def epoch(self, history: list[dict[str, float]]) -> Decision:
        best, best_epoch = math.inf, self.warmup_epochs - 1
        for epoch, record in enumerate(history):
            if epoch >= self.warmup_epochs and record["val_loss"] < best - self.min_delta:
                best, best_epoch = record["val_loss"], epoch
        now = len(history) - 1
        improved = now == best_epoch and now >= self.warmup_epochs
        return Decision(stop=now - best_epoch >= self.patience_epochs, keep="best" if improved else None)
