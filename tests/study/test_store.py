"""Studies on disk are Optuna's to the last value; leases hold, and late answers are refused."""

from __future__ import annotations

import datetime
import math
import time

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from store_workers import LONG, PER_PUT, UNIT, trials_of

from dampen.errors import DampenError, NoSuchName
from dampen.study.store import LeaseLost, Store

BEGAN = datetime.datetime(2026, 7, 1, 12, 30, 15, 250_000)
SPACE = {
    "MixUp": CategoricalDistribution([False, True]),
    "MixUp.alpha": FloatDistribution(0.05, 2.0, log=True),
    "Dropout.rate": FloatDistribution(0.0, 0.8),
    "EarlyStopping.patience_epochs": IntDistribution(1, 40, log=True),
    "Cutout.size": IntDistribution(2, 16, step=2),
    "optimizer": CategoricalDistribution(["Adam", "SGD", "RMSprop"]),
}


def trial(values=(0.5,), state=TrialState.COMPLETE, chosen=(), **more):
    params = dict(chosen)
    return create_trial(
        state=state,
        values=None if values is None else list(values),
        params=params,
        distributions={name: SPACE[name] for name in params},
        **more,
    )


@pytest.fixture
def trials():
    """Of every kind that a search writes."""
    full = {
        "MixUp": True,
        "MixUp.alpha": 0.1 + 0.2,
        "Dropout.rate": 1 / 3,
        "EarlyStopping.patience_epochs": 7,
        "Cutout.size": 16,
        "optimizer": "SGD",
    }
    history = {"version": 1, "epochs": [{"val_loss": 0.1, "lr": 1e-3, "val_metric": None}], "text": "Größe ☃ \x00 '"}
    made = [
        trial(chosen=full, user_attrs={"history": history, "seconds": 1.25}, intermediate_values={3: 0.25, 9: 0.125}),
        trial((math.inf,), chosen={"MixUp": False, "optimizer": "Adam"}, system_attrs={"fixed_params": {"a": 1}}),
        trial((-math.inf,), intermediate_values={0: math.nan, 1: math.inf, 2: -math.inf, 3: 1e-300}),
        trial((1e-17,), TrialState.PRUNED, chosen={"Dropout.rate": 0.0}),
        trial(None, TrialState.PRUNED, user_attrs={"outcome": "diverged"}),
        trial(None, TrialState.FAIL),
        trial(None, TrialState.WAITING),
    ]
    for number, one in enumerate(made):
        if one.state != TrialState.WAITING:
            one.datetime_start = BEGAN + datetime.timedelta(minutes=number)
            one.datetime_complete = one.datetime_start + datetime.timedelta(seconds=1.5)
    return made


@pytest.fixture
def new_york(monkeypatch):
    """Optuna keeps times in UTC and shows local ones; on a machine in UTC nobody would see them mixed up."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def without_number(one):
    """Everything of a trial but where it stands in a database; NaN is a word, because it equals nothing."""
    steps = {step: "nan" if math.isnan(value) else value for step, value in one.intermediate_values.items()}
    attributes = (one.user_attrs, one.system_attrs)
    times = (one.datetime_start, one.datetime_complete)
    return one.state, one.values, list(one.params.items()), one.distributions, attributes, times, steps


# ------------------------------------------------------------------ Optuna's own


@pytest.mark.usefixtures("new_york")
def test_optuna_reads_exactly_what_was_written(store, storage, study, trials):
    store.claim(study, UNIT, "me", seconds=LONG)
    store.put(study, UNIT, "me", record={}, trials=trials[:3], seconds=LONG)
    store.put(study, UNIT, "me", record={}, trials=trials[3:], seconds=LONG)

    read = optuna.load_study(study_name=study, storage=storage).trials

    assert [one.number for one in read] == [*range(len(trials))]
    assert [*map(without_number, read)] == [*map(without_number, trials)]


@pytest.mark.usefixtures("new_york")
def test_what_optuna_wrote_is_read_as_optuna_reads_it(store, storage, study, trials):
    theirs = optuna.load_study(study_name=study, storage=storage)
    theirs.add_trials(trials)

    read = store.trials(study)

    assert [*map(without_number, read)] == [*map(without_number, trials)]
    assert [(one.number, one._trial_id) for one in read] == [(one.number, one._trial_id) for one in theirs.trials]


def test_optuna_goes_on_with_the_study(store, storage, study, trials):
    store.claim(study, UNIT, "me", seconds=LONG)
    store.put(study, UNIT, "me", record={}, trials=trials[:6], seconds=LONG)
    theirs = optuna.load_study(study_name=study, storage=storage)

    for value in (0.75, 2.0):
        asked = theirs.ask(SPACE)
        theirs.tell(asked, value)
    store.put(study, UNIT, "me", record={}, trials=trials[:1], seconds=LONG)

    assert [one.number for one in store.trials(study)] == [*range(9)]
    assert asked.number == 7
    assert store.trials(study)[7].value == 2.0
    assert theirs.best_trial.value == math.inf


@pytest.mark.parametrize("higher", [True, False])
def test_the_direction_is_optunas(store, storage, request, higher):
    store.create(request.node.name, higher_is_better=higher, about={})

    theirs = optuna.load_study(study_name=request.node.name, storage=storage)

    assert theirs.direction.name == ("MAXIMIZE" if higher else "MINIMIZE")


def test_what_is_known_about_a_study_is_kept_and_replaced(store, storage, study):
    store.describe(study, {"seed": 3, "best": {"recipe": "Dropout(rate=0.3)", "gain": 0.004, "text": "ü"}})
    store.describe(study, {})

    expected = {"fingerprint": "f", "seed": 3, "best": {"recipe": "Dropout(rate=0.3)", "gain": 0.004, "text": "ü"}}
    assert store.about(study) == expected
    assert optuna.load_study(study_name=study, storage=storage).user_attrs == expected


def test_a_storage_that_optuna_made_is_taken_as_it_is(tmp_path):
    path = tmp_path / "theirs.db"
    made = optuna.storages.RDBStorage(f"sqlite:///{path}")
    optuna.create_study(study_name="theirs", storage=made).add_trial(trial())
    made.engine.dispose()

    store = Store(path)

    assert store.names() == ["theirs"]
    assert [one.value for one in store.trials("theirs")] == [0.5]
    assert store.claim("theirs", UNIT, "me", seconds=LONG) is not None
    store.close()


# ------------------------------------------------------------------ studies


def test_names_are_listed_oldest_first_and_given_once(store, study):
    store.create(f"{study}, another", higher_is_better=True, about={})

    assert store.names()[-2:] == [study, f"{study}, another"]
    with pytest.raises(DampenError, match=r"is taken\. Choose another, or go on with it: --resume test_names"):
        store.create(study, higher_is_better=False, about={"seed": 9})
    assert store.about(study)["seed"] == 0


def test_an_unknown_study_is_named_with_the_nearest(store, study):
    near = study.replace("unknown", "unknwon")
    calls = [
        lambda: store.about(near),
        lambda: store.describe(near, {"a": 1}),
        lambda: store.trials(near),
        lambda: store.units(near),
        lambda: store.claim(near, UNIT, "me", seconds=LONG),
        lambda: store.put(near, UNIT, "me", record={}, seconds=LONG),
        lambda: store.renew(near, UNIT, "me", seconds=LONG),
        lambda: store.release(near, UNIT, "me"),
    ]

    for call in calls:
        with pytest.raises(NoSuchName, match="Unknown study 'test_an_unknwon_study"):
            call()


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "nul\0", "x" * 513])
def test_a_name_that_cannot_be_typed_is_refused(store, name):
    with pytest.raises(DampenError, match="must be 1 to 512 printable characters"):
        store.create(name, higher_is_better=True, about={})


def test_a_study_that_optuna_deleted_leaves_no_units_to_the_next(store, storage, study):
    store.claim(study, UNIT, "me", seconds=LONG)
    optuna.delete_study(study_name=study, storage=storage)

    store.create(study, higher_is_better=True, about={})

    assert store.units(study) == {}
    assert store.about(study) == {}


# ------------------------------------------------------------------ leases


def test_a_new_unit_is_claimed_once(store, study):
    mine = store.claim(study, UNIT, "me", seconds=LONG)

    assert (mine.owner, mine.done, mine.record) == ("me", False, {})
    assert store.claim(study, UNIT, "you", seconds=LONG) is None
    assert store.claim(study, UNIT, "me", seconds=LONG) is None
    assert store.claim(study, "confirmation", "you", seconds=LONG).owner == "you"
    found = store.units(study)
    assert {unit: one.owner for unit, one in found.items()} == {UNIT: "me", "confirmation": "you"}
    np.testing.assert_allclose(found[UNIT].seconds_left, LONG, atol=10.0)


def test_a_lease_that_ran_out_is_taken_over_and_late_answers_are_refused(store, study):
    store.claim(study, UNIT, "me", seconds=0.3)
    store.put(study, UNIT, "me", record={"rung": 1}, trials=trials_of(1), seconds=0.3)
    assert store.claim(study, UNIT, "you", seconds=LONG) is None
    time.sleep(0.4)
    assert store.units(study)[UNIT].seconds_left < 0

    yours = store.claim(study, UNIT, "you", seconds=LONG)

    assert (yours.owner, yours.record) == ("you", {"rung": 1})
    before = store.units(study)[UNIT], store.trials(study)
    with pytest.raises(LeaseLost, match="'batch 0' of the study 'test_a_lease"):
        store.put(study, UNIT, "me", record={"rung": 2}, trials=trials_of(2), seconds=LONG, done=True)
    with pytest.raises(LeaseLost):
        store.renew(study, UNIT, "me", seconds=LONG)
    store.release(study, UNIT, "me")
    after = store.units(study)[UNIT], store.trials(study)
    assert before[0]._replace(seconds_left=0) == after[0]._replace(seconds_left=0)
    assert before[1] == after[1]
    assert store.claim(study, UNIT, "me", seconds=LONG) is None


def test_a_lease_that_ran_out_is_still_ones_own_until_it_is_taken(store, study):
    store.claim(study, UNIT, "me", seconds=0.0)

    store.put(study, UNIT, "me", record={"rung": 1}, seconds=LONG)

    assert store.claim(study, UNIT, "you", seconds=LONG) is None
    assert store.units(study)[UNIT].record == {"rung": 1}


def test_a_renewed_lease_holds(store, study):
    store.claim(study, UNIT, "me", seconds=0.0)

    store.renew(study, UNIT, "me", seconds=LONG)

    assert store.claim(study, UNIT, "you", seconds=LONG) is None
    assert store.units(study)[UNIT].record == {}


def test_a_released_unit_need_not_be_waited_for(store, study):
    store.claim(study, UNIT, "me", seconds=LONG)

    store.release(study, UNIT, "me")

    assert store.claim(study, UNIT, "you", seconds=LONG).owner == "you"


def test_what_is_done_stays_done(store, study):
    store.claim(study, UNIT, "me", seconds=LONG)
    store.put(study, UNIT, "me", record={"rung": 3}, trials=trials_of(1), seconds=0.0, done=True)

    assert store.claim(study, UNIT, "you", seconds=LONG) is None
    assert store.claim(study, UNIT, "me", seconds=LONG) is None
    with pytest.raises(LeaseLost):
        store.put(study, UNIT, "me", record={}, trials=trials_of(2), seconds=LONG)
    store.release(study, UNIT, "me")
    assert store.units(study)[UNIT].done
    assert store.units(study)[UNIT].record == {"rung": 3}
    assert len(store.trials(study)) == PER_PUT


def test_a_unit_that_nobody_claimed_is_nobodys(store, study):
    with pytest.raises(LeaseLost):
        store.put(study, UNIT, "me", record={}, trials=trials_of(1), seconds=LONG)

    assert store.units(study) == {}
    assert store.trials(study) == []


@pytest.mark.parametrize("wrong", [trial((math.nan,), TrialState.PRUNED), trial(user_attrs={"loss": math.nan})])
def test_a_put_is_whole_or_nothing(store, study, wrong):
    store.claim(study, UNIT, "me", seconds=LONG)
    store.put(study, UNIT, "me", record={"rung": 1}, seconds=LONG)

    with pytest.raises(ValueError, match=r"must be a number or an infinity; got nan|not JSON compliant"):
        store.put(study, UNIT, "me", record={"rung": 2}, trials=[trial(), wrong], seconds=LONG, done=True)

    assert store.trials(study) == []
    assert store.units(study)[UNIT]._replace(seconds_left=0) == ("me", 0, False, {"rung": 1})
