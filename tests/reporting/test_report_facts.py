"""The facts of a report: what it recommends, what it says, and that it never says more than the evidence."""

import dataclasses
import json

import pytest
from numpy.testing import assert_allclose
from report_records import GAIN, HARM, NOTHING, compared, searched

from dampen import DampenError, Recipe, technique
from dampen.evidence import on_new_data, plain_sentence
from dampen.recipe import parse
from dampen.recipe_file import from_toml
from dampen.reporting.facts import report_facts
from dampen.reporting.figures import training_facts
from dampen.reporting.figures.effects import effect_units
from dampen.reporting.figures.style import in_units, metric_words
from dampen.reporting.words import METRICS as IN_WORDS
from dampen.reporting.words import clean, predicted
from dampen.training.metrics import METRICS

MIXED = {
    "LabelSmoothing": ("LabelSmoothing", GAIN, 1.5),
    "EMA": ("EMA", (0.010, 0.004, 0.001), 1.0),
    "Dropout(rate=0.3)": ("Dropout(rate=0.3)", NOTHING, 1.2),
    "L1": ("L1", HARM, 1.1),
}
UNCLEAR = {"Dropout": ("Dropout", NOTHING, 1.25), "Cutout": ("Cutout", HARM, 1.1)}


def said(facts, name):
    """Everything that a section says."""
    (section,) = [part for part in (*facts["plain"], *facts["technical"]) if part["name"] == name]
    return " ".join([*section["paragraphs"], *(f"{item['term']}: {item['text']}" for item in section["items"])])


def table(facts, name):
    (found,) = [one for part in facts["technical"] for one in part["tables"] if one["name"] == name]
    return found


# ------------------------------------------------------------------ what is recommended


def test_the_best_real_gain_is_recommended_in_the_words_of_evidence():
    answer = compared(MIXED)

    facts = report_facts(answer)

    assert facts["answer"] == {
        "recommendation": "Train with LabelSmoothing.",
        "because": plain_sentence(answer.evidence[0]),
    }


def test_a_mixture_is_recommended_with_what_is_in_it():
    facts = report_facts(compared({"mine": ("Dropout + L2", GAIN, 1.0)}))

    assert facts["answer"]["recommendation"] == "Train with mine (Dropout, L2)."


def test_without_a_real_gain_everything_stays_as_it_is():
    answer = compared(UNCLEAR)

    facts = report_facts(answer)

    assert facts["answer"] == {"recommendation": "Keep the network as it is.", "because": answer.conclusion}
    assert "Nothing that was tried helped by more than luck." in said(facts, "helps")
    assert "What Dropout has over the baseline may be luck." in said(facts, "curves")


def test_with_few_seeds_nothing_is_recommended():
    answer = compared(MIXED, seeds=3)

    facts = report_facts(answer)

    assert facts["answer"] == {"recommendation": "Decide nothing yet.", "because": answer.conclusion}
    assert said(facts, "sure") == "Not at all: it takes at least 6 seeds to tell a difference from luck; 3 were run."
    assert {row[table(facts, "results")["heads"].index("verdict")] for row in table(facts, "results")["rows"]} == {
        "", "too few seeds",
    }  # fmt: skip


def test_an_interrupted_comparison_without_evidence_has_a_report():
    answer = dataclasses.replace(compared({}), interrupted=True)

    facts = report_facts(answer)

    assert facts["answer"] == {"recommendation": "Decide nothing yet.", "because": answer.conclusion}
    assert "The study was interrupted" in said(facts, "unknown")


def test_what_a_search_found_is_recommended_with_its_parts():
    answer = searched()

    facts = report_facts(answer)

    assert facts["answer"] == {
        "recommendation": "Train with found 1: LabelSmoothing, Dropout and a learning rate of 0.004.",
        "because": f"Against the baseline: {plain_sentence(answer.evidence[0])}",
    }
    assert f"Against the default: {plain_sentence(answer.evidence[1])}" in said(facts, "helps")
    assert "Leaving out Dropout raised the test error" in said(facts, "helps")


def test_a_winner_without_a_gain_over_the_baseline_is_not_recommended():
    answer = searched(over_baseline=NOTHING)

    facts = report_facts(answer)

    assert facts["answer"] == {
        "recommendation": "Keep the network as it is.",
        "because": f"Against the baseline: {plain_sentence(answer.evidence[0])}",
    }
    assert "This is baseline." in said(facts, "recipe")


def test_a_default_that_is_better_than_the_winner_is_recommended_instead():
    answer = searched(over_default=HARM)

    facts = report_facts(answer)

    assert facts["answer"] == {
        "recommendation": "Train with default (OneCycle, WeightDecay, LabelSmoothing, EarlyStopping).",
        "because": f"Against the default: {plain_sentence(answer.evidence[1])}",
    }


def test_a_search_that_the_baseline_won_keeps_it():
    answer = dataclasses.replace(searched(winner="baseline"), evidence=(), ablation=())

    facts = report_facts(answer)

    assert facts["answer"] == {"recommendation": "Keep the network as it is.", "because": answer.conclusion}
    assert list(facts["drawn"]["training"]) == ["baseline"]


@pytest.mark.parametrize("answer", [compared(MIXED), compared(UNCLEAR), searched(), searched(NOTHING, HARM)])
def test_effects_are_told_by_evidence_alone(answer):
    """Take away its sentences, and no word of an effect is left."""
    facts = report_facts(answer)
    text = " ".join([*facts["answer"].values(), said(facts, "helps")])

    ablation = [
        dataclasses.replace(e, recipe=e.recipe.replace("without", "Leaving out"))
        for e in getattr(answer, "ablation", ())
    ]
    for own in (*map(plain_sentence, (*answer.evidence, *ablation)), answer.conclusion):
        text = text.replace(own, "")

    assert not [
        word for word in ("cut", "raised", "lowered", "worse", "better", "give or take", "points") if word in text
    ]


# ------------------------------------------------------------------ what is said beside it


def test_what_it_costs_is_told_with_the_cheapest_gain():
    assert said(report_facts(compared(MIXED)), "costs") == (
        "Training with LabelSmoothing takes 1.5 times as long as training without. The cheapest of those that helped "
        "is EMA: 1.0 times. This whole study took 75 s."
    )
    assert said(report_facts(compared(UNCLEAR)), "costs") == (
        "Keeping the network as it is costs nothing. What was tried takes between 1.1 and 1.2 times as long to train. "
        "This whole study took 75 s."
    )
    assert "was not measured" in said(report_facts(searched()), "costs")


def test_what_is_not_known_is_told():
    answer = compared(
        MIXED, seeds=7, duplicates="3 of 359 test rows also stand in the training part.", notes=["A note."]
    )
    answer = dataclasses.replace(
        answer, notes={**answer.notes, "EMA": ["not yet converged"], "L1": ["2 of 7 diverged"]}
    )

    told = said(report_facts(answer), "unknown")

    for part in (
        "3 of 359 test rows also stand in the training part. Scores may be too good.",
        "Still getting better when training ended: EMA.",
        "Of the trainings of L1, 2 of 7 diverged.",
        on_new_data(answer.evidence[0]),
        "With 7 seeds only large differences",
        "Of the data: A note.",
        "Rows from another source",
    ):
        assert part in told


def test_new_data_may_take_a_gain_away():
    certain = compared({"a": ("Dropout", (0.02, 0.005, 0.001), 1.0)}).evidence[0]
    unsure = compared({"a": ("Dropout", (0.005, 0.004, 0.04), 1.0)}).evidence[0]

    assert on_new_data(certain) == "On new data of the same kind the gain may lie anywhere from +1.1 to +2.9 points."
    assert on_new_data(unsure).endswith("from -0.2 to +1.2 points, so it may be none at all.")
    assert on_new_data(dataclasses.replace(certain, new_low=None)) == ""


def test_each_change_is_explained_by_its_own_file():
    items = {i["term"]: i["text"] for part in report_facts(compared(MIXED))["plain"] for i in part["items"]}

    assert items["EMA"] == "predict with a smoothed network"


def test_many_recipes_stay_one_page():
    many = {f"Dropout(rate=0.{i:02})": (f"Dropout(rate=0.{i:02})", GAIN, 1.0) for i in range(1, 60)}

    facts = report_facts(compared(many, histories=False))

    assert len(next(part for part in facts["plain"] if part["name"] == "tried")["items"]) == 7
    assert "56 more helped by more than luck" in said(facts, "helps")
    assert len(table(facts, "results")["rows"]) == 60


# ------------------------------------------------------------------ the technical part


def test_the_table_is_that_of_the_comparison():
    answer = compared(MIXED)

    made = table(report_facts(answer), "results")

    names = ["recipe", "score", "gain", "p", "new", "cost", "verdict"]
    assert made["rows"] == [[row[name] for name in names] for row in answer.rows()]


def test_an_ingredient_is_worth_what_leaving_it_out_costs():
    assert table(report_facts(searched()), "ablation")["rows"] == [
        ["Dropout", "+2.0 [+1.4, +2.6]", "0.001", "real gain"]
    ]


def test_the_recipe_can_be_run_again():
    facts = report_facts(searched())

    (codes,) = [part["codes"] for part in facts["technical"] if part["name"] == "recipe"]
    recipe, settings = from_toml(codes[0]["text"])

    assert recipe == parse("LabelSmoothing(epsilon=0.1) + Dropout(rate=0.2) + Adam(lr=0.004)")
    assert (settings.epochs, settings.outer, repr(settings.model)) == (
        20,
        0,
        "MLP(hidden=(128, 128), activation='relu')",
    )
    compile(codes[1]["text"], "train.py", "exec")
    assert "data = 'digits'" in codes[1]["text"]


def test_a_network_and_data_of_ones_own_are_left_to_the_reader():
    facts = report_facts(compared(MIXED, data="my rows.csv", model="<function mine at 0x7f>"))

    (section,) = [part for part in facts["technical"] if part["name"] == "recipe"]

    assert "DATA stands for your data." in section["paragraphs"][0]
    assert "model = ..." in section["codes"][1]["text"]


def test_a_technique_of_ones_own_has_a_report():
    @technique
    class Mine:
        """w <- w"""

    answer = compared({"Mine": ("Dropout", GAIN, 1.0)})
    answer = dataclasses.replace(answer, recipes={**answer.recipes, "Mine": Recipe(Mine()).to_dict()})

    facts = report_facts(answer)

    assert facts["answer"]["recommendation"] == "Train with Mine."
    assert "not in the catalogue" in said(facts, "recipe")


def test_the_curves_are_those_of_the_histories():
    answer = compared(MIXED)

    drawn = report_facts(answer)["drawn"]["training"]

    assert list(drawn) == ["baseline", "LabelSmoothing"]
    own = training_facts(answer.histories["baseline"])["curves"]["val_loss"]["mean"]
    assert_allclose(drawn["baseline"]["curves"]["val_loss"]["mean"], own)
    assert drawn["baseline"]["onset"] is not None  # they overfit from epoch 8 on


@pytest.mark.parametrize("answer", [compared(MIXED, examples=["EMA"]), searched(), compared(MIXED, histories=False)])
def test_facts_are_strict_json(answer):
    facts = report_facts(answer, "a\n\nb", "My title")

    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert (facts["title"], facts["notes"]) == ("My title", ["a", "b"])


# ------------------------------------------------------------------ texts from anywhere


def test_texts_lose_what_turns_the_order_and_keep_the_rest():
    assert clean("a\u202egnp.exe\u2066 b\nc\x00") == "a gnp.exe b c"
    assert clean({"\u200fx": ["\ud800y", 3, None]}) == {"x": ["y", 3, None]}
    assert clean("ペンギン 🐧 e\u0301") == "ペンギン 🐧 e\u0301"
    assert clean("\u202e") == "?"


def test_what_is_written_from_right_to_left_is_set_apart():
    hebrew = "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd"
    assert clean(f"{hebrew}: 12 rows") == f"\u2068{hebrew}\u2069: 12 rows"


@pytest.mark.parametrize("wrong", [None, {}, "digits", 3])
def test_only_an_answer_has_a_report(wrong):
    with pytest.raises(DampenError, match="A report must be of a Comparison or a SearchResult; got"):
        report_facts(wrong)


def test_parts_that_do_not_belong_together_are_refused():
    answer = compared(MIXED)

    with pytest.raises(DampenError, match="must have 'metric'"):
        report_facts(dataclasses.replace(answer, protocol={}))
    with pytest.raises(DampenError, match="'EMA' is not"):
        report_facts(dataclasses.replace(answer, recipes={n: r for n, r in answer.recipes.items() if n != "EMA"}))


def test_every_metric_is_explained_and_one_of_numbers_speaks_of_numbers():
    numbers = [name for name, metric in METRICS.items() if metric.task == "numbers"]

    assert {*IN_WORDS} == {*METRICS}
    assert {predicted({"metric": name}) for name in numbers} == {"what number belongs to each"}
    assert "absolute error" in IN_WORDS["mae"]
    assert metric_words("mae") == "mean absolute error"
    assert effect_units("mae") == in_units("mae") == (1.0, " [units of the target]")
