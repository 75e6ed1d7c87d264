import dataclasses
import math
import random

import numpy as np
import pytest
import torch
from helpers import agrees, rejects

from dampen import SGD, Adam, DampenError, Decision, Recipe, reference, technique, tunable
from dampen.history import History
from dampen.laws import plan_for
from dampen.techniques.epoch.early_stopping import EarlyStopping
from dampen.training.fit import fit_pack
from dampen.training.problem import Member, check_fits
from dampen.worlds import small_problem


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


def test_a_step_of_less_than_a_standard_error_is_none_where_that_is_the_unit():
    losses, errors = [1.0, 0.95, 0.85, 0.84, 0.7], [0.1, 0.01, 0.04, 0.5, 0.1]
    history = [{"val_loss": loss, "val_loss_error": error} for loss, error in zip(losses, errors, strict=True)]
    technique = EarlyStopping(9.0, 1.0, unit="standard_error")

    kept = [technique.epoch(history[: epoch + 1]).keep for epoch in range(5)]

    # 0.95 is within 0.1 of 1.0, 0.84 within 0.04 of 0.85.
    assert kept == ["best", None, "best", None, "best"]


@pytest.mark.parametrize("num_errors", [0.5, 1.0])
def test_in_standard_errors_it_walks_as_the_definition_walks(num_errors):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        losses = (0.97 ** np.arange(30) + 0.1 * rng.standard_normal(30)).tolist()
        errors = (0.2 * rng.random(30)).tolist()
        history = [{"val_loss": loss, "val_loss_error": error} for loss, error in zip(losses, errors, strict=True)]
        said = asked(EarlyStopping(6.0, num_errors, unit="standard_error").epoch, history)
        stop, best = reference.early_stopping(losses, 6.0, num_errors, val_errors=errors)

        assert [epoch for epoch, (_, better) in enumerate(said) if better][-1] == best
        assert (len(said) - 1 if said[-1][0] else None) == stop


def test_by_the_score_it_walks_as_the_definition_walks_on_what_is_turned_round():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        scores = np.round(0.9 - 0.5 * 0.8 ** np.arange(30) + 0.01 * rng.standard_normal(30), 2)  # with ties
        history = [{"val_loss": -epoch, "val_score": score} for epoch, score in enumerate(scores.tolist())]
        technique = EarlyStopping(3.0, monitor="score")

        said = asked(technique.epoch, history)
        best = max((epoch for epoch, (_, better) in enumerate(said) if better), default=-1)
        end = len(said) - 1 if said[-1][0] else -1

        agrees((end, best), expected((-scores).tolist(), 3.0))
        rejects((end, best), expected([-epoch for epoch in range(30)], 3.0))


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1.0), ("log_loss", -1.0)])
def test_a_training_that_stops_by_the_score_serves_the_epoch_of_the_best_one(metric, sign):
    problem = dataclasses.replace(small_problem(epochs=12), metric=metric)
    recipe = Recipe((EarlyStopping(2.0, monitor="score"),), Adam(lr=0.3))

    (fitted,) = fit_pack(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1))

    scores = fitted.history.column("val_score")
    agrees(scores, [sign * value for value in fitted.history.column("val_metric")])
    assert fitted.history.outcome == "stopped"
    assert fitted.history.served_epoch == 1 + int(np.argmax(scores)) == len(scores) - 2
    agrees(fitted.validation["metric"], sign * max(scores), rtol=1e-9)


def test_standard_errors_are_of_losses_alone():
    problem = small_problem(epochs=2)

    with pytest.raises(DampenError, match="must be 'absolute' where monitor is 'score'; got 'standard_error'"):
        check_fits(problem, Recipe((EarlyStopping(unit="standard_error", monitor="score"),)))


# ------------------------------------------------------------------ against a state machine


class Machine:
    """The rule, told as states: waiting for judgement, then counting failures since the best epoch; stopped."""

    def __init__(self, patience, min_delta, warmup, in_errors):
        self.patience, self.min_delta, self.warmup, self.in_errors = patience, min_delta, warmup, in_errors
        self.seen, self.failures, self.threshold, self.stopped = 0, 0, None, False

    def tell(self, record):
        """After an epoch: (whether training stops, whether these weights are the best)."""
        self.seen += 1
        if self.seen <= self.warmup:
            return False, False
        if math.isnan(record["val_loss"]) or record["val_loss"] == math.inf:
            better = False
        else:
            better = self.threshold is None or record["val_loss"] < self.threshold
        if better:
            step = self.min_delta * record["val_loss_error"] if self.in_errors else self.min_delta
            self.threshold, self.failures = record["val_loss"] - step, 0
        else:
            self.failures += 1
        self.stopped = self.failures >= self.patience
        return self.stopped, better


def random_history(source):
    loss, history = source.choice([2.0, 0.0, -3.0]), []
    for _ in range(source.randrange(1, 25)):
        loss += source.gauss(-0.03, 0.1)
        shown = source.choice([math.nan, math.nan, math.inf]) if source.random() < 0.06 else loss
        history.append({"val_loss": shown, "val_loss_error": abs(source.gauss(0, 0.1))})
    return history


def random_technique(source):
    return EarlyStopping(
        source.choice([1.0, 2.0, 2.5, 3.0, 6.0, math.inf]),
        source.choice([0.0, 0.0, 0.03, 0.1, 1.0]),
        source.choice([0, 0, 1, 4, 30]),
        source.choice(["absolute", "standard_error"]),
    )


def cases(count):
    source = random.Random(11)
    return [(random_technique(source), random_history(source)) for _ in range(count)]


def told(technique, history):
    """What the machine says epoch by epoch, until it stops."""
    values = technique.patience_epochs, technique.min_delta, technique.warmup_epochs
    machine, said = Machine(*values, technique.unit == "standard_error"), []
    for record in history:
        said.append(machine.tell(record))
        if machine.stopped:
            break
    return said


def asked(epoch_hook, history):
    """What the hook says of the history so far, epoch by epoch, until it stops."""
    said = []
    for epoch in range(len(history)):
        decision = epoch_hook(history[: epoch + 1])
        said.append((decision.stop, decision.keep == "best"))
        if decision.stop:
            break
    return said


def number_of_disagreements(mutant, count=1000):
    """In how many random histories mutant(technique, history) decides otherwise than the machine."""
    return sum(
        asked(lambda known, t=technique: mutant(t, known), history) != told(technique, history)
        for technique, history in cases(count)
    )


def test_it_decides_as_the_state_machine_does_over_thousands_of_random_histories():
    assert number_of_disagreements(lambda technique, known: technique.epoch(known), 5000) == 0


def one_epoch_more(technique, known):
    return dataclasses.replace(technique, patience_epochs=technique.patience_epochs + 1).epoch(known)


def best_only_if_it_fired(technique, known):
    decision = technique.epoch(known)
    return decision._replace(keep=decision.keep if decision.stop else None)


def relative_threshold(technique, known):
    """best * (1 - min_delta), as a library had it: above the best where that is negative."""
    best, best_epoch = math.inf, technique.warmup_epochs - 1
    for epoch, record in enumerate(known):
        threshold = best if math.isinf(best) else best * (1 - technique.min_delta)
        if epoch >= technique.warmup_epochs and record["val_loss"] < threshold:
            best, best_epoch = record["val_loss"], epoch
    now = len(known) - 1
    keep = "best" if now == best_epoch and now >= technique.warmup_epochs else None
    return Decision(now - best_epoch >= technique.patience_epochs, keep)


def counter_lost_on_resume(technique, known):
    """Interrupted after every fifth epoch; only the best loss is remembered."""
    since = len(known) - 1 - (len(known) - 1) % 5
    sound = [r for r in known[technique.warmup_epochs : since] if r["val_loss"] < math.inf]
    start = [min(sound, key=lambda r: r["val_loss"])] if sound else []
    return dataclasses.replace(technique, warmup_epochs=0).epoch([*start, *known[since:]])


def nan_counts_as_better(technique, known):
    losses = [-math.inf if math.isnan(record["val_loss"]) else record["val_loss"] for record in known]
    return technique.epoch([{**record, "val_loss": loss} for record, loss in zip(known, losses, strict=True)])


def warm_up_forgotten(technique, known):
    return dataclasses.replace(technique, warmup_epochs=0).epoch(known)


def unit_forgotten(technique, known):
    return dataclasses.replace(technique, unit="absolute").epoch(known)


MUTANTS = [
    *(one_epoch_more, best_only_if_it_fired, relative_threshold, counter_lost_on_resume, nan_counts_as_better),
    *(warm_up_forgotten, unit_forgotten),
]


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_state_machine_catches_the_faults_of_peers(mutant):
    assert number_of_disagreements(mutant) > 20


def test_a_history_that_was_cut_at_any_epoch_saved_and_continued_leads_to_the_same_decisions():
    for stopping, history in cases(300):
        for cut in range(len(history)):
            read = History.from_record(History(history[:cut]).to_record()).epochs
            again = asked(lambda known, t=stopping, r=read: t.epoch((r + known[len(r) :])[: len(known)]), history)

            assert again == asked(stopping.epoch, history)


# ------------------------------------------------------------------ a negative min_delta


@technique
class Unsigned:
    """stop, with a min_delta whose sign is dropped: -0.1 is then stricter than 0. A fault of peers, 2026."""

    patience_epochs: float = tunable(2.0, low=1.0, meaning="patience")
    min_delta: float = tunable(0.0, meaning="any number")

    def epoch(self, history):
        return EarlyStopping(self.patience_epochs, abs(self.min_delta)).epoch(history)


def refusal_of_a_negative_min_delta(declared):
    try:
        declared(2.0, -0.1)
    except DampenError as error:
        return str(error)
    return "none"


def test_a_negative_min_delta_is_refused_for_it_would_tighten_or_loosen_by_surprise():
    assert refusal_of_a_negative_min_delta(EarlyStopping) == "EarlyStopping.min_delta must be at least 0; got -0.1."
    assert refusal_of_a_negative_min_delta(Unsigned) == "none"
    history = [{"val_loss": loss} for loss in (1.0, 0.95, 0.94)]
    assert Unsigned(2.0, -0.1).epoch(history).stop, "without its sign it is stricter"
    assert not EarlyStopping(2.0).epoch(history).stop


# ------------------------------------------------------------------ what serves, whatever ended the run


def finished(recipe, folder=None, seed=1, epochs=8):
    """(outcome, validation loss of the network handed over, losses of the history)."""
    problem = small_problem(epochs=epochs)
    members, plan = [Member("", recipe, seed)], plan_for(problem, recipe, 1)
    for stop_after in range(1, epochs) if folder else ():
        fit_pack(problem, members, plan, folder=folder, stop_after=stop_after)
    (fitted,) = fit_pack(problem, members, plan, folder=folder)
    rows = problem.split(seed).validation
    with torch.no_grad():
        outputs = fitted.model()(problem.feed.inputs[rows])
    handed_over = torch.nn.functional.cross_entropy(outputs, problem.targets[rows]).item()
    agrees(handed_over, fitted.validation["loss"], rtol=1e-9, atol=1e-9)
    return fitted.history.outcome, handed_over, [record["val_loss"] for record in fitted.history.epochs]


@technique
class Explodes:
    """lr <- 1e9  from the fourth epoch on. 2026."""

    def strengths(self, values, clock, history):
        return {**values, "optimizer.lr": 1e9 if clock.epoch >= 3 else values["optimizer.lr"]}


@technique
class BestIfItFired:
    """stop, and serve the best weights only then. A fault of peers, 2026."""

    patience_epochs: float = tunable(2.0, low=1.0, meaning="patience")

    def epoch(self, history):
        return best_only_if_it_fired(EarlyStopping(self.patience_epochs), history)


ENDS = {
    "stopped": ((), Adam(lr=0.3), 2.0),
    "finished": ((), Adam(lr=0.3), 100.0),
    "diverged": ((Explodes(),), SGD(lr=0.05), 100.0),
}


@pytest.mark.parametrize("interrupted", [False, True], ids=["in one go", "interrupted after every epoch"])
@pytest.mark.parametrize("end", ENDS)
def test_the_best_weights_serve_whatever_ended_the_run(end, interrupted, tmp_path):
    others, optimizer, patience = ENDS[end]

    outcome, served, losses = finished(
        Recipe((EarlyStopping(patience), *others), optimizer), tmp_path if interrupted else None
    )

    assert outcome == end
    agrees(served, min(loss for loss in losses if math.isfinite(loss)), rtol=1e-9, atol=1e-9)
    assert served != losses[-1], "the last epoch must not be the best one, or this shows nothing"


def test_the_best_weights_only_if_it_fired_is_found_out():
    outcome, served, losses = finished(Recipe((BestIfItFired(100.0),), Adam(lr=0.3)))

    assert outcome == "finished"
    rejects(served, min(losses))


@pytest.mark.parametrize("stop_after", range(1, 8))
def test_resumed_at_any_epoch_it_stops_at_the_same_one_with_the_same_weights(stop_after, tmp_path):
    problem = small_problem(epochs=8)
    members = [Member("", Recipe((EarlyStopping(2.0),), Adam(lr=0.3)), seed) for seed in range(3)]
    plan = plan_for(problem, Recipe(), 3)

    whole = fit_pack(problem, members, plan)
    fit_pack(problem, members, plan, folder=tmp_path, stop_after=stop_after)
    resumed = fit_pack(problem, members, plan, folder=tmp_path)

    for ours, expected in zip(resumed, whole, strict=True):
        assert len(ours.history.epochs) == len(expected.history.epochs)
        assert ours.history.outcome == expected.history.outcome
        torch.testing.assert_close(ours.params, expected.params, rtol=0, atol=0)
    assert len({len(fitted.history.epochs) for fitted in whole}) > 1, "they stop at different epochs"


def test_the_history_holds_the_standard_error_of_the_validation_loss():
    problem = small_problem(epochs=2)

    (fitted,) = fit_pack(problem, [Member("", Recipe(), 1)], plan_for(problem, Recipe(), 1))

    rows = problem.split(1).validation
    with torch.no_grad():
        outputs = fitted.model()(problem.feed.inputs[rows])
    of_rows = torch.nn.functional.cross_entropy(outputs, problem.targets[rows], reduction="none").numpy()
    agrees(fitted.history.epochs[-1]["val_loss_error"], of_rows.std(ddof=1) / len(rows) ** 0.5, rtol=1e-9)
