"""Every figure, drawn from records whose numbers are known: complete, readable, without a trace in other figures."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from figure_records import ABLATION, LAYERS, NASTY, comparison, found, histories, history, trials
from figure_texts import cut_off, overlapping, texts, words
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from dampen import figures
from dampen.history import History
from dampen.reporting.figures.style import CONTRAST, PAPER, SMALL, contrast, luminance

ONSET = {"onset": 9, "onset_low": 7, "onset_high": 12}
CURVES = ("loss_curves", "overfitting_score", "norm_evolution", "overview", "sparsity")
TRAINING = (*CURVES, "weight_distributions", "reliability")
LABELS = {
    "loss_curves": ["epoch", "loss [nats]", "accuracy [%]"],
    "overfitting_score": [
        "epoch",
        "overfitting score\n[validation / training loss]",
        "generalization gap of\naccuracy [points]",
    ],
    "norm_evolution": ["epoch", "all weights\n[first epoch = 1]", "L2 norm of each layer"],
    "overview": ["epoch", "loss [nats]", "value of a weight", "density", "validation / training loss"],
    "sparsity": ["epoch", "share [%]", "exact zeros of each layer [%]"],
    "weight_distributions": ["density of weights"],
    "reliability": ["confidence [%]", "right [%]", "rows"],
    "forest": ["effect on test accuracy [points]: right of 0 is better"],
    "cost_against_gain": ["training time [baseline = 1]", "effect on test accuracy [points]"],
    "parallel_coordinates": ["validation\naccuracy [%]", "learning rate 70 %", "Dropout 2 %\nrate"],
    "ablation_bars": ["worth in test accuracy [points]: right of 0 it helps"],
    "decision_boundary": ["petal length [cm]", "petal width [cm]"],
    "augmented_inputs": ["original", "as trained on"],
}
ELEMENTS = {"svg", "defs", "style", "g", "path", "use", "clipPath", "rect", "text", "tspan", "image", "pattern"}


def shares(points):
    """Three classes, each around a centre."""
    centres = np.array([[0.0, 1.0], [0.9, -0.5], [-0.9, -0.5]])
    scores = np.exp(-((points[:, None] - centres) ** 2).sum(-1))
    return scores / scores.sum(1, keepdims=True)


def boundary(names=("petal length [cm]", "petal width [cm]"), classes=("setosa", "versicolor", "virginica")):
    points = np.random.default_rng(0).normal(0, 1, (120, 2))
    targets = np.where(np.arange(120) % 10 == 0, 0, shares(points).argmax(1))
    return figures.boundary_facts(shares, points, targets, names, steps=40, classes=classes)


def images():
    generator = np.random.default_rng(0)
    before = [generator.random((8, 8)).tolist() for _ in range(3)]
    return {"recipe": "RandomCrop", "before": before, "after": [[image] * 4 for image in before]}


@pytest.fixture(scope="session")
def facts():
    """What each function draws, by its name."""
    training = figures.training_facts(histories(), ONSET)
    table = figures.comparison_facts(comparison([f"Technique{i}(rate=0.{i})" for i in range(12)]))
    search = figures.search_facts(found(ABLATION, trials=trials(60)))
    return {
        **dict.fromkeys(TRAINING, training),
        **dict.fromkeys(("forest", "cost_against_gain"), table),
        **dict.fromkeys(("parallel_coordinates", "ablation_bars"), search),
        "decision_boundary": boundary(),
        "augmented_inputs": images(),
    }


@pytest.fixture(scope="session")
def drawn(facts):
    return {name: getattr(figures, name)(known) for name, known in facts.items()}


# ------------------------------------------------------------------ every figure

EVERY = pytest.mark.parametrize("name", LABELS)


def test_every_public_figure_is_tested_here():
    helpers = {"as_svg", "boundary_facts", "comparison_facts", "search_facts", "training_facts"}

    assert set(figures.__all__) - helpers == set(LABELS)


@EVERY
def test_a_figure_is_a_figure_whose_axes_say_what_they_show_and_in_which_unit(name, drawn):
    assert isinstance(drawn[name], Figure)
    assert set(LABELS[name]) <= set(words(drawn[name]))


@EVERY
def test_no_word_covers_another_or_leaves_the_picture(name, drawn):
    assert overlapping(drawn[name]) == []
    assert cut_off(drawn[name]) == []


@EVERY
def test_nothing_but_words_leaves_the_picture_either(name, drawn):
    figure = drawn[name]
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()

    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height


@EVERY
def test_letters_are_large_and_stand_out_from_the_paper(name, drawn):
    for text in texts(drawn[name]):
        assert text.get_fontsize() >= SMALL, text
        assert contrast(text.get_color(), PAPER) >= CONTRAST, text
    assert drawn[name].get_size_inches()[0] == 7.0


@EVERY
def test_the_paper_is_opaque_and_light_so_that_a_dark_page_may_stand_behind_it(name, drawn):
    red, green, blue, opacity = drawn[name].get_facecolor()

    assert opacity == 1
    assert luminance((red, green, blue)) > 0.9


@EVERY
def test_a_figure_is_drawn_again_from_the_json_that_a_page_embeds(name, facts, drawn):
    embedded = json.loads(json.dumps(facts[name], allow_nan=False))

    again = getattr(figures, name)(embedded)

    assert figures.as_svg(again, name) == figures.as_svg(drawn[name], name)


@EVERY
def test_drawing_leaves_the_facts_alone(name, facts):
    before = copy.deepcopy(facts[name])

    getattr(figures, name)(facts[name])

    assert facts[name] == before


# ------------------------------------------------------------------ told apart without colour


@pytest.mark.parametrize("name", ["loss_curves", "overfitting_score", "norm_evolution", "overview", "sparsity"])
def test_lines_of_one_panel_differ_in_dashes_or_clearly_in_grey(name, drawn):
    for axes in drawn[name].axes:
        lines = [line for line in axes.lines if len(line.get_xdata()) > 2]
        looks = [(line._unscaled_dash_pattern, luminance(line.get_color())) for line in lines]
        for i, (dashes, grey) in enumerate(looks):
            assert all(dashes != other or abs(grey - o) > 0.05 for other, o in looks[:i]), (name, axes)


def test_verdicts_differ_in_shape_and_filling(drawn):
    keys = drawn["forest"].legends[0].legend_handles
    looks = {
        key.get_label(): (key.get_marker(), to_hex(key.get_markerfacecolor()) == to_hex(key.get_color()))
        for key in keys
    }

    assert looks["real gain"] == ("^", True)
    assert looks["no evidence"] == ("o", False)
    assert looks.get("harmful", ("v", True)) == ("v", True)


def test_classes_differ_in_their_marks(drawn):
    markers = [line.get_marker() for line in drawn["decision_boundary"].axes[0].lines if len(line.get_xdata())]

    assert len(set(markers[:3])) == 3


# ------------------------------------------------------------------ names as people give them


def drawn_with(names):
    """Every figure with these names wherever a user's name is shown."""
    named = history(layers=tuple(names))
    named.metric = names[0]
    training = figures.training_facts([named, history(1, layers=tuple(names))], ONSET)
    table = figures.comparison_facts(comparison(list(names)))
    apart = [type(e)(**{**e.__dict__, "recipe": f"without {name}"}) for e, name in zip(ABLATION, names, strict=False)]
    tried = [
        {**t, "values": {f"{names[i % len(names)]}": bool(i % 2), "optimizer.lr": 0.001 * (i + 1)}}
        for i, t in enumerate(trials(12))
    ]
    for figure in TRAINING:
        yield figure, getattr(figures, figure)(training)
    yield "forest", figures.forest(table)
    yield "cost_against_gain", figures.cost_against_gain(table)
    search = figures.search_facts(found(apart, trials=tried))
    yield "ablation_bars", figures.ablation_bars(search)
    yield "parallel_coordinates", figures.parallel_coordinates(search)
    yield "decision_boundary", figures.decision_boundary(boundary(names[:2], names[2:5]))
    yield "augmented_inputs", figures.augmented_inputs({**images(), "recipe": names[0]})


@pytest.mark.filterwarnings("ignore:Glyph .* missing")
def test_names_of_any_letters_stay_letters_inside_valid_xml():
    for name, figure in drawn_with(NASTY):
        svg = figures.as_svg(figure, f"{name} {NASTY[2]}")
        elements = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}

        assert "script" not in elements
        assert elements <= ELEMENTS
        assert overlapping(figure) == [], name
        assert cut_off(figure) == [], name


def test_a_dollar_sign_is_a_letter_and_a_long_name_keeps_its_start_and_its_end():
    long = "Dropout(rate=0.3) + " + 200 * "x" + " + L2"
    table = figures.comparison_facts(comparison(["costs $5 and $6", long]))

    said = words(figures.forest(table))

    assert "costs $5 and $6" in said
    assert ">costs $5 and $6</text>" in figures.as_svg(figures.forest(table), "forest")
    (shown,) = (word for word in said if word.startswith("Dropout"))
    assert shown.endswith("+ L2")
    assert "…" in shown
    assert len(shown) == 30


def test_a_mark_that_turns_letters_round_is_left_out():
    said = words(figures.forest(figures.comparison_facts(comparison(["\u202egnp\u200f.exe"]))))

    assert "gnp .exe" in said


# ------------------------------------------------------------------ little or much


@pytest.mark.parametrize("name", TRAINING)
@pytest.mark.parametrize("epochs", [0, 1])
def test_what_is_too_short_for_a_figure_is_said_in_words(name, epochs):
    known = History(epochs=[{"val_loss": 0.5, "weight_norm": 3.0}] * epochs)

    figure = getattr(figures, name)(figures.training_facts([known]))

    assert len(words(figure)) == 1
    assert words(figure)[0].endswith(".")
    assert cut_off(figure) == []


@pytest.mark.parametrize("name", TRAINING)
def test_a_log_that_knows_nothing_but_a_training_loss_is_drawn_or_words_say_why_not(name):
    known = History(epochs=[{"train_loss": 1 / (e + 1)} for e in range(5)], outcome="unknown", clean=False)

    figure = getattr(figures, name)(figures.training_facts([known]))

    assert words(figure)
    assert overlapping(figure) == []


def test_an_empty_study_is_said_in_words():
    table, search = figures.comparison_facts(comparison([])), figures.search_facts(found())

    empty = [figures.forest(table), figures.cost_against_gain(table), figures.ablation_bars(search)]
    empty += [figures.parallel_coordinates(search)]
    empty += [figures.augmented_inputs({"recipe": "L2", "before": [], "after": []})]

    assert all(len(words(figure)) == 1 for figure in empty)


def test_eighty_recipes_have_a_row_each_that_can_be_read():
    names = [f"Technique{i}(rate=0.{i})" for i in range(80)]

    figure = figures.forest(figures.comparison_facts(comparison(names)))

    assert set(names) <= set(words(figure))
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_of_eighty_recipes_the_best_are_named_in_the_scatter_and_no_name_covers_another():
    table = figures.comparison_facts(comparison([f"Technique{i}(r={i})" for i in range(80)]))

    figure = figures.cost_against_gain(table)

    assert table["recipes"][0]["recipe"] in words(figure)
    assert overlapping(figure) == []
    assert cut_off(figure) == []


def test_what_lies_far_off_leaves_the_axis_and_its_numbers_are_told():
    compared = comparison([f"T{i}" for i in range(8)])
    far = type(compared.evidence[0])(**{**compared.evidence[0].__dict__, "effect": -0.397, "low": -0.6, "high": -0.2})
    table = figures.comparison_facts(type(compared)(**{**compared.__dict__, "evidence": (*compared.evidence[1:], far)}))

    forest, scatter = figures.forest(table), figures.cost_against_gain(table)

    assert forest.axes[0].get_xlim()[0] > -10
    assert "\N{MINUS SIGN}39.7 [\N{MINUS SIGN}60.0, \N{MINUS SIGN}20.0]" in words(forest)
    assert scatter.axes[0].get_ylim()[0] > -10
    assert "T0: \N{MINUS SIGN}39.7" in words(scatter)


def test_with_two_seeds_intervals_without_end_are_drawn_and_the_reader_is_warned():
    compared = comparison(["Dropout", "L2"], seeds=2)
    open_ = [
        type(e)(**{**e.__dict__, "low": -np.inf, "high": np.inf, "new_low": None, "new_high": None})
        for e in compared.evidence
    ]
    table = figures.comparison_facts(type(compared)(**{**compared.__dict__, "evidence": tuple(open_)}))

    figure = figures.forest(table)

    assert any("fewer than six seeds" in " ".join(word.split()) for word in words(figure))
    assert any("[\N{MINUS SIGN}∞, +∞]" in word for word in words(figure))


def test_thirty_layers_are_drawn_in_part_and_the_figure_says_so():
    known = figures.training_facts([history(layers=tuple(f"blocks.{i}.attention.query.weight" for i in range(60)))])

    for name in ("norm_evolution", "weight_distributions", "sparsity"):
        figure = getattr(figures, name)(known)
        assert any("of 60 layers are shown" in " ".join(word.split()) for word in words(figure)), name
        assert overlapping(figure) == [], name
        assert cut_off(figure) == [], name


def test_a_training_that_diverges_is_drawn_and_the_epoch_is_told():
    known = history()
    for e in range(12, 20):
        known.epochs[e]["val_loss"] = np.inf if e > 12 else 1e30
        known.epochs[e]["train_loss"] = np.nan

    figure = figures.loss_curves(figures.training_facts([known]))

    assert any("From epoch 13 on a loss is not a finite number" in " ".join(word.split()) for word in words(figure))
    assert overlapping(figure) == []


def test_marks_of_onset_and_served_epoch_are_said_in_words(drawn):
    said = words(drawn["loss_curves"])

    assert "overfitting from epoch 9 (between 7 and 12)" in said
    assert "weights of epoch 9 serve (seeds: 8 to 10)" in said


@pytest.mark.parametrize("first", [1, 2, 10, 19, 20])
def test_marks_at_either_end_stay_inside_the_picture(first):
    known = histories()[:2]
    for h in known:
        h.served_epoch = first
    onset = {"onset": first, "onset_low": max(1, first - 3), "onset_high": min(20, first + 3)}

    figure = figures.loss_curves(figures.training_facts(known, onset))

    assert overlapping(figure) == []
    assert cut_off(figure) == []
    assert figure.axes[0].get_position().width > 0.75


def test_lines_that_end_together_have_labels_apart():
    known = History(epochs=[{"train_loss": 1 / e, "val_loss": 1 / e + 1e-4} for e in range(1, 30)])

    figure = figures.loss_curves(figures.training_facts([known]))

    assert {"training", "validation"} <= set(words(figure))
    assert overlapping(figure) == []


def test_a_peak_that_would_hide_the_other_weights_is_cut_and_told():
    counts = np.full(64, 10)
    counts[32] = 1890
    layer = {"low": 0.0, "high": 64.0, "counts": counts.tolist()}
    known = History(epochs=[{}] * 3, weights=[{"epoch": 3, "layers": {"a": layer}}])

    figure = figures.weight_distributions(figures.training_facts([known]))

    assert "75.0 %\nin the peak" in words(figure)
    assert figure.axes[0].get_ylim()[1] < 0.02  # the others are 10 of 2520 high


@pytest.mark.parametrize(("metric", "best"), [("accuracy", 0.9), ("log_loss", 0.1)])
def test_the_best_trial_is_at_the_right_end_whichever_way_the_metric_goes(metric, best):
    scores = (0.1, 0.5, 0.9)
    tried = [{"trial": 0, "score": s, "epochs": 3, "values": {"optimizer.lr": 1.0 + s}} for s in scores]

    figure = figures.parallel_coordinates(figures.search_facts(found(metric=metric, trials=tried)))

    (line,) = (line for line in figure.axes[0].lines if line.get_marker() == "D")
    assert_allclose(line.get_xdata(), [1.0, (best - 0.1) / 0.8], atol=1e-9)


def test_layers_are_named(drawn):
    assert {LAYERS[0], LAYERS[2]} <= set(words(drawn["norm_evolution"]))


# ------------------------------------------------------------------ no trace elsewhere


def test_drawing_loads_no_pyplot_and_no_torch_and_leaves_no_setting_behind(facts, tmp_path):
    kept = tmp_path / "facts.json"
    kept.write_text(json.dumps(facts))
    code = (
        "import json, sys, matplotlib\n"
        "before = matplotlib.rcParams.copy()\n"
        "from dampen import figures\n"
        f"facts = json.load(open({str(kept)!r}))\n"
        "for name, known in facts.items():\n"
        "    figures.as_svg(getattr(figures, name)(known), name)\n"
        "assert matplotlib.rcParams.copy() == before\n"
        "print(sorted({'matplotlib.pyplot', 'torch'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_look_is_ours_whatever_the_user_has_set(facts, drawn):
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "text.usetex": True}):
        figure = figures.forest(facts["forest"])
        svg = figures.as_svg(figure, "forest")

    assert svg == figures.as_svg(drawn["forest"], "forest")


# ------------------------------------------------------------------ as a text for a page


@EVERY
def test_the_svg_is_one_element_that_names_itself_and_is_the_same_every_time(name, drawn):
    svg = figures.as_svg(drawn[name], 'Loss & "more" <b>')
    root = ElementTree.fromstring(svg)

    assert root.tag.endswith("svg")
    assert (root.get("role"), root.get("aria-label")) == ("img", 'Loss & "more" <b>')
    assert svg == figures.as_svg(drawn[name], 'Loss & "more" <b>')
    assert "<text" in svg
    assert "date>" not in svg
    assert "http://www.w3.org/1999/xlink" not in svg.replace('xmlns:xlink="http://www.w3.org/1999/xlink"', "")


def test_no_id_of_one_figure_is_an_id_of_another(drawn):
    ids = [
        element.get("id")
        for name, figure in drawn.items()
        for element in ElementTree.fromstring(figures.as_svg(figure, name)).iter()
        if element.get("id")
    ]

    assert len(ids) == len(set(ids))


def test_a_search_of_five_hundred_trials_stays_small():
    known = figures.search_facts(found(ABLATION, trials=trials(500)))

    assert len(figures.as_svg(figures.parallel_coordinates(known), "trials")) < 400_000
