"""Early stopping: end training when the validation score stops improving, and serve the best weights."""

from __future__ import annotations

import math

from ...contracts import At, Decision, structural, technique, tunable
from ...errors import DampenError


@technique
class EarlyStopping:
    """stop  when no epoch of the last patience_epochs had  val_loss < best - min_delta;  serve the best weights

    The best weights are served whatever ended the run, be it that it diverged. A validation loss that is not a number
    is no improvement. min_delta is never relative to the loss, so a loss below 0 is judged like any other: it counts
    in the loss's own units, or in standard errors that the best loss has as a mean over rows. All epochs are judged
    on the same rows, so one standard error is a large step. monitor "score" watches val_score instead, the metric
    turned so that higher is better (accuracy, as tutorials do): -val_score stands for val_loss above. Scores often
    tie, and a tie is no improvement.

    Use it wherever there is a validation part: it costs nothing and saves epochs. Give it the patience of the whole
    run beside a learning-rate schedule, which a stop would cut short.

    Prechelt, Early Stopping - But When?, 1998, section 2, in Neural Networks: Tricks of the Trade.
    """

    keeps = "best"
    patience_epochs: float = tunable(
        10.0, off=math.inf, low=1.0, search=(3.0, 30.0), meaning="epochs without improvement before it stops"
    )
    min_delta: float = tunable(0.0, low=0.0, search=(0.0, 0.01), meaning="smallest improvement that counts")
    warmup_epochs: int = structural(0, low=0, meaning="epochs at the start that are not judged")
    unit: str = structural("absolute", choices=("absolute", "standard_error"), meaning="what min_delta counts in")
    monitor: str = structural("loss", choices=("loss", "score"), meaning="what should improve: val_loss or the metric")

    def check(self, at: At) -> None:
        if self.monitor == "score" and self.unit == "standard_error":
            raise DampenError(
                "EarlyStopping.unit must be 'absolute' where monitor is 'score'; got 'standard_error'. The history "
                "holds standard errors of losses alone."
            )

    def epoch(self, history: list[dict[str, float]]) -> Decision:
        best, margin, best_epoch = math.inf, 0.0, self.warmup_epochs - 1
        for epoch, record in enumerate(history):
            value = record["val_loss"] if self.monitor == "loss" else -record["val_score"]
            if epoch >= self.warmup_epochs and value < best - margin:
                best, best_epoch = value, epoch
                margin = self.min_delta * (1.0 if self.unit == "absolute" else record["val_loss_error"])
        now = len(history) - 1
        improved = now == best_epoch and now >= self.warmup_epochs
        return Decision(stop=now - best_epoch >= self.patience_epochs, keep="best" if improved else None)
