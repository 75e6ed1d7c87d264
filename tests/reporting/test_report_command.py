"""`dampen report` as a person runs it: what it takes, what it refuses, and that nothing half-done is left."""

import json
import re

import pytest
from commands import run
from report_records import GAIN, Page, compared, searched

from dampen.errors import DampenError
from dampen.study.answers import read_answer
from dampen.study.store import Store

COMPARISON = compared({"Dropout": ("Dropout", GAIN, 1.2)}, histories=False)
SEARCH = searched(histories=False)
RECORD = COMPARISON.to_record()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A comparison, a search and a storage with one study that is done and one that is not."""
    path = tmp_path_factory.mktemp("report")
    COMPARISON.save(path / "comparison.json")
    SEARCH.save(path / "search.json")
    store = Store(path / "studies.db")
    for name in ("done", "begun"):
        store.create(name, higher_is_better=True, about={"identity": {"data": "digits"}})
    store.describe("done", {"answer": SEARCH.to_record()})
    return path


@pytest.mark.parametrize("name", ["comparison.json", "search.json"])
def test_a_file_becomes_a_page(folder, tmp_path, name):
    done = run(folder, "report", name, "--out", tmp_path / "r.html", "--title", "My page", "--notes", "Mine.\nToo.")

    assert (done.code, done.err) == (0, "")
    assert done.out == f"The report: {tmp_path / 'r.html'}\n"
    page = Page((tmp_path / "r.html").read_text("utf-8"))
    assert page.texts[0] == "My page"
    assert {"Mine.", "Too."} < {*page.texts}


def test_a_study_becomes_a_page_in_place_of_what_was_there(folder, tmp_path):
    out = tmp_path / "r.txt"
    out.write_text("old")

    done = run(folder, "report", "done", "--storage", folder / "studies.db", "--out", out, "--format", "md")

    assert (done.code, done.err) == (0, "")
    assert out.read_text("utf-8").startswith("# What helps a network on digits?\n\n**Train with found 1")


def without(record, *names):
    return {name: value for name, value in record.items() if name not in names}


BAD = {
    "cut.json": (json.dumps(RECORD)[:2000].encode(), "is no whole JSON file"),
    "empty.json": (b"", "is empty"),
    "binary.json": (bytes(range(256)), "is no text"),
    "deep.json": (b"[" * 100_000, "is no whole JSON file"),
    "list.json": (b"[1, 2]", "is JSON of another kind"),
    "kind.json": (b'{"kind": "dampen diagnosis"}', "is JSON of another kind"),
    "lacking.json": (json.dumps(without(RECORD, "scores")).encode(), "must have 'scores'"),
    "changed.json": (json.dumps({**RECORD, "scores": 3}).encode(), "has been changed"),
    "evidence.json": (json.dumps({**RECORD, "evidence": [{}]}).encode(), "has been changed"),
    "protocol.json": (json.dumps({**RECORD, "protocol": {}}).encode(), "must have 'metric'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_told_in_one_sentence(tmp_path, name):
    content, told = BAD[name]
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DampenError, match=re.escape(told)) as raised:
        read_answer(tmp_path / name)

    assert "\n" not in str(raised.value)


def test_a_bad_file_ends_the_command_and_leaves_no_page(tmp_path):
    (tmp_path / "cut.json").write_bytes(BAD["cut.json"][0])

    refused(run(tmp_path, "report", "cut.json", "--out", "r.html"), BAD["cut.json"][1])

    assert [path.name for path in tmp_path.iterdir()] == ["cut.json"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing", "--out", "r.html"], "Unknown study or file 'nothing'"),
        ([".", "--out", "r.html"], "Unknown study or file '.'"),
        (["missing.json", "--out", "r.html"], "Unknown study or file 'missing.json'"),
        (["c.json", "--out", "nowhere/r.html"], "--out must be a file that can be written"),
        (["c.json", "--out", "."], "--out must be a file that can be written"),
        (["c.json", "--out", "r.html", "--format", "pdf"], "format must be html or md; got 'pdf'"),
        (["c.json"], "Missing option '--out'"),
    ],
)
def test_bad_words_are_told_in_one_sentence(tmp_path, arguments, told):
    COMPARISON.save(tmp_path / "c.json")

    refused(run(tmp_path, "report", *arguments), told)

    assert [path.name for path in tmp_path.iterdir()] == ["c.json"]


def test_a_study_that_is_not_done_is_told(folder, tmp_path):
    refused(run(tmp_path, "report", "begun", "--storage", folder / "studies.db", "--out", "r.html"), "must be done")

    assert not list(tmp_path.iterdir())


def refused(done, told):
    assert done.code == 2
    assert done.out == ""
    assert told in done.err
    assert done.err.count("\n") == 1


def test_compare_writes_its_report_at_the_end(tmp_path):
    short = ["--recipe", "Dropout", "--seeds", "2", "--epochs", "1", "--report", "r.html"]

    done = run(tmp_path, "compare", "digits", *short)

    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\nThe report: r.html\n")
    assert "Decide nothing yet." in Page((tmp_path / "r.html").read_text("utf-8")).texts


@pytest.mark.parametrize("command", ["compare", "search"])
def test_a_report_that_cannot_be_written_is_told_before_anything_is_trained(tmp_path, command):
    refused(run(tmp_path, command, "digits", "--report", "nowhere/r.html"), "--report must be a file")
