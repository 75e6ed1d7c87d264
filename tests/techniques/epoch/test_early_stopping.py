import math

import numpy as np
import pytest
from helpers import agrees, rejects

from dampen import reference
from dampen.techniques.epoch.early_stopping import EarlyStopping


def walked(technique, val_losses):
    """(epoch after which it stops, epoch whose weights are kept), None as -1, asked epoch by epoch."""
    kept, history = -1, []
    for epoch, val_loss in enumerate(val_losses):
        history.append({"val_loss": val_loss})
        decision = technique.epoch(history)
        kept = epoch if decision.keep == "best" else kept
        if decision.stop:
            return epoch, kept
    return -1, kept


def expected(*args):
    return [-1 if epoch is None else epoch for epoch in reference.early_stopping(*args)]


@pytest.mark.parametrize("warmup", [0, 3, 40])
@pytest.mark.parametrize("min_delta", [0.0, 0.05])
@pytest.mark.parametrize("patience", [1.0, 2.0, 2.5, 5.0, math.inf])
def test_it_walks_as_the_definition_walks(patience, min_delta, warmup):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        losses = (0.97 ** np.arange(30) + 0.1 * rng.standard_normal(30)).tolist()
        losses[seed] = math.nan

        agrees(
            walked(EarlyStopping(patience, min_delta, warmup), losses),
            expected(losses, patience, min_delta, warmup),
        )


def test_it_stops_after_as_many_failures_as_its_patience_and_keeps_the_best():
    losses = [1.0, 0.5, 0.6, 0.7, 0.65, 0.4]

    stopped = walked(EarlyStopping(3.0), losses)

    # Epoch 1 is the best; 2, 3 and 4 are three failures.
    agrees(stopped, (4, 1))
    agrees(stopped, expected(losses, 3.0))
    rejects(stopped, expected(losses, 2.0))


def test_the_best_weights_are_kept_also_where_training_runs_to_its_end():
    agrees(walked(EarlyStopping(10.0), [1.0, 0.5, 0.6]), (-1, 1))


def test_an_improvement_by_less_than_min_delta_is_none():
    losses = [1.0, 0.95, 0.92, 0.91]

    agrees(walked(EarlyStopping(2.0, min_delta=0.1), losses), (2, 0))
    agrees(walked(EarlyStopping(2.0, min_delta=0.01), losses), (-1, 2))


def test_min_delta_is_absolute_so_negative_losses_are_judged_alike():
    losses = [0.0, -1.0, -1.05, -1.06]

    agrees(walked(EarlyStopping(2.0, min_delta=0.1), losses), (3, 1))


def test_a_loss_that_is_not_a_number_is_no_improvement_even_at_the_start():
    agrees(walked(EarlyStopping(3.0), [math.nan] * 5), (2, -1))
    agrees(walked(EarlyStopping(3.0), [math.nan, 1.0, math.nan, math.inf, math.nan]), (4, 1))


def test_epochs_of_the_warm_up_are_not_judged():
    agrees(walked(EarlyStopping(2.0, warmup_epochs=3), [0.1, 0.2, 0.3, 0.5, 0.6, 0.7]), (5, 3))


def test_asked_twice_about_the_same_history_it_answers_the_same():
    # Nothing is counted on the side, so a resumed training loses nothing.
    technique, history = EarlyStopping(2.0), [{"val_loss": loss} for loss in (1.0, 1.1, 1.2)]

    assert technique.epoch(history) == technique.epoch(history) == EarlyStopping(2.0).epoch(list(history))
