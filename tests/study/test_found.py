"""The answer as a record and in words, whatever was found."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from dampen import EMA, Adam, BatchNorm, DampenError, Dropout, MixUp, OneCycle, RandomAffine, Recipe, WeightDecay
from dampen.evidence import Evidence
from dampen.history import History
from dampen.presets import baseline, default
from dampen.study.found import SearchResult
from dampen.techniques import CATALOGUE

LONG = Recipe(
    (
        MixUp(0.123),
        RandomAffine(),
        Dropout(0.456),
        BatchNorm(),
        WeightDecay(0.0123),
        EMA(123.4),
        OneCycle(0.123, 45.6, 7890.0),
    ),
    Adam(lr=0.00123),
)


def evidence(recipe="found 1", against="baseline", effect=0.012, reach=0.008, p=0.003, seeds=12, metric="accuracy"):
    return Evidence(
        recipe=recipe, baseline=against, metric=metric, effect=effect, low=effect - reach, high=effect + reach, p=p,
        new_low=None, new_high=None, new_kind=None, detectable=1.3 * reach, score=0.9 + effect, score_sd=0.01,
        baseline_score=0.9, seeds=seeds, cost=None, protocol="confirmed",
    )  # fmt: skip


def result(winner="found 1", against=None, ablation=(), metric="accuracy", seeds=12, score=0.9, curve=(), recipe=LONG):
    named = {"baseline": baseline(), "default": default(40), "found 1": recipe, "found 2": Recipe((Dropout(0.3),))}
    named |= {e.recipe: Recipe() for e in ablation}
    scores = {name: {part: [score] * seeds for part in ("validation", "metric", "loss")} for name in named}
    history = History(epochs=[{"val_loss": math.nan, "lr": 1e-3}], outcome="diverged")
    if against is None:
        against = [
            evidence(winner, other, seeds=seeds, metric=metric) for other in ("baseline", "default") if other != winner
        ]
    return SearchResult(
        study="study-1",
        winner=winner,
        recipes={name: r.to_dict() for name, r in named.items()},
        evidence=tuple(against),
        ablation=tuple(ablation),
        scores=scores,
        histories={"found 1": [history]},
        leaders=(
            {"trial": 3, "score": score, "recipe": str(recipe)},
            {"trial": 0, "score": score, "recipe": "default"},
        ),
        importance={"optimizer.lr": 0.7, "MixUp": 0.26, "EMA": 0.04, "MixUp.alpha": 0.125},
        curve=tuple(curve),
        protocol={
            "metric": metric,
            "configurations": 64,
            "seeds_confirmed": seeds,
            "more_data": "Would more data help?",
        },
        versions={"dampen": "0"},
    )


def words(found):
    return " ".join(str(found).split())


# ------------------------------------------------------------------ the record


def test_the_record_is_strict_json_and_comes_back_as_it_was(tmp_path):
    endless = evidence(reach=math.inf, p=1.0)
    found = result(against=[endless, evidence(against="default")], ablation=[evidence("without MixUp", "found 1")])
    found.save(tmp_path / "found.json")

    text = (tmp_path / "found.json").read_text(encoding="utf-8")
    record = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not strict JSON"))
    back = SearchResult.from_record(record)

    assert back.to_record() == found.to_record() == record
    assert str(back) == str(found)
    assert back.evidence == found.evidence
    assert back.recipe == LONG
    assert record["evidence"][1]["verdict"] == "real gain"


def test_another_record_is_refused():
    with pytest.raises(DampenError, match=r"^A search result must come from `dampen search`; got another kind"):
        SearchResult.from_record({"kind": "dampen comparison"})
    short = result().to_record()
    del short["leaders"]
    with pytest.raises(DampenError, match=r"^A search result must have 'leaders'; the record has not. Search again.$"):
        SearchResult.from_record(short)


def test_the_network_is_in_memory_only():
    with pytest.raises(DampenError, match=r"^The network must be in memory; this result was read from a file. "):
        _ = result().model


# ------------------------------------------------------------------ in words


def test_a_gain_is_said_with_its_size_over_baseline_and_default():
    found = result(against=[evidence(), evidence(against="default", effect=0.001, p=0.7)])

    assert found.conclusion == (
        "Of 64 configurations searched, found 1 is best under fresh seeds. "
        "Over the baseline: found 1 raises test accuracy by 1.2 points (between 0.4 and 2.0); that is more than luck. "
        "Over the default: no evidence that found 1 changes test accuracy; a gain of 1.0 points or more would have "
        "been noticed."
    )


def test_no_gain_is_said_as_plainly():
    told = result(
        against=[evidence(effect=0.001, p=0.6), evidence(against="default", effect=0, reach=0, p=1.0)]
    ).conclusion

    assert "no evidence that found 1 changes test accuracy" in told
    assert "found 1 scored the same as default on all 12 seeds" in told


def test_harm_is_said():
    told = result(against=[evidence(effect=-0.02), evidence(against="default", effect=-0.03)]).conclusion

    assert "found 1 lowers test accuracy by 2.0 points" in told


@pytest.mark.parametrize(
    ("winner", "told"),
    [
        ("baseline", "did better than the baseline, which has no regularization at all: use that. Over the default: "),
        (
            "default",
            "did better than the default: use that. Over the baseline: default raises test accuracy by 1.2 points",
        ),
    ],
)
def test_a_winner_that_was_not_searched_is_no_find(winner, told):
    conclusion = result(winner).conclusion

    assert conclusion.startswith("Under fresh seeds none of the 64 configurations searched ")
    assert told in conclusion


@pytest.mark.parametrize("winner", ["baseline", "default", "found 1"])
@pytest.mark.parametrize(("seeds", "counted"), [(1, "1 fresh seed"), (5, "5 fresh seeds")])
def test_fewer_than_six_seeds_say_nothing(winner, seeds, counted):
    told = result(winner, seeds=seeds).conclusion

    assert f"With {counted} nothing can be said" in told
    assert "more than luck" not in told
    assert "six" in told


def test_the_printed_answer_says_what_the_names_stand_for():
    told = words(result())

    assert f"found 1: {LONG}" in told
    assert "found 2: Dropout(rate=0.3)" in told
    assert "found 1 (the winner)" in told


def test_an_ingredient_is_worth_what_leaving_it_out_costs():
    worse = evidence("without MixUp", "found 1", effect=-0.02, reach=0.01, p=0.01)
    better = evidence("without EMA", "found 1", effect=0.02, reach=0.01, p=0.0001)
    same = evidence("without Dropout", "found 1", effect=0.0, reach=0.0, p=1.0)

    lines = {line.split()[0]: line for line in str(result(ablation=[worse, better, same])).splitlines() if line}

    assert list(lines).index("MixUp") < list(lines).index("Dropout") < list(lines).index("EMA")
    assert lines["MixUp"].split()[1:] == ["+2.0", "[+1.0,", "+3.0]", "0.010", "real", "gain"]
    assert lines["EMA"].split()[1:] == ["-2.0", "[-3.0,", "-1.0]", "<.001", "harmful"]
    assert lines["Dropout"].split()[1:3] == ["+0.0", "[+0.0,"]


WIDEST = {
    "accuracy": {},
    "mse": {"score": 123456.0, "effect": -123456.0, "reach": 98765.0},
    "r2": {"score": -1234.5, "effect": -0.00012, "reach": math.inf},
}


def test_what_the_ranking_hung_on_is_told_and_small_shares_are_not():
    told = words(result())
    assert "What the ranking hung on: learning rate 70 %, MixUp 26 % Among those that have it: MixUp.alpha 12 %" in told
    assert "hung on" not in words(replace(result(), importance={}))


@pytest.mark.parametrize("winner", ["baseline", "default", "found 1"])
@pytest.mark.parametrize("metric", WIDEST)
def test_what_is_printed_fits_80_columns(metric, winner):
    of = dict(WIDEST[metric])
    score = of.pop("score", 0.9)
    against = [evidence(winner, other, metric=metric, **of) for other in ("baseline", "default") if other != winner]
    names = [*(t.__name__ for t in CATALOGUE), "its learning rate"]
    ablation = [evidence(f"without {name}", winner, metric=metric, **of) for name in names]
    curve = [{"share": s, "rows": 123456, "scores": [score]} for s in (0.25, 1.0)]
    everything = Recipe(tuple(t() for t in CATALOGUE if not hasattr(t, "needs"))[:12:2])

    told = str(result(winner, against, ablation, metric, score=score, curve=curve, recipe=everything))

    assert [line for line in told.splitlines() if len(line) > 80] == []
    assert "Would more data help?" in told
    assert all(line.split("  ")[0] for line in told.splitlines() if line.startswith("without"))


def test_columns_stand_below_their_heads():
    told = str(result(ablation=[evidence("without MixUp", "found 1")])).splitlines()

    (head,) = [line for line in told if line.startswith("confirmed")]
    (row,) = [line for line in told if line.startswith("found 1 (the winner)")]
    assert row.index("90.0") + 4 == head.index("validation") + len("validation")
    assert row.rindex("90.0") + 4 == head.index("test") + 4
