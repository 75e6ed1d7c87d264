import pytest
import torch
from helpers import agrees, an_at, lifted, one_hot, rejects

from dampen import reference
from dampen.contracts import PADDING, UNKNOWN, Batch
from dampen.randomness import make_key
from dampen.techniques.batch.token_dropout import TokenDropout


def a_text_batch(rows=6, length=9, seed=0):
    source = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, 30, (rows, length), generator=source)
    lengths = torch.randint(1, length + 1, (rows, 1), generator=source)
    ids = torch.where(torch.arange(length) < lengths, ids, PADDING)
    return Batch(ids, one_hot(rows, 3), torch.ones(rows, dtype=torch.float64))


@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0])
def test_dropped_words_become_unknown(rate):
    batch, technique = a_text_batch(), lifted(TokenDropout(rate))
    draws = technique.draw(batch, make_key(3, 5), an_at())

    changed = technique.batch(batch, draws, an_at())

    dropped = (draws["keep"] == 0).tolist()
    texts = zip(batch.inputs.tolist(), dropped, strict=True)
    agrees(changed.inputs, torch.tensor([reference.token_dropout(text, gone) for text, gone in texts]))
    assert changed.inputs.dtype == torch.int64
    assert changed.targets is batch.targets
    assert changed.weights is batch.weights


def test_rate_0_changes_nothing_and_rate_1_leaves_padding_alone():
    batch = a_text_batch()
    for rate, expected in ((0.0, batch.inputs), (1.0, (batch.inputs != PADDING) * UNKNOWN)):
        technique = lifted(TokenDropout(rate))
        draws = technique.draw(batch, make_key(1, 1), an_at())
        agrees(technique.batch(batch, draws, an_at()).inputs, expected)


def test_the_share_of_words_made_unknown_is_the_rate():
    batch = Batch(torch.full((500, 40), 7), one_hot(500, 3), torch.ones(500))
    technique = lifted(TokenDropout(0.2))

    changed = technique.batch(batch, technique.draw(batch, make_key(1, 1), an_at()), an_at()).inputs

    agrees((changed == UNKNOWN).double().mean(), 0.2, rtol=0.05)
    rejects((changed == UNKNOWN).double().mean(), 0.25, at_least=0.05)
