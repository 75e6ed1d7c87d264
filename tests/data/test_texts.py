"""Texts become token ids, by a vocabulary that never looks at the test part and knows what training rows know."""

import re

import pytest
import torch
from tabular_sets import SHARED, needs_shared

from dampen.contracts import PADDING, UNKNOWN
from dampen.data.duplicates import duplicates
from dampen.data.open import open_data
from dampen.data.split import split
from dampen.data.tables import load_table
from dampen.data.texts import MAX_LENGTH, MAX_WORDS, Vocabulary, known_of, tokens_of, vocabulary_of
from dampen.errors import DampenError


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't, he said.", ["don't", ",", "he", "said", "."]),
        ("  A\tb\nC  ", ["a", "b", "c"]),
        ("straße 12-3", ["straße", "12", "-", "3"]),
        ("", []),
        ("…", ["…"]),
    ],
)
def test_a_text_is_words_in_lower_case_and_single_marks(text, tokens):
    assert tokens_of(text) == tokens


def test_words_are_numbered_by_how_often_they_occur():
    vocabulary = vocabulary_of(["b a c", "a b", "a", None])

    assert vocabulary.words == ("a", "b", "c")
    assert (len(vocabulary), vocabulary.length) == (5, 3)


def test_a_text_is_its_ids_and_then_padding():
    vocabulary = Vocabulary(("a", "b"), 3)

    encoded = vocabulary.encode(["b x A", "a", None, "b b b b a"])

    assert encoded.tolist() == [[3, UNKNOWN, 2], [2, PADDING, PADDING], [PADDING] * 3, [3, 3, 3]]
    assert encoded.dtype == torch.int64
    assert vocabulary.decode(encoded[0].tolist()) == ["b", "?", "a"]


def test_words_and_lengths_have_limits():
    vocabulary = vocabulary_of([" ".join(f"w{number}" for number in range(MAX_WORDS + 5))])

    assert (len(vocabulary.words), vocabulary.length) == (MAX_WORDS, MAX_LENGTH)


def test_a_training_part_knows_what_it_has_twice():
    ids = torch.tensor([[2, 3, PADDING], [3, 4, PADDING]])

    assert known_of(ids, 6).tolist() == [True, True, False, True, False, False]


# ------------------------------------------------------------------ a column of a table


def a_table(tmp_path, rows=30, **columns):
    texts = ["How far is it ?", "Who wrote it ?", "what is it"]
    lines = [f'{texts[row % 3]},{row % 3},"{row}, x"' for row in range(rows)]
    path = tmp_path / "questions.csv"
    path.write_text("\n".join(["question,kind,other", *lines]))
    return path


def test_a_column_of_texts_is_the_input_and_other_columns_are_left_out(tmp_path):
    data = open_data(a_table(tmp_path), target="kind", text="question")

    assert data.inputs.shape == (30, 5)
    assert data.vocabulary.decode(data.inputs[1].tolist()) == ["who", "wrote", "it", "?"]
    assert data.num_tokens == len(data.vocabulary) == 2 + 8
    assert data.words == {"tokens", "classes"}
    assert data.notes == ("left out beside the text: other",)
    assert "texts of up to 5 tokens, 10 words" in data.describe()


def test_the_vocabulary_never_looks_at_a_test_part_of_its_own(tmp_path):
    train = a_table(tmp_path)
    held_out = tmp_path / "test.csv"
    held_out.write_text("question,kind,other\n" + "\n".join(f"zebra far,{row % 3},1" for row in range(9)))

    data = load_table(train, test=held_out, target="kind", text="question")

    assert "zebra" not in data.vocabulary.words
    assert data.vocabulary.decode(data.inputs[-1].tolist()) == ["?", "far"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"text": "kind"}, "A column must have one use; kind has two."),
        ({"text": "quest"}, "Unknown column 'quest'. Did you mean 'question'?"),
        ({"text": "question", "categorical": ["other"]}, "A text must be learned from alone; got --categorical too."),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(tmp_path, options, said):
    with pytest.raises(DampenError, match=re.escape(said)):
        open_data(a_table(tmp_path), target="kind", **options)


def test_an_empty_column_is_no_text(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("t,y\n" + "\n".join(f",{row % 2}" for row in range(20)))

    with pytest.raises(DampenError, match="must hold texts; all its cells are empty"):
        open_data(path, target="y", text="t")


def test_texts_stand_twice_only_where_all_tokens_are_equal(tmp_path):
    path = tmp_path / "texts.csv"
    rows = [f"word{row} and more,{row % 2}" for row in range(30)]
    path.write_text("\n".join(["t,y", *rows, *rows[:4]]))
    data = open_data(path, target="y", text="t")

    found = [duplicates(data, split(data, seed)) for seed in range(8)]

    assert sum(each.test.near + each.validation.near for each in found) == 0
    assert sum(each.test.exact + each.validation.exact for each in found) > 0


@needs_shared
def test_the_questions_of_trec_are_read():
    data = open_data(SHARED / "text" / "trec.csv.gz", target="target", text="text")

    assert (len(data.inputs), len(data.classes), data.inputs.shape[1]) == (5952, 6, 37)
    assert data.vocabulary.decode(data.inputs[2].tolist())[:6] == ["how", "can", "i", "find", "a", "list"]
    assert data.notes == ("left out beside the text: split, fine",)


def test_texts_from_which_nothing_can_be_learned_are_counted(tmp_path):
    texts = [*["good film", "bad film", "good show", "bad show"] * 5, "", "...", "zzz yyy"]
    rows = [f'"{text}",{row % 2},train\n' for row, text in enumerate(texts)]
    (tmp_path / "texts.csv").write_text("text,y,split\n" + "".join(rows) + '"qqq zzz",1,test\n"good qqq",0,test\n')

    data = load_table(tmp_path / "texts.csv", target="y", text="text", split="split")

    assert data.notes == ("1 text without a word", "2 texts of words too rare to be learned")
