import functools

import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects

from dampen import reference
from dampen.randomness import make_key
from dampen.techniques.model.drop_block import DropBlock

SIDES, SIZES = (7, 14, 28), (2, 3, 5, 7)
MAPS = 20_000


def kept_by(technique, *shape):
    """True where an activation of ones came through."""
    x = torch.ones(shape)
    return technique.activation(x, technique.draw(x, make_key(1, 1), an_at()), an_at()) != 0


def silenced_by_dampen(height, width, block_size, rate):
    return 1 - kept_by(DropBlock(rate, block_size), MAPS // 20, 20, height, width).double().mean().item()


# ------------------------------------------------------------------ the definition


@pytest.mark.parametrize("places", [(5, 8), (8, 5), (4, 4), (9,), (3, 4, 5)], ids=str)
@pytest.mark.parametrize("block_size", [1, 2, 3, 7])
def test_it_is_the_definition(places, block_size):
    technique, x = lifted(DropBlock(0.3, block_size)), numbers(3, 4, *places).requires_grad_()
    draws = technique.draw(x, make_key(3, 5), an_at())

    y = technique.activation(x, draws, an_at())
    (grad_x,) = torch.autograd.grad(y.sum(), x)

    seeds = ~draws["free"].numpy()
    agrees(y, reference.drop_block(x.detach().numpy(), seeds, block_size))
    agrees(grad_x, reference.drop_block(torch.ones_like(x).numpy(), seeds, block_size))
    if technique.clipped(places) != DropBlock(0.3, max(block_size - 1, 1)).clipped(places):
        rejects(y, reference.drop_block(x.detach().numpy(), seeds, block_size - 1))


@pytest.mark.parametrize("places", [(7, 7), (14, 7), (7, 28), (4, 3), (20,), (4, 5, 6)], ids=str)
@pytest.mark.parametrize("block_size", [1, 2, 5, 7])
@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.99])
def test_the_rate_of_seeds_is_the_one_whose_expected_share_is_the_rate(places, block_size, rate):
    found = lifted(DropBlock(rate, block_size)).seed_rate(places)

    agrees(found, reference.drop_block_seed_rate(places, block_size, rate), rtol=1e-9)
    rejects(found, reference.drop_block_seed_rate(places, block_size, rate * 1.01))


def test_the_edges_are_exact_rate_0_changes_no_bit_and_rate_1_silences_everything():
    x = numbers(6, 5, 9, 9).requires_grad_()
    still, gone = (
        technique.activation(x, technique.draw(x, make_key(1, 1), an_at()), an_at())
        for technique in (lifted(DropBlock(rate, 3)) for rate in (0.0, 1.0))
    )

    (grad_x,) = torch.autograd.grad(gone.sum(), x)

    zeros = torch.zeros_like(x)
    agrees([still, gone, grad_x], [x, zeros, zeros], rtol=0, atol=0)
    agrees(lifted(DropBlock(1.0, 3)).seed_rate((500, 500)), 1.0, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_mean_over_the_batch_stays(dtype):
    technique, x = lifted(DropBlock(0.3, 3)), torch.ones(50, 20, 9, 9, dtype=dtype)

    y = technique.activation(x, technique.draw(x, make_key(1, 1), an_at()), an_at())

    assert y.dtype == dtype
    agrees(y.double().mean(), 1.0, rtol=4e-3 if dtype == torch.bfloat16 else 1e-6)


def test_examples_and_channels_have_blocks_of_their_own():
    kept = kept_by(DropBlock(0.5, 3), 40, 40, 9, 9).double()

    rejects(kept[1:], kept[:-1])
    rejects(kept[:, 1:], kept[:, :-1])
    agrees(kept.mean(), 0.5, rtol=0.05)


# ------------------------------------------------------------------ how much is silenced


@pytest.mark.parametrize("height", SIDES)
@pytest.mark.parametrize("width", SIDES)
@pytest.mark.parametrize("block_size", SIZES)
def test_a_tenth_is_silenced_at_rate_a_tenth(height, width, block_size):
    agrees(silenced_by_dampen(height, width, block_size, 0.1), 0.1, rtol=0.1)


@pytest.mark.parametrize(("height", "width"), [(3, 3), (3, 8), (8, 3)])
def test_a_block_larger_than_the_map_silences_its_share_as_well(height, width):
    agrees(silenced_by_dampen(height, width, 7, 0.1), 0.1, rtol=0.1)


def blocks_around(seeds, size):
    grown = torch.nn.functional.max_pool2d(seeds.float(), size, stride=1, padding=size // 2)
    return grown[..., : seeds.shape[-2], : seeds.shape[-1]]


def seeds_everywhere(height, width, size, rate):
    """The formula is for seeds where a whole block fits, but seeds stand everywhere."""
    clipped = min(size, height, width)
    gamma = rate * height * width / clipped**2 / ((height - clipped + 1) * (width - clipped + 1))
    seeds = torch.rand(MAPS, 1, height, width, generator=torch.Generator().manual_seed(0)) < gamma
    return blocks_around(seeds, clipped).mean().item()


def one_side_for_both(height, width, size, rate):
    """The formula takes the height for the width."""
    gamma = rate * height**2 / size**2 / (height - size + 1) ** 2
    valid = (MAPS, 1, height - size + 1, width - size + 1)
    seeds = torch.rand(valid, generator=torch.Generator().manual_seed(0)) < gamma
    return blocks_around(torch.nn.functional.pad(seeds, [size // 2] * 4), size).mean().item()


def clipped_in_one_place(height, width, size, rate):
    """The block is clipped to the map, the block of the formula is not."""
    clipped = min(size, height, width)
    gamma = rate * height * width / size**2 / ((height - clipped + 1) * (width - clipped + 1))
    valid = (MAPS, 1, height - clipped + 1, width - clipped + 1)
    seeds = torch.rand(valid, generator=torch.Generator().manual_seed(0)) < gamma
    return blocks_around(torch.nn.functional.pad(seeds, [clipped // 2] * 4), clipped).mean().item()


@pytest.mark.parametrize(
    ("faulty", "height", "width", "share"),
    [(seeds_everywhere, 7, 7, 0.93), (one_side_for_both, 7, 28, 0.42), (clipped_in_one_place, 3, 3, 0.018)],
    ids=["seeds everywhere", "one side for both", "clipped in one place"],
)
def test_the_test_above_would_find_the_faults_of_others(faulty, height, width, share):
    silenced = faulty(height, width, 7, 0.1)

    rejects(torch.tensor(silenced), torch.tensor(0.1), at_least=0.1)
    agrees(silenced, share, rtol=0.05)


def test_the_linear_formula_of_the_paper_silences_too_little_where_blocks_overlap():
    solve = functools.partial(reference.drop_block_seed_rate, (28, 28), 7)

    linear = 0.3 / 7**2 * 28**2 / 22**2

    assert solve(0.25) < linear < solve(0.3)
