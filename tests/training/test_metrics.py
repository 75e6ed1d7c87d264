import numpy as np
import pytest
import torch
from helpers import agrees, numbers
from sklearn import metrics as sk
from sklearn.datasets import load_digits, load_linnerud

from dampen import DampenError
from dampen.training.metrics import LOSSES, METRICS, choose, right, standard_error

NUM_MEMBERS = 5
DIGITS = load_digits()


def one_hot(classes, num_classes):
    return torch.eye(num_classes, dtype=torch.float64)[torch.as_tensor(classes)]


def stack_of_guesses(classes, num_classes):
    """Outputs and targets (K, N, C) of members that are right more or less often, each on rows of its own."""
    targets = one_hot(np.stack([np.roll(classes, shift) for shift in range(NUM_MEMBERS)]), num_classes)
    skill = torch.linspace(0, 3, NUM_MEMBERS, dtype=torch.float64)[:, None, None]
    return numbers(*targets.shape, seed=1) + skill * targets, targets


def each(function, outputs, targets):
    """The oracle member by member, on class numbers."""
    pairs = zip(outputs.argmax(-1).numpy(), targets.argmax(-1).numpy(), strict=True)
    return np.array([function(true, guessed) for guessed, true in pairs])


# ------------------------------------------------------------------ classes


def test_accuracy_is_scikit_learn_s():
    outputs, targets = stack_of_guesses(DIGITS.target, 10)

    scores = METRICS["accuracy"].score(outputs, targets)

    agrees(scores, each(sk.accuracy_score, outputs, targets))
    assert len(set(scores.tolist())) == NUM_MEMBERS, "the members differ, or a mix-up would not be seen"


def test_rows_that_are_right_average_to_the_accuracy():
    outputs, targets = stack_of_guesses(DIGITS.target, 10)

    agrees(right(outputs, targets).mean(-1), METRICS["accuracy"].score(outputs, targets))
    assert right(outputs, targets).shape == targets.shape[:2]


def test_balanced_accuracy_is_scikit_learn_s():
    classes = np.repeat([0, 1, 2], [150, 40, 10])
    outputs, targets = stack_of_guesses(classes, 3)

    scores = METRICS["balanced_accuracy"].score(outputs, targets)

    agrees(scores, each(sk.balanced_accuracy_score, outputs, targets))
    plain = METRICS["accuracy"].score(outputs, targets)
    assert (scores - plain).abs().max() > 0.01, "on these classes it is another number than accuracy"


def test_a_class_that_is_absent_is_left_out_of_balanced_accuracy():
    """Guesses of the absent class are wrong ones of the classes that are there."""
    outputs, targets = stack_of_guesses(np.repeat([0, 1, 3], [50, 30, 20]), 5)

    def mean_recall(true, guessed):
        return sk.recall_score(true, guessed, labels=np.unique(true), average="macro")

    scores = METRICS["balanced_accuracy"].score(outputs, targets)

    agrees(scores, each(mean_recall, outputs, targets))
    assert (outputs.argmax(-1) == 4).any(), "absent classes are guessed too"


def test_members_may_lack_different_classes():
    targets = torch.stack([one_hot([0, 0, 1, 1], 3), one_hot([2, 1, 1, 1], 3)])
    outputs = one_hot([0, 1, 1, 1], 3).expand(2, 4, 3)

    scores = METRICS["balanced_accuracy"].score(outputs, targets)

    agrees(scores, np.array([0.75, 0.5]))


def test_log_loss_is_scikit_learn_s():
    outputs, targets = stack_of_guesses(DIGITS.target[:300], 10)

    scores = METRICS["log_loss"].score(outputs, targets)

    expected = [
        sk.log_loss(true.argmax(-1), out.softmax(-1), labels=np.arange(10))
        for out, true in zip(outputs, targets, strict=True)
    ]
    agrees(scores, np.array(expected))


def test_log_loss_of_outputs_in_the_thousands_is_finite():
    outputs = torch.tensor([[[4000.0, -4000.0]]], dtype=torch.float64)

    agrees(METRICS["log_loss"].score(outputs, one_hot([[1]], 2)), np.array([8000.0]))


def test_scores_do_not_change_when_members_are_scored_alone():
    outputs, targets = stack_of_guesses(np.repeat([0, 1, 2], [50, 30, 4]), 3)

    for name in ("accuracy", "balanced_accuracy", "log_loss"):
        together = METRICS[name].score(outputs, targets)
        alone = [METRICS[name].score(outputs[k : k + 1], targets[k : k + 1])[0] for k in range(NUM_MEMBERS)]
        agrees(together, torch.stack(alone), rtol=0, atol=0)


# ------------------------------------------------------------------ numbers


@pytest.fixture
def fitness():
    """Linnerud's real measurements: three target columns of very different spread; members of growing error."""
    targets = torch.from_numpy(load_linnerud().target).expand(NUM_MEMBERS, 20, 3)
    error = torch.linspace(0, 2, NUM_MEMBERS, dtype=torch.float64)[:, None, None]
    return targets + error * numbers(NUM_MEMBERS, 20, 3) * targets.std((0, 1)), targets


def test_r2_is_scikit_learn_s_mean_over_the_columns(fitness):
    outputs, targets = fitness

    scores = METRICS["r2"].score(outputs, targets)

    agrees(scores, np.array([sk.r2_score(t, o) for o, t in zip(outputs, targets, strict=True)]))
    agrees(scores[0], 1.0)


def test_mean_squared_error_is_scikit_learn_s(fitness):
    outputs, targets = fitness

    scores = METRICS["mse"].score(outputs, targets)

    agrees(scores, np.array([sk.mean_squared_error(t, o) for o, t in zip(outputs, targets, strict=True)]))


def test_mean_absolute_error_is_scikit_learn_s(fitness):
    outputs, targets = fitness

    scores = METRICS["mae"].score(outputs, targets)

    agrees(scores, np.array([sk.mean_absolute_error(t, o) for o, t in zip(outputs, targets, strict=True)]))
    assert len(set(scores.tolist())) == NUM_MEMBERS


def test_predicting_the_mean_has_an_r2_of_0(fitness):
    _, targets = fitness

    scores = METRICS["r2"].score(targets.mean(-2, keepdim=True).expand_as(targets), targets)

    agrees(scores, np.zeros(NUM_MEMBERS))


def test_r2_of_a_column_that_never_varies_in_this_part_is_finite(fitness):
    """A few test rows of a rare event may all be equal; scikit-learn counts such a column as 0, or 1 where exact."""
    outputs, targets = (part.clone() for part in fitness)
    targets[..., 1] = 5.0
    outputs[0, :, 1] = 5.0

    scores = METRICS["r2"].score(outputs, targets)

    agrees(scores, np.array([sk.r2_score(t, o) for o, t in zip(outputs, targets, strict=True)]))


# ------------------------------------------------------------------ which metric


def test_digits_are_judged_by_accuracy_and_numbers_by_r2():
    assert choose(None, "classes", one_hot(DIGITS.target, 10)) is METRICS["accuracy"]
    assert choose(None, "numbers", numbers(30, 1)) is METRICS["r2"]


@pytest.mark.parametrize(
    ("counts", "name"),
    [
        ((91, 9), "balanced_accuracy"),
        ((90, 10), "accuracy"),
        ((50, 50), "accuracy"),
        ((141, 140, 19), "balanced_accuracy"),
        ((140, 140, 20), "accuracy"),
    ],
)
def test_where_the_smallest_class_has_under_a_fifth_of_an_even_share_accuracy_is_balanced(counts, name):
    targets = one_hot(np.repeat(np.arange(len(counts)), counts), len(counts))

    assert choose(None, "classes", targets).name == name


def test_a_metric_is_found_by_its_name():
    for name, metric in METRICS.items():
        assert choose(name, metric.task, one_hot([0, 1], 2)) is metric
    losses = {"classes": "log_loss", "labels": "label_log_loss", "numbers": "mse"}
    assert {name for name, metric in METRICS.items() if not metric.higher_is_better} == {*losses.values(), "mae"}
    assert {task: metric.name for task, metric in LOSSES.items()} == losses


def test_an_unknown_metric_is_refused_and_the_nearest_one_offered():
    with pytest.raises(DampenError) as raised:
        choose("acuracy", "classes", one_hot([0, 1], 2))

    assert str(raised.value) == (
        "Unknown metric 'acuracy'. Did you mean 'accuracy'? For classes as targets there are accuracy, "
        "balanced_accuracy, log_loss."
    )


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        ("r2", "classes", "The metric r2 needs numbers as targets; use accuracy, balanced_accuracy, log_loss."),
        ("accuracy", "numbers", "The metric accuracy needs classes as targets; use r2, mse, mae."),
    ],
)
def test_a_metric_of_another_task_is_refused(name, task, message):
    with pytest.raises(DampenError) as raised:
        choose(name, task, one_hot([0, 1], 2))

    assert str(raised.value) == message


@pytest.mark.parametrize("name", METRICS)
def test_what_the_rows_add_averages_to_the_score(name):
    labels = torch.tensor([0, 1, 1, 1, 3] * 4)  # class 2 is absent, class 1 is frequent
    outputs, targets = numbers(3, 20, 4), one_hot(labels, 4).expand(3, -1, -1)
    targets = targets if METRICS[name].task == "classes" else targets.double() + numbers(3, 20, 4) / 7

    rows = METRICS[name].rows(outputs, targets)

    agrees(rows.mean(-1), METRICS[name].score(outputs, targets))
    assert rows.shape == (3, 20)


def test_the_standard_error_of_a_mean_is_the_textbook_s_also_of_far_away_float32_and_0_of_one_row():
    rows = numbers(3, 20) + torch.tensor([0.0, 1.0, 3000.0])[:, None]

    agrees(standard_error(rows), rows.numpy().std(1, ddof=1) / 20**0.5)
    agrees(standard_error((1e20 * rows).float()), 1e20 * standard_error(rows), rtol=1e-2)
    agrees(standard_error(rows[:, :1]), np.zeros(3))


@pytest.mark.parametrize("name", METRICS)
def test_a_test_part_that_stays_closed_has_no_rows_and_no_warning(name):
    outputs, targets = stack_of_guesses(np.arange(20) % 3, 3)

    assert METRICS[name].rows(outputs[:, :0], targets[:, :0]).shape == (NUM_MEMBERS, 0)


def test_a_target_that_never_varies_and_is_met_adds_1_a_row():
    targets = torch.full((1, 6, 1), 3.0, dtype=torch.float64)

    agrees(METRICS["r2"].rows(targets, targets), torch.ones(1, 6).double())
    agrees(METRICS["r2"].rows(targets + 1, targets).mean(-1), METRICS["r2"].score(targets + 1, targets))
