"""`compare` on real digits and on small synthetic problems: what it promises about its answer."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
import torch

import dampen
from dampen import L2, MLP, DampenError, Dropout, EarlyStopping, Recipe
from dampen.data.dataset import from_arrays
from dampen.evidence import verdict
from dampen.history import History
from dampen.study.comparison import Comparison


@pytest.fixture(scope="module")
def digits():
    """Dropout at off, and L2, on digits: two seeds more than can tell."""
    recipes = {"at off": Recipe((Dropout(rate=0.0),)), "L2": L2(1e-3)}
    return dampen.compare(data="digits", recipes=recipes, seeds=8, epochs=3)


def test_baseline_and_default_are_in_every_comparison(digits):
    assert {"baseline", "default", "at off", "L2"} == set(digits.scores)
    assert {e.recipe for e in digits.evidence} == {"default", "at off", "L2"}


def test_the_default_can_be_left_out_and_asked_for_by_name():
    settings = {"data": "digits", "seeds": 1, "epochs": 1, "with_default": False}
    assert set(dampen.compare(recipes=["L2"], **settings).scores) == {"baseline", "L2"}
    assert set(dampen.compare(recipes=["L2", "default"], **settings).scores) == {"baseline", "L2", "default"}
    assert "default" not in dampen.compare(**settings).scores


def test_a_technique_at_off_equals_the_baseline_exactly(digits):
    (at_off,) = [e for e in digits.evidence if e.recipe == "at off"]

    assert (at_off.p, at_off.effect, verdict(at_off)) == (1.0, 0.0, "no evidence")
    assert digits.scores["at off"] == digits.scores["baseline"]


def test_the_table_is_sorted_by_effect_and_fits_a_terminal(digits):
    effects = [e.effect for e in digits.evidence]

    assert effects == sorted(effects, reverse=True)
    assert max(len(line) for line in str(digits).splitlines()) <= 80


def test_the_answer_survives_strict_json(digits, tmp_path):
    digits.save(tmp_path / "answer.json")

    text = (tmp_path / "answer.json").read_text()
    record = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not strict JSON"))
    assert Comparison.from_record(record).to_record() == digits.to_record()
    assert str(Comparison.from_record(record)) == str(digits)


def test_the_record_holds_histories_protocol_plan_and_versions(digits):
    record = digits.to_record()

    assert len(record["histories"]["L2"]) == 8
    assert len(record["histories"]["L2"][0]["epochs"]) == 3
    assert record["protocol"]["tests_opened"] == 4 * 8
    assert record["versions"]["torch"] == torch.__version__
    assert sum(len(pack["members"]) for pack in record["plan"]["packs"]) == 4 * 8


def test_the_same_comparison_twice_gives_the_same_numbers():
    runs = [dampen.compare(data="digits", recipes=["Dropout"], seeds=[3, 5], epochs=2) for _ in range(2)]

    assert runs[0].scores == runs[1].scores


def test_scores_do_not_depend_on_what_a_recipe_was_compared_with(digits):
    alone = dampen.compare(data="digits", recipes={"L2": L2(1e-3)}, seeds=8, epochs=3)

    torch.testing.assert_close(
        torch.tensor(alone.scores["L2"]["loss"]), torch.tensor(digits.scores["L2"]["loss"]), rtol=1e-3, atol=1e-4
    )


def test_a_replayed_plan_gives_the_same_bits_and_one_of_other_recipes_is_refused(digits):
    recipes = {"at off": Recipe((Dropout(rate=0.0),)), "L2": L2(1e-3)}

    again = dampen.compare(data="digits", recipes=recipes, seeds=8, epochs=3, plan=digits.to_record()["plan"])

    assert again.scores == digits.scores
    with pytest.raises(DampenError, match="plan must be of the same recipes"):
        dampen.compare(data="digits", recipes={"Dropout": Dropout()}, seeds=8, epochs=3, plan=digits.plan)


def numbers(rows=120):
    source = np.random.Generator(np.random.PCG64(0))
    inputs = source.normal(size=(rows, 5)).astype(np.float32)
    return inputs, 1000 + 50 * inputs[:, 0] + source.normal(size=rows)


def test_numbers_as_targets_are_judged_by_r2_in_their_own_units():
    comparison = dampen.compare(data=numbers(), recipes=[EarlyStopping()], seeds=2, epochs=30)

    assert comparison.protocol["metric"] == "r2"
    assert min(comparison.scores["baseline"]["metric"]) > 0.5


def test_candidates_that_do_not_suit_the_problem_are_not_offered():
    comparison = dampen.compare(MLP(()), numbers(), seeds=1, epochs=1)

    offered = set(comparison.scores)
    assert not offered & {"LabelSmoothing", "FocalLoss", "RandomAffine", "BatchNorm", "Dropout", "Dropout + RDrop"}
    assert {"L1", "L2", "MixUp", "EMA"} <= offered


def test_everything_that_suits_is_compared_where_all_are_asked_for():
    comparison = dampen.compare(MLP(()), numbers(), ["all", "L2 + EMA"], seeds=1, epochs=1)

    offered = set(comparison.scores)
    assert {"ElasticNet", "ProximalL1", "Lookahead", "L2", "L2 + EMA", "baseline", "default"} <= offered
    assert not {"LabelSmoothing", "BatchNorm", "Scheduled", "Freeze"} & offered


def test_tuning_the_learning_rate_chooses_on_validation_and_opens_the_test_once_per_seed():
    comparison = dampen.compare(data="digits", recipes=["Dropout"], seeds=2, epochs=2, tune_lr=True)

    lrs = {name: recipe["optimizer"]["lr"] for name, recipe in comparison.recipes.items()}
    assert lrs["baseline"] == pytest.approx(3e-3)  # after two epochs the largest step wins
    assert comparison.protocol["tests_opened"] == 3 * 3 * 2


def test_a_fixed_test_part_is_judged_by_a_bootstrap_over_its_rows():
    digits = dampen.load("digits")
    inputs, labels = digits.inputs[:900], digits.targets[:900].argmax(1)
    data = (inputs[:600], labels[:600], inputs[600:], labels[600:])

    comparison = dampen.compare(data=data, recipes=["Dropout"], seeds=6, epochs=2)

    assert comparison.protocol["kind"] == "fixed test"
    assert {e.new_kind for e in comparison.evidence} == {"bootstrap over test rows"}


@pytest.fixture
def keyboard():
    """Ctrl-C as at a terminal: a shell that starts the tests in the background has them ignore it."""
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, old)


@pytest.mark.usefixtures("keyboard")
def test_ctrl_c_ends_with_what_is_complete():
    def interrupt(share, left, recipes):
        if "L2" in recipes and "Dropout" not in recipes:
            signal.raise_signal(signal.SIGINT)

    recipes = {"Dropout": Dropout(), "L2": L2(1e-3)}
    comparison = dampen.compare(data="digits", recipes=recipes, seeds=8, epochs=2, watch=interrupt)

    assert comparison.interrupted
    assert set(comparison.scores) == {"baseline", "default", "Dropout"}
    assert "Interrupted" in str(comparison)


def test_any_module_factory_can_be_compared_its_own_dropout_included():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 4, 3)
            self.drop = torch.nn.Dropout(0.2)
            self.out = torch.nn.Linear(4 * 6 * 6, 10)

        def forward(self, x):
            return self.out(self.drop(torch.relu(self.conv(x)).flatten(1)))

    comparison = dampen.compare(Net, "digits", ["BatchNorm", "Dropout(0.3)"], seeds=2, epochs=1)

    assert set(comparison.scores) == {"baseline", "default", "BatchNorm", "Dropout(rate=0.3)"}
    assert {pack["lift"] for pack in comparison.plan["packs"]} == {"loop"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": 0}, "seeds must be at least 1; got 0"),
        ({"seeds": [1, 1]}, "list of different ones"),
        ({"epochs": 0}, "epochs must be a whole number, at least 1; got 0"),
        ({"recipes": ["Dropuot"]}, "Did you mean 'Dropout'"),
        ({"recipes": ["Dropout(sites='body.7')"]}, "Unknown site 'body.7'"),
        ({"recipes": ["L2(layers='head') + FocalLoss + FocalLoss"]}, "both replace the criterion"),
        ({"metric": "r2"}, "needs numbers as targets"),
        ({"metric": "acuracy"}, "Did you mean 'accuracy'"),
        ({"data": "digts"}, "Did you mean 'digits'"),
        ({"model": torch.nn.Linear(64, 10)}, "must be a function that returns a fresh nn.Module"),
        ({"model": lambda: torch.nn.Linear(3, 10)}, "must take inputs of shape"),
        (
            {"model": lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 7))},
            "must return .rows, 10. for these data; got .2, 7.",
        ),
        ({"data": numbers(), "recipes": ["LabelSmoothing"]}, "LabelSmoothing needs classes as targets"),
        ({"data": numbers(), "recipes": ["RandomAffine"]}, "RandomAffine needs images"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_trained(arguments, message):
    with pytest.raises(DampenError, match=message):
        dampen.compare(**arguments)


def test_a_recipe_that_still_improves_is_marked_and_one_that_does_not_is_not():
    from dampen.study.comparison import still_improving

    falling = History([{"val_loss": 1 / (1 + epoch)} for epoch in range(20)], "finished")
    flat = History([{"val_loss": 0.5} for _ in range(20)], "finished")
    stopped = History(falling.epochs, "stopped")

    assert [still_improving(h) for h in (falling, flat, stopped)] == [True, False, False]


def test_from_arrays_gives_a_data_set_that_compare_takes_by_name_of_columns():
    data = from_arrays(np.eye(12).repeat(4, 0), np.arange(48) % 2, name="toy")

    comparison = dampen.compare(MLP((4,)), data, ["L2"], seeds=1, epochs=1)

    assert comparison.protocol["data"].startswith("toy: 48 rows")


def test_scores_stand_in_the_order_of_the_seeds_that_the_protocol_names():
    backwards = dampen.compare(data="digits", recipes=["L2"], seeds=[5, 3], epochs=1)
    forwards = dampen.compare(data="digits", recipes=["L2"], seeds=[3, 5], epochs=1)

    assert backwards.protocol["seeds"] == [3, 5]
    assert backwards.scores == forwards.scores


def test_a_shared_pretrained_body_is_the_same_for_every_recipe():
    torch.manual_seed(0)
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.ReLU())

    def network():
        return torch.nn.Sequential(body, torch.nn.Linear(16, 10))

    with_norm = dampen.compare(network, "digits", ["BatchNorm", "L2"], seeds=2, epochs=2)
    without = dampen.compare(network, "digits", ["L2"], seeds=2, epochs=2)

    assert with_norm.scores["L2"] == without.scores["L2"]
    assert body[1].bias is not None


def test_units_far_from_one_are_standardised_like_any_other():
    inputs, targets = numbers()
    usual = dampen.fit(MLP((8,)), (inputs, targets), epochs=3)
    tiny = dampen.fit(MLP((8,)), (inputs * 1e-24, targets * 1e-24), epochs=3)

    torch.testing.assert_close(tiny.test["metric"], usual.test["metric"], rtol=1e-3, atol=1e-4)


def test_a_batch_of_one_offers_no_batch_norm_and_refuses_one_that_was_asked_for():
    with pytest.raises(DampenError, match="BatchNorm needs batches of at least two rows"):
        dampen.compare(MLP((4,)), numbers(), ["BatchNorm"], seeds=1, epochs=1, batch_size=1)
