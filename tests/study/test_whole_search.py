"""`search` as a whole on real wines: within seconds an answer, and what is refused before anything is trained."""

from __future__ import annotations

import dataclasses
import json
import time

import numpy as np
import pytest
import torch
from searches import WINE, scene, wine

import dampen
from dampen import MLP, DampenError
from dampen.data.dataset import from_arrays
from dampen.data.split import split, with_outer
from dampen.study.budget import Budget
from dampen.study.found import SearchResult
from dampen.study.halving import BATCH
from dampen.study.listing import stored, studies
from dampen.study.pace import Pace
from dampen.study.store import Store
from dampen.study.worker import Besides, Worker

SMALL = {"epochs": 4, "seeds": 2, "precision": "float32"}


def searched(folder, data=None, budget=6, **options):
    options = {**SMALL, "storage": folder / "studies.db", **options}
    return dampen.search(MLP((8,)), wine() if data is None else data, budget=budget, **options)


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    """(folder, what was said before it began, news, the result)"""
    folder, begun, news = tmp_path_factory.mktemp("search"), [], []
    result = searched(folder, on_begin=begun.append, watch=news.append, always=("WeightDecay",))
    return folder, begun, news, result


def test_the_winner_is_confirmed_beside_baseline_and_default(answer):
    result = answer[-1]

    assert {"baseline", "default", "found 1"} <= set(result.scores)
    assert {e.baseline for e in result.evidence} == {"baseline", "default"} - {result.winner}
    assert result.recipe.to_dict() == result.recipes[result.winner]
    means = {n: np.mean(s["validation"]) for n, s in result.scores.items() if not n.startswith("without")}
    np.testing.assert_allclose(means[result.winner], max(means.values()), rtol=1e-6)
    assert result.protocol["configurations"] == 6


def test_tests_are_counted_one_for_every_training_that_saw_the_test_part(answer):
    result = answer[-1]

    assert result.protocol["tests_opened"] == sum(len(scores["metric"]) for scores in result.scores.values())
    assert result.protocol["seeds_confirmed"] == 2


def test_the_test_part_is_the_outer_one_of_the_data(answer):
    result = answer[-1]

    data = with_outer(wine(), 0)
    assert result.protocol["fingerprint"] == data.fingerprint
    assert result.protocol["rows"] == {n: len(rows) for n, rows in split(data, 1)._asdict().items()}


def test_the_network_that_is_handed_over_scores_as_the_best_member(answer):
    result = answer[-1]
    model, rows = result.model, with_outer(wine(), 0)

    outputs = model(rows.inputs[rows.test_rows])
    score = (outputs.argmax(1) == rows.targets[rows.test_rows].argmax(1)).float().mean().item()

    np.testing.assert_allclose(score, result.trained.test["metric"], rtol=1e-6)
    best = max(result.scores[result.winner]["validation"])
    np.testing.assert_allclose(result.trained.validation["metric"], best, rtol=1e-6)


def test_it_was_said_before_it_began_and_told_while_it_ran(answer):
    _, (begun,), news, result = answer

    assert (begun.study, begun.resumed) == ("study-1", False)
    assert begun.seconds > 0
    searching = [n.share for n in news if n.doing.startswith("searching")]
    assert searching == sorted(searching)
    assert all(0 < n.share <= 1 for n in news)
    assert {n.doing.split()[0] for n in news} >= {"searching,", "confirming"}
    assert any({"baseline", "default"} <= {s.name for s in n.leaders} for n in news)
    assert all(n.seconds_left >= 0 for n in news)
    assert begun.data == result.protocol["data"]


def test_a_search_that_is_over_is_not_expected_again(tmp_path):
    worker = Worker(scene(tmp_path), Budget("configurations", 27), 2, Pace(time.perf_counter()), None, Besides())
    worker.pace.learn(1, 10.0)  # so many seconds an epoch that the test's own do not count

    before = worker.expected()
    worker.over = True

    np.testing.assert_allclose(before - worker.expected(), worker.pace.race(27, worker.course, 2), atol=5.0)


def test_the_answer_is_stored_and_comes_back(answer):
    folder, *_, result = answer

    again = stored("study-1", folder / "studies.db")
    (listed,) = studies(folder / "studies.db")

    assert again.to_record() == result.to_record()
    assert str(again) == str(result)
    assert json.loads(json.dumps(result.to_record(), allow_nan=False)) == result.to_record()
    assert (listed["study"], listed["state"], listed["trials"]) == ("study-1", "done", 6 + 2)
    assert listed["conclusion"] == result.conclusion
    assert SearchResult.from_record(result.to_record()).winner == result.winner


def test_store_recipe_and_network_are_left_behind_and_nothing_else(answer):
    folder = answer[0]

    assert [path.name for path in folder.iterdir() if not path.name.startswith("studies.db")] in ([], ["study-1"])
    left = {path.name for path in (folder / "study-1").rglob("*") if path.is_file()}
    assert left == {"recipe.toml", "model.safetensors"}


def test_the_same_search_again_is_the_same_answer(answer, tmp_path):
    *_, result = answer

    again = searched(tmp_path, always=("WeightDecay",))

    assert again.scores == result.scores
    assert again.leaders == result.leaders
    assert again.winner == result.winner


def test_another_outer_part_is_another_test_part(answer, tmp_path):
    other = searched(tmp_path, outer=1, ablation=False)

    assert other.protocol["fingerprint"] != answer[-1].protocol["fingerprint"]
    assert other.ablation == ()


def test_a_budget_in_trainings_holds_search_and_confirmation(tmp_path):
    """Counted in epochs, everything: what was trained is no more than what was asked for."""
    result = searched(tmp_path, budget="16x", seeds=12)

    trained = result.protocol["epochs_trained"]
    assert trained["searched"] + trained["confirmed"] <= 16 * 4
    assert trained["searched"] <= 0.6 * 16 * 4
    assert result.protocol["tests_opened"] <= 0.4 * 16


def test_the_smallest_budget_that_is_named_is_accepted(tmp_path):
    with pytest.raises(
        DampenError, match=r"^The budget must hold one configuration, .*; 1x do not. Give it 8x or more.$"
    ):
        searched(tmp_path, budget="1x")

    result = searched(tmp_path, budget="8x")

    assert result.protocol["configurations"] >= 1
    assert result.protocol["seeds_confirmed"] == 1
    trained = result.protocol["epochs_trained"]
    assert trained["searched"] + trained["confirmed"] <= 8 * 4


def test_a_grid_that_ends_ends_the_search(tmp_path):
    """One switch left and one value of everything: two configurations, however many were asked for."""
    names = dampen.study.space.PRESETS["quick"]
    keep = {"LabelSmoothing"}
    fixed = {"optimizer.lr": (0.01, 0.01), "LabelSmoothing.epsilon": (0.1, 0.1)}

    result = searched(tmp_path, budget=2 * BATCH, sampler="grid", without=tuple(set(names) - keep), ranges=fixed)

    assert result.protocol["configurations"] == 2
    assert list(Store(tmp_path / "studies.db").units("study-1")) == ["batch 0", "confirmation"]


def test_a_learning_curve_says_whether_more_data_would_help_and_its_tests_are_counted(tmp_path):
    result = searched(tmp_path, budget=3, data_curve=True, ablation=False)

    shares = [point["share"] for point in result.curve]
    assert shares == [0.25, 0.5, 0.75, 1.0]
    rows = [point["rows"] for point in result.curve]
    np.testing.assert_allclose(rows, np.array(shares) * rows[-1], atol=3)
    assert result.curve[-1]["scores"] == result.scores[result.winner]["metric"]
    assert result.protocol["more_data"].startswith("Would more data help? Against half of the data: ")
    confirmed = sum(len(scores["metric"]) for scores in result.scores.values())
    assert result.protocol["tests_opened"] == confirmed + 3 * 2


def test_numbers_as_targets_are_searched(tmp_path):
    data = from_arrays(WINE.data[:, 1:], WINE.data[:, 0], name="alcohol")

    result = searched(tmp_path, data, budget=3)

    assert result.protocol["metric"] == "r2"
    assert "LabelSmoothing" not in str(result)


def test_a_lower_score_can_be_the_better_one(tmp_path):
    result = searched(tmp_path, metric="log_loss", budget=4, ablation=False)

    means = {name: np.mean(scores["validation"]) for name, scores in result.scores.items()}
    np.testing.assert_allclose(means[result.winner], min(means.values()), rtol=1e-6)
    values = [leader["score"] for leader in result.leaders]
    assert values == sorted(values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0}, "A budget must be a whole number above 0 and at most 1,000,000; got 0."),
        ({"budget": "4x"}, "The budget must hold one configuration, the baseline and the default, "),
        ({"budget": "lots"}, "A budget must read like 5m (time), 64 (configurations) or 40x (trainings); got 'lots'."),
        ({"seeds": 0}, "seeds must be a whole number, at least 1; got 0. Twelve is usual."),
        ({"seeds": True}, "seeds must be a whole number, at least 1; got True. Twelve is usual."),
        ({"seeds": 2.5}, "seeds must be a whole number, at least 1; got 2.5. Twelve is usual."),
        ({"outer": -1}, "outer must be a whole number, at least 0; got -1."),
        ({"outer": 1.5}, "outer must be a whole number, at least 0; got 1.5."),
        ({"outer": 1, "data": wine([0, 60, 140])}, "outer must be 0 where the data bring their own test part; got 1."),
        ({"epochs": 0}, "epochs must be a whole number, at least 1; got 0."),
        ({"seed": -1}, "A seed must be a whole number from 0 to 2^32 - 1; got -1."),
        ({"metric": "r2"}, "The metric r2 needs numbers as targets; use accuracy, balanced_accuracy, log_loss."),
        ({"sampler": "grit"}, "Unknown sampler 'grit'. Did you mean 'grid'?"),
        ({"sampler": "grid"}, "A grid must have at most 100,000 points; this space has about "),
        ({"preset": "al"}, "Unknown preset 'al'. Did you mean 'all'?"),
        (
            {"without": ["MixUp"], "ranges": {"MixUp.alpha": (0.1, 0.5)}},
            "MixUp must not have a range when it is left out",
        ),
        ({"resume": True}, "resume must have the name of a study; got none. `dampen studies` lists them."),
        ({"resume": True, "study": "study-9"}, "Unknown study 'study-9'."),
        ({"device": "cuda:99"}, "device must be one that this machine has, such as 'cpu'; got 'cuda:99'."),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_is_trained(tmp_path, options, message):
    with pytest.raises(DampenError) as refused:
        searched(tmp_path, watch=lambda news: pytest.fail("it trained"), **options)

    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "studies.db").exists() or Store(tmp_path / "studies.db").names() == []


def test_too_few_seconds_are_refused_and_leave_no_study(tmp_path):
    with pytest.raises(
        DampenError, match=r"^The budget must hold one configuration, .*; 0 s do not. Give it \d+s or more"
    ):
        searched(tmp_path, budget="0.01s", epochs=400)

    assert Store(tmp_path / "studies.db").names() == []


def test_a_name_that_is_taken_is_refused(answer):
    folder = answer[0]

    with pytest.raises(DampenError, match=r"^A study's name must be new; 'study-1' is taken. "):
        searched(folder, study="study-1")


def test_a_data_curve_of_groups_too_large_for_a_quarter_is_refused_at_the_door(tmp_path):
    grouped = dataclasses.replace(wine(), groups=torch.arange(178) // 15)

    with pytest.raises(DampenError, match=r"^A data curve needs 25% of the rows to be enough; they are not. "):
        searched(tmp_path, grouped, data_curve=True)
