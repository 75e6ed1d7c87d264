"""Texts become token ids, by a vocabulary that never looks at the test part and knows what training rows know."""

import pytest
import torch

from dampen.contracts import PADDING, UNKNOWN
from dampen.data.texts import MAX_LENGTH, MAX_WORDS, Vocabulary, known_of, tokens_of, vocabulary_of


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
