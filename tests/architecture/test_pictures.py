"""The page of techniques and its pictures are those of the catalogue. `make pictures` writes both."""

import re
from pathlib import Path

import pytest

from dampen.cards import catalogue

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "techniques.md").read_text(encoding="utf-8")
CARDS = catalogue()
LARGEST = 40 * 1024


def named(record):
    return record["name"]


def test_the_page_has_the_techniques_in_the_order_of_the_catalogue():
    assert re.findall(r"^### (\w+)$", PAGE, re.MULTILINE) == [record["name"] for record in CARDS]
    assert re.findall(r"^## (\w+)$", PAGE, re.MULTILINE) == list(dict.fromkeys(record["room"] for record in CARDS))


@pytest.mark.parametrize("record", CARDS, ids=named)
def test_the_page_says_what_the_card_says(record):
    told = PAGE.partition(f"### {record['name']}\n")[2].partition("\n### ")[0]

    assert all(f"    {line}\n" in told for line in record["rule"].splitlines())
    assert record["use"] in told
    assert record["source"] in told
    assert f"(techniques/{record['name']}.png)" in told


@pytest.mark.parametrize("record", CARDS, ids=named)
def test_every_technique_has_a_small_picture(record):
    path = DOCS / "techniques" / f"{record['name']}.png"

    assert path.is_file(), "make pictures"
    assert path.stat().st_size <= LARGEST


def test_there_is_no_picture_of_what_is_no_technique():
    assert {path.stem for path in (DOCS / "techniques").iterdir()} == {record["name"] for record in CARDS}
