import warnings

import pytest
import torch
from helpers import agrees, an_at, lifted, one_hot, rejects

from dampen import reference
from dampen.contracts import PADDING, Batch
from dampen.randomness import make_key
from dampen.techniques.batch.token_swap import TokenSwap


def a_text_batch(rows=40, length=12, seed=0):
    source = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, 30, (rows, length), generator=source)
    lengths = torch.randint(0, length + 1, (rows, 1), generator=source)
    ids = torch.where(torch.arange(length) < lengths, ids, PADDING)
    return Batch(ids, one_hot(rows, 3), torch.ones(rows, dtype=torch.float64))


def swapped(batch, rate, key):
    technique = lifted(TokenSwap(rate))
    draws = technique.draw(batch, key, an_at())
    return draws["uniform"], technique.batch(batch, draws, an_at()).inputs


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.4, 1.0])
def test_the_chosen_words_change_places_as_defined(rate):
    batch = a_text_batch()

    uniform, changed = swapped(batch, rate, make_key(3, 5))

    rows = list(zip(batch.inputs.tolist(), uniform.tolist(), strict=True))
    agrees(changed, torch.tensor([reference.token_swap(text, numbers, rate) for text, numbers in rows]))
    if 0 < rate < 1:
        nudged = torch.tensor([reference.token_swap(text, numbers, rate + 0.1) for text, numbers in rows])
        rejects(changed, nudged)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_every_text_keeps_its_words_and_its_padding(rate):
    batch = a_text_batch()

    _, changed = swapped(batch, rate, make_key(1, 1))

    agrees(changed.sort(-1).values, batch.inputs.sort(-1).values)
    agrees(changed == PADDING, batch.inputs == PADDING)
    if rate == 0:
        agrees(changed, batch.inputs)


def test_at_rate_1_every_word_of_a_text_of_two_or_more_moves():
    batch = Batch(torch.arange(2, 14).expand(30, 12), one_hot(30, 3), torch.ones(30))

    _, changed = swapped(batch, 1.0, make_key(1, 1))

    assert (changed != batch.inputs).all()


def test_the_share_of_words_that_move_is_the_rate_in_long_texts():
    batch = Batch(torch.arange(2, 402).expand(100, 400), one_hot(100, 3), torch.ones(100))

    _, changed = swapped(batch, 0.1, make_key(1, 1))

    agrees((changed != batch.inputs).double().mean(), 0.1, rtol=0.05)


def test_every_other_place_is_as_likely_to_be_where_a_word_goes():
    batch = Batch(torch.arange(2, 8).expand(20_000, 6), one_hot(20_000, 3), torch.ones(20_000))

    _, changed = swapped(batch, 1.0, make_key(1, 1))

    shares = torch.stack([(changed == word).double().mean(0) for word in range(2, 8)])
    agrees(shares, (1 - torch.eye(6, dtype=torch.float64)) / 5, atol=0.01)


def test_members_of_a_pack_swap_without_a_slow_path():
    ids = torch.stack([a_text_batch(seed=seed).inputs for seed in range(3)])
    uniform, targets = torch.rand(3, 40, 12, dtype=torch.float64), one_hot(40, 3)
    rates = torch.tensor([0.0, 0.2, 1.0], dtype=torch.float64)

    def one(rate, ids, uniform):
        technique = lifted(TokenSwap())
        object.__setattr__(technique, "rate", rate)
        return technique.batch(Batch(ids, targets, targets), {"uniform": uniform}, an_at()).inputs

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together = torch.func.vmap(one)(rates, ids, uniform)

    agrees(together, torch.stack([one(rates[k], ids[k], uniform[k]) for k in range(3)]))
