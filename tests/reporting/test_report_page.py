"""The page of a report: every word stems from the facts, and nothing that a name holds becomes part of the page."""

import dataclasses
import itertools
import json
import re
from importlib.resources import files

import pytest
from figure_records import NASTY
from report_records import GAIN, HARM, NOTHING, Page, compared, searched

import dampen
from dampen import DampenError
from dampen.reporting.facts import report_facts
from dampen.reporting.page import format_of, markdown, render

MIXED = {
    "LabelSmoothing": ("LabelSmoothing", GAIN, 1.5),
    "Dropout + EMA": ("Dropout + EMA", NOTHING, 1.2),
    "L1": ("L1", HARM, 1.1),
}
ANSWERS = {"comparison": compared(MIXED, examples=["L1"]), "search": searched(), "few": compared(MIXED, seeds=2)}
OURS = {"In plain words", "In detail"}
"""Words of the template itself."""
ATTACKS = [
    *NASTY,
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    "\"'><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "line one\nline two\r\n# heading",
    "a | b `code` ```fence [link](javascript:alert(1)) **bold**",
    "javascript:alert(1)",
    "&lt;b&gt; &#60;",
]


@pytest.fixture(scope="module", params=ANSWERS)
def written(request):
    """facts and page"""
    facts = report_facts(ANSWERS[request.param], "A note with 3 words.")
    return facts, render(facts)


def texts_in(value):
    """Every text of a record."""
    if isinstance(value, str):
        yield " ".join(value.split())
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts_in(part)


def test_every_text_of_the_page_is_one_of_the_facts(written):
    facts, page = written
    known = {*texts_in(facts), *OURS}

    assert [text for text in Page(page).texts if text not in known] == []


def test_every_sentence_and_cell_of_the_facts_is_on_the_page(written):
    facts, page = written
    shown = {*Page(page).texts}
    parts = [{k: v for k, v in part.items() if k not in ("name", "figures", "tables")} for part in facts["technical"]]
    cells = [cell for part in facts["technical"] for one in part["tables"] for row in one["rows"] for cell in row]

    wanted = {text for text in texts_in([facts["answer"], facts["notes"], parts, cells]) if text}

    assert wanted - shown == set()


def test_the_facts_are_embedded_as_they_are(written):
    facts, page = written

    parsed = Page(page)

    assert [json.loads(data) for data in parsed.data] == [facts]
    assert parsed.named("script") == [{"type": "application/json", "id": "dampen-facts"}]


def test_the_page_reaches_for_nothing(written):
    page = Page(written[1])

    (policy,) = [m["content"] for m in page.named("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in page.named("img"))
    assert {link["href"] for link in page.named("a")} == {"#plain", "#technical"}
    assert not page.named("link")
    assert "url(" not in written[1]
    assert "@import" not in written[1]


def test_the_page_is_built_as_readers_of_all_kinds_need_it(written):
    page = Page(written[1])

    assert page.named("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert len(page.named("caption")) == len(page.named("table"))
    assert {head["scope"] for head in page.named("th")} == {"row", "col"}
    assert all(len(image["alt"]) > 10 for image in page.named("img"))
    assert len(page.named("figcaption")) == len(page.named("figure"))
    assert all("open" in one for one in page.named("details"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    regions = [a for tag, a in page.elements if a.get("role") == "region"]
    assert all(a["tabindex"] == "0" and ("aria-label" in a or a["aria-labelledby"] in ids) for a in regions)


def test_the_page_is_small(written):
    assert len(written[1].encode()) < 3e6


def test_a_real_gain_has_figures_of_all_kinds():
    names = {one["draw"] for part in report_facts(ANSWERS["comparison"])["technical"] for one in part["figures"]}
    assert names == {
        "forest", "cost_against_gain", "loss_curves", "overview", "reliability", "sparsity", "augmented_inputs",
    }  # fmt: skip
    names = {one["draw"] for part in report_facts(ANSWERS["search"])["technical"] for one in part["figures"]}
    assert names == {"ablation_bars", "parallel_coordinates", "loss_curves", "overview", "reliability", "sparsity"}


# ------------------------------------------------------------------ names that mean harm


def with_names(name):
    """A comparison in which everything that a person may name is named so; figures beside it are tested elsewhere."""
    table = {name: ("Dropout + EMA", GAIN, 1.2)}
    answer = compared(
        table, histories=False, data=name, notes=[name], duplicates=name, model=f"{name}(3)", machine=name
    )
    return dataclasses.replace(answer, notes={name: [name], "baseline": []}, versions={"dampen": name})


def structure(name):
    page = Page(render(report_facts(with_names(name), notes=name.replace("\n", " ").replace("\r", " "), title=name)))
    attributes = [(tag, sorted(own), own.get("id"), own.get("role")) for tag, own in page.elements]
    return [(tag, names, known, role) for tag, names, known, role in attributes], page


@pytest.mark.parametrize("name", ATTACKS)
def test_names_change_no_element_of_the_page(name):
    harmless, _ = structure("a name that is long enough to be wrapped, 50 letters")

    attacked, page = structure(name)

    def without_classes(elements):
        return [(tag, [n for n in names if n != "class"], known, role) for tag, names, known, role in elements]

    assert without_classes(attacked) == without_classes(harmless)
    assert not [n for _, own in page.elements for n in own if n.startswith("on")]
    assert not re.search("[<>&]", page.data[0])  # nothing there for a parser to stumble over


@pytest.mark.parametrize("name", ["harmless", ATTACKS[6]])
def test_names_change_no_element_where_figures_are_drawn(name):
    answer = compared({name: ("Dropout + EMA", GAIN, 1.2)}, examples=[name])

    page = Page(render(report_facts(answer)))

    assert len(page.named("img")) == 11
    assert {tag for tag, _ in page.elements if tag in ("script", "svg", "b", "iframe")} == {"script"}
    assert len(page.named("script")) == 1


@pytest.mark.parametrize("name", ATTACKS)
def test_names_turn_no_letters_round_and_hide_none(name):
    text = render(report_facts(with_names(name), title=name))

    assert not re.search("[\u202a-\u202e\u2066\u2067\u200e\u200f\x00-\x09\x0b-\x1f]", text)
    assert text.count("\u2068") == text.count("\u2069")


@pytest.mark.parametrize("name", ATTACKS)
def test_names_break_no_markdown(name):
    text = render(report_facts(with_names(name), title=name, notes=name), "md")

    outside = re.sub(r"(?ms)^(`{3,})$.*?^\1$", "", text)
    assert not re.search(r"<[a-zA-Z/!]", outside)
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    (results,) = re.findall(r"(?ms)^\| recipe \| score.*?\n\n", outside)
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in results.strip().splitlines()}
    assert len(widths) == 1
    assert len(rows) > 5
    harmless = render(report_facts(with_names("harmless"), title="harmless", notes="harmless"), "md")
    heads = [line for line in outside.splitlines() if line.startswith("#")]
    assert len(heads) == len([line for line in harmless.splitlines() if line.startswith("#")])


def test_markdown_means_nothing_but_its_text():
    assert markdown("a_b*c*|`<b>`[x](y)\nz") == r"a\_b\*c\*\|\`&lt;b&gt;\`\[x\](y) z"
    assert markdown("# no heading") == r"\# no heading"
    assert markdown("1. no list, 2.5 points") == r"1\. no list, 2.5 points"
    assert markdown("-0.3 to +0.4") == r"\-0.3 to +0.4"
    assert markdown("2.5 points") == "2.5 points"


def test_markdown_says_what_figures_show():
    facts = report_facts(ANSWERS["comparison"])

    text = render(facts, "md")

    alts = [one["alt"] for part in facts["technical"] for one in part["figures"]]
    assert all(markdown(alt) in text for alt in alts)
    assert "base64" not in text


# ------------------------------------------------------------------ writing


def test_dampen_report_writes_what_the_ending_says(tmp_path):
    dampen.report(compared({}), tmp_path / "a.html", title="Mine")
    dampen.report(compared({}), tmp_path / "a.md", title="Mine")

    assert (tmp_path / "a.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert (tmp_path / "a.md").read_text("utf-8").startswith("# Mine\n")


def test_an_error_leaves_what_was_there(tmp_path):
    page = tmp_path / "a.html"
    page.write_text("as it was")

    with pytest.raises(DampenError, match="format must be html or md; got 'pdf'"):
        dampen.report(compared({}), page, "pdf")
    with pytest.raises(DampenError, match="must be of a Comparison"):
        dampen.report("digits", page)
    with pytest.raises(OSError, match="No such file"):
        dampen.report(compared({}), tmp_path / "nowhere" / "a.html")

    assert page.read_text() == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


@pytest.mark.parametrize(("path", "format"), [("a.md", "md"), ("a.MARKDOWN", "md"), ("a.html", "html"), ("a", "html")])
def test_the_ending_decides_the_format(path, format):
    assert format_of(path) == format


def test_the_templates_are_part_of_the_package():
    names = {path.name for path in files("dampen.reporting").joinpath("templates").iterdir()}
    assert names == {"report.html", "report.md", "report.css"}
