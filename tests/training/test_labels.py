"""Labels, of which several may hold at once: loss, scores, averages, doors, commands."""

import csv

import numpy as np
import pytest
import torch
from commands import run
from sklearn.metrics import balanced_accuracy_score, hamming_loss, log_loss

from dampen import (
    MLP,
    Adam,
    DampenError,
    Dropout,
    MixUp,
    Recipe,
    augmented,
    compare,
    fit,
    greedy_ensemble,
    load_model,
    mc_dropout,
    report,
    save_model,
    temperature,
)
from dampen.data import open_data
from dampen.data.dataset import from_arrays
from dampen.data.split import split
from dampen.models.ensemble import averaged
from dampen.reporting.words import predicted
from dampen.tensors import binary_cross_entropy
from dampen.training.fit import able, fit_pack
from dampen.training.metrics import METRICS, choose
from dampen.training.plan import make_plan
from dampen.training.problem import Member, Problem

SOURCE = np.random.default_rng(0)
ROWS = 240
INPUTS = SOURCE.normal(size=(ROWS, 6)).astype(np.float32)
SCORES = INPUTS @ SOURCE.normal(size=(6, 3)) + SOURCE.normal(size=(ROWS, 3)) - np.array([0.0, 1.0, 4.0])
LABELS = SCORES > 0
NAMES, ASIDE = ("red", "round", "ripe"), ("weight", "price", "same")
HOW = {"epochs": 20, "batch_size": 32}


def data():
    return from_arrays(INPUTS, LABELS, name="fruit")


# ------------------------------------------------------------------ loss and scores


def test_the_loss_is_torchs_label_by_label():
    outputs, targets = torch.randn(9, 4, dtype=torch.float64), torch.rand(9, 4, dtype=torch.float64)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(-1)
    torch.testing.assert_close(binary_cross_entropy(outputs, targets), wanted)
    extreme = torch.tensor([[1e4, -1e4]], dtype=torch.float64)
    torch.testing.assert_close(binary_cross_entropy(extreme, (extreme > 0).double()), torch.zeros(1).double())


def scored(name):
    outputs, targets = torch.from_numpy(SCORES + SOURCE.normal(size=SCORES.shape)), torch.from_numpy(LABELS).double()
    metric = METRICS[name]
    score = metric.score(outputs[None], targets[None])[0]
    torch.testing.assert_close(metric.rows(outputs[None], targets[None]).mean(-1)[0], score)
    return score.item(), outputs.numpy()


def test_scores_are_those_of_scikit_learn():
    score, outputs = scored("label_accuracy")
    np.testing.assert_allclose(score, 1 - hamming_loss(LABELS, outputs > 0))
    score, outputs = scored("balanced_label_accuracy")
    each = [balanced_accuracy_score(LABELS[:, label], outputs[:, label] > 0) for label in range(3)]
    np.testing.assert_allclose(score, np.mean(each))
    score, outputs = scored("label_log_loss")
    shares = 1 / (1 + np.exp(-outputs))
    np.testing.assert_allclose(score, np.mean([log_loss(LABELS[:, label], shares[:, label]) for label in range(3)]))


def test_of_a_label_that_all_rows_have_the_one_side_counts():
    outputs, targets = torch.tensor([[[1.0], [-1.0], [2.0], [3.0]]]), torch.ones(1, 4, 1)
    torch.testing.assert_close(METRICS["balanced_label_accuracy"].score(outputs, targets), torch.tensor([0.75]))


def test_accuracy_is_balanced_where_a_label_is_rare_or_nearly_always_there():
    targets = torch.zeros(100, 2)
    targets[:30] = 1
    assert choose(None, "labels", targets).name == "label_accuracy"
    targets[:, 1] = 1
    targets[:5, 1] = 0
    assert choose(None, "labels", targets).name == "balanced_label_accuracy"
    with pytest.raises(DampenError, match="The metric accuracy needs classes as targets; use label_accuracy, "):
        choose("accuracy", "labels", targets)


# ------------------------------------------------------------------ several networks, several passes


def test_probabilities_are_averaged_and_a_network_may_count_more():
    outputs = torch.randn(3, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(averaged(outputs, "labels").sigmoid(), outputs.sigmoid().mean(0))
    counted = averaged(outputs, "labels", (2, 1, 1)).sigmoid()
    torch.testing.assert_close(counted, (2 * outputs[0].sigmoid() + outputs[1].sigmoid() + outputs[2].sigmoid()) / 4)
    counted = averaged(outputs, "classes", (2, 1, 1)).softmax(-1)
    torch.testing.assert_close(counted, (2 * outputs[0].softmax(-1) + outputs[1:].softmax(-1).sum(0)) / 4)
    torch.testing.assert_close(averaged(outputs, "numbers", (2, 1, 1)), (2 * outputs[0] + outputs[1] + outputs[2]) / 4)


def test_entropies_of_the_labels_are_added():
    fitted = fit(MLP((8,)), data(), "Dropout(rate=0.5)", **HOW)
    found = mc_dropout(fitted, INPUTS[:7], num_passes=6)
    shares = found.probabilities.double()
    wanted = -(shares * shares.log() + (1 - shares) * (1 - shares).log()).sum(-1)
    torch.testing.assert_close(found.entropy.double(), wanted, rtol=1e-5, atol=1e-6)
    assert bool((found.mutual_information > 0).all())
    both = augmented(fitted, INPUTS[:7], "InputNoise(stddev=0.1)", num_passes=4)
    assert both.probabilities.shape == (7, 3)


def test_a_greedy_ensemble_averages_probabilities():
    members = [fit(MLP((8,)), data(), recipe, **HOW) for recipe in (None, "Dropout(rate=0.3)", "L2(strength=0.01)")]
    found = greedy_ensemble(members, num_rounds=6)
    rows = split(members[0].problem.data, 0).validation
    x, y = torch.from_numpy(INPUTS)[rows], torch.from_numpy(LABELS)[rows].float()
    shares = sum(c * m.model()(x).sigmoid() for c, m in zip(found.counts, members, strict=True)) / sum(found.counts)
    torch.testing.assert_close(found.model(x).sigmoid(), shares)
    loss = torch.nn.functional.binary_cross_entropy(shares.double(), y.double())
    np.testing.assert_allclose(found.scores[len(found.order) - 1], loss.item(), rtol=1e-5)


def test_every_member_of_a_greedy_ensemble_counts_as_often_as_it_came_in():
    members = [fit(MLP((8,)), data(), seed=0, epochs=epochs, batch_size=32) for epochs in (1, 10, 20)]
    found = greedy_ensemble(members, num_rounds=3, num_first=3)
    rows = split(members[0].problem.data, 0).validation
    x, y = torch.from_numpy(INPUTS)[rows], torch.from_numpy(LABELS)[rows].double()
    shares = torch.stack([m.model()(x).sigmoid() for m in members]).double().mean(0)
    loss = torch.nn.functional.binary_cross_entropy(shares, y)
    np.testing.assert_allclose(found.scores[2], loss.item(), rtol=1e-5)


# ------------------------------------------------------------------ training


def test_what_is_minimised_is_that_loss():
    fitted = fit(MLP((8,)), data(), "Adam(lr=0.0)", epochs=1, batch_size=8, precision="float32")
    rows = split(fitted.problem.data, 0).train
    assert len(rows) % 8 == 0
    outputs, targets = fitted.model()(torch.from_numpy(INPUTS)[rows]), torch.from_numpy(LABELS)[rows].float()
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(outputs, targets)
    np.testing.assert_allclose(fitted.history.epochs[0]["train_loss"], wanted.item(), rtol=1e-5)


def test_a_network_learns_labels_alone_as_beside_others():
    problem = Problem(data(), MLP((16,)), precision="float32", **HOW)
    recipes = [Recipe(techniques, Adam(lr=0.01)) for techniques in ((), (Dropout(0.2),), (MixUp(),))]
    members = [Member("x", recipe, 0) for recipe in recipes]
    together = fit_pack(problem, members, make_plan(problem, members, able(problem)).packs[0])
    alone = [fit(problem.model, data(), member.recipe, precision="float32", **HOW) for member in members]
    for beside, lone in zip(together, alone, strict=True):
        np.testing.assert_allclose(beside.test["loss"], lone.test["loss"], rtol=1e-4)
    assert alone[0].problem.metric.name == "balanced_label_accuracy"
    assert alone[0].test["metric"] > 0.65


def test_who_diverged_is_worth_what_the_shares_of_the_labels_are():
    fitted = fit(MLP((16,)), data(), "Adam(lr=1e18)", metric="label_log_loss", **HOW)
    assert fitted.history.outcome == "diverged"
    parts = split(fitted.problem.data, 0)
    prior = LABELS[parts.train.numpy()].mean(0)
    wanted = [log_loss(LABELS[parts.test.numpy()][:, n], np.full(len(parts.test), prior[n])) for n in range(3)]
    np.testing.assert_allclose(fitted.test["metric"], np.mean(wanted), rtol=1e-4)


def test_a_comparison_and_its_page_speak_of_labels(tmp_path):
    answer = compare(MLP((8,)), data(), "Dropout(rate=0.2)", seeds=6, metric="label_accuracy", **HOW)
    assert answer.protocol["metric"] == "label_accuracy"
    assert predicted(answer.protocol) == "which of 3 labels each has"
    assert "acc %" in str(answer)
    report(answer, tmp_path / "page.html")
    assert "the share of all labels that the network rightly gives" in (tmp_path / "page.html").read_text()


# ------------------------------------------------------------------ doors


def test_arrays_of_several_yes_or_no_are_labels():
    for targets in (LABELS, LABELS.astype(int), torch.from_numpy(LABELS)):
        found = from_arrays(INPUTS, targets)
        assert (found.task, found.classes) == ("labels", ("0", "1", "2"))
        np.testing.assert_allclose(found.targets, LABELS)
    assert found.describe() == "arrays: 240 rows, inputs 6, 3 labels"
    assert from_arrays(INPUTS, LABELS.astype(float)).task == "numbers"


WRONG = {
    "other numbers": (LABELS + 1, "Targets of several columns must be labels, booleans or whole numbers 0 and 1, "),
    "texts": (LABELS.astype(str), "Targets of several columns must be labels, "),
    "one that all have": (LABELS | [True, False, False], "Every label must be there in at least 3 rows, one for each "),
    "one that none has": (LABELS & [True, True, False], "; label 2 is there in 0 of 240. Leave it out."),
    "one column": (LABELS[:, :1], r"Class targets must have shape \(rows,\); got \(240, 1\)."),
}


@pytest.mark.parametrize("case", WRONG)
def test_other_arrays_are_refused(case):
    targets, told = WRONG[case]
    with pytest.raises(DampenError, match=told):
        from_arrays(INPUTS, targets)


def test_the_rows_of_a_test_part_do_not_count_for_whether_a_label_can_be_learned():
    none = LABELS & [True, True, False]
    with pytest.raises(DampenError, match="label 2 is there in 0 of 240"):
        from_arrays(INPUTS, none, INPUTS, LABELS)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "fruit.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "d", "e", "f", *NAMES, "weight", "price", "same"])
        for row, has, score in zip(INPUTS, LABELS, SCORES, strict=True):
            words = [str(int(has[0])), "yes" if has[1] else "no", "TRUE" if has[2] else "False"]
            writer.writerow([*map(str, row), *words, score[0], score[1], 1])
    return path


def test_several_columns_of_a_table_are_labels_or_numbers(table):
    found = open_data(table, target=NAMES, drop=ASIDE)
    assert (found.task, found.classes) == ("labels", NAMES)
    np.testing.assert_allclose(found.targets, LABELS)
    assert found.input_shape == (6,)
    found = open_data(table, target=("weight", "price"), drop=(*NAMES, "same"))
    assert found.task == "numbers"
    np.testing.assert_allclose(found.targets, SCORES[:, :2], rtol=1e-6)
    one = open_data(table, target="red", task="labels", drop=ASIDE)
    assert (one.task, one.classes) == ("labels", ("red",))


REFUSED = {
    "one value alone": (
        ("red", "same"),
        "labels",
        "The label 'same' must hold two values, such as 0 and 1 or no and yes",
    ),
    "a number among labels": (("red", "weight"), "labels", "The label 'weight' must hold two values, such as 0 and 1 "),
    "classes": (("red", "round"), "classes", "Classes must stand in one column; got red, round. Name one of them"),
    "words as numbers": (("weight", "round"), None, "The target 'round' must hold numbers"),
    "twice": (
        ("red", "red"),
        None,
        "A column must have one use; red has two",
    ),
    "unknown": (("red", "rond"), None, "'rond'.*Did you mean 'round'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_columns_are_refused(table, case):
    target, task, told = REFUSED[case]
    with pytest.raises(DampenError, match=told):
        open_data(table, target=target, task=task)


def test_a_trained_network_says_which_labels_each_row_has(table, tmp_path):
    targets = [part for name in NAMES for part in ("--target", name)]
    drop = [part for name in ASIDE for part in ("--drop", name)]
    recipe = ["--recipe", "Dropout(rate=0.1)", "--epochs", "8", "--hidden", "16"]
    done = run(tmp_path, "train", table, *targets, *drop, *recipe, "--out", "net.safetensors")
    assert done.code == 0, done.err
    assert "3 labels" in done.out
    assert "label_log_loss" in done.out
    done = run(tmp_path, "predict", "net.safetensors", table, "--out", "told.csv")
    assert done.code == 0, done.err
    assert "any of 3 labels for each" in done.out
    trained = load_model(tmp_path / "net.safetensors")
    assert trained.classes == NAMES
    has, shares = trained.predict(table), trained.predict_proba(table)
    np.testing.assert_allclose(has, shares > 0.5)
    with (tmp_path / "told.csv").open() as file:
        told = list(csv.DictReader(file))
    assert [row["prediction"] for row in told] == ["; ".join(np.array(NAMES)[row]) for row in has]
    np.testing.assert_allclose([float(row["probability of ripe"]) for row in told], shares[:, 2], rtol=1e-6)


def test_a_temperature_is_refused(tmp_path):
    fitted = fit(MLP((8,)), data(), **HOW)
    with pytest.raises(DampenError, match="temperature needs classes as targets; this network predicts labels"):
        temperature(fitted)
    with pytest.raises(DampenError, match="A temperature needs classes as targets; this network predicts labels"):
        save_model(fitted, tmp_path / "x.safetensors", temperature=2.0)
