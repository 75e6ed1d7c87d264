"""Keyed draws: the same key gives the same numbers, alone or packed, and the numbers have their law."""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from numpy.random.bit_generator import ISeedSequence
from numpy.testing import assert_allclose
from scipy import stats
from torch.func import grad, vmap
from torch.testing import assert_close

from dampen import philox, randomness
from dampen.randomness import Key, beta, bits, keep, key_of, make_key, normal, permutation, seed_torch, stream, uniform

CPU = torch.device("cpu")
MANY = 200_000

DRAWS = {
    "bits": lambda key: bits(key, (3, 7)),
    "keep": lambda key: keep(key, 0.3, (3, 7), torch.float32),
    "uniform": lambda key: uniform(key, (3, 7), torch.float64),
    "normal": lambda key: normal(key, (3, 7), torch.float32),
    "beta": lambda key: beta(key, 0.4, (7,), torch.float64),
    "permutation": lambda key: permutation(key, 20),
}
every_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


def same(actual, expected):
    assert_close(actual, expected, rtol=0, atol=0)


def differ(first, second):
    assert (first != second).double().mean() > 0.1


def through_torch(seed, step):
    """A key whose numbers are not known: its draws go through torch's dispatcher, as in a packed step."""
    return key_of(torch.tensor([seed, step]), CPU, known=False)


# ------------------------------------------------------------------ keys


@every_draw
def test_the_same_key_draws_the_same_numbers(draw):
    same(draw(make_key(5, 9) / "Dropout" / "body.1"), draw(make_key(5, 9) / "Dropout" / "body.1"))


@every_draw
@pytest.mark.parametrize(
    "other",
    [
        make_key(6, 9) / "Dropout" / "body.1",
        make_key(5, 10) / "Dropout" / "body.1",
        make_key(5, 9) / "Dropout#2" / "body.1",
        make_key(5, 9) / "Dropout" / "body.2",
        make_key(5, 9) / "Dropout",
        make_key(9, 5) / "Dropout" / "body.1",
    ],
    ids=["seed", "step", "technique", "path", "parent", "seed and step swapped"],
)
def test_another_seed_step_or_name_draws_other_numbers(draw, other):
    differ(draw(make_key(5, 9) / "Dropout" / "body.1"), draw(other))


def test_sites_are_the_same_in_every_process_and_fit_63_bits():
    # `printf 0/MixUp | b2sum -l 64`, read as a little-endian number. Python's own hash of a string would
    # differ in the next process.
    site = (make_key(0, 0) / "MixUp").site

    assert site == int.from_bytes(bytes.fromhex("3e93d59469a01b36"), "little") >> 1
    assert 0 <= randomness.site_of(site, "mix") < 2**63


def test_names_and_whole_numbers_below_a_key_are_the_same_place():
    assert (make_key(0, 0) / 1).site == (make_key(0, 0) / "1").site


def test_a_drawing_between_two_draws_of_a_key_changes_nothing():
    key = make_key(1, 2) / "a"
    before = uniform(key, (5,), torch.float32)

    uniform(make_key(3, 4) / "b", (3,), torch.float32)

    same(uniform(key, (5,), torch.float32), before)


@pytest.mark.parametrize("words", [(0, 0, 0), (1, 2, 3), (2**62 + 7, 10**6, 2**63 - 1)])
def test_a_stream_is_numpys_own_sfc64_seeded_with_the_words(words):
    class Words(ISeedSequence):
        def generate_state(self, n_words, dtype=np.uint32):
            assert (n_words, np.dtype(dtype)) == (3, np.dtype(np.uint64))
            return np.array(words, dtype=np.uint64)

    numpys = np.random.Generator(np.random.SFC64(Words()))

    assert_allclose(stream(*words).random(50), numpys.random(50), rtol=0, atol=0)


# ------------------------------------------------------------------ packs


@every_draw
def test_packed_draws_are_the_draws_one_by_one_bit_for_bit(draw):
    words = torch.tensor([[3, 0], [3, 1], [8, 0], [2**40, 5]])
    site = (make_key(0, 0) / "x").site

    packed = vmap(lambda w: draw(Key(w, CPU, site)))(words)

    same(packed, torch.stack([draw(Key(w, CPU, site)) for w in words]))


@every_draw
def test_words_may_stand_on_any_axis(draw):
    words = torch.tensor([[3, 0], [3, 1], [8, 0]])

    packed = vmap(lambda w: draw(Key(w, CPU, 4)), in_dims=1)(words.T.contiguous())

    same(packed, torch.stack([draw(Key(w, CPU, 4)) for w in words]))


@every_draw
def test_nested_packs_are_the_draws_one_by_one_bit_for_bit(draw):
    words = torch.arange(12).view(3, 2, 2)

    packed = vmap(vmap(lambda w: draw(Key(w, CPU, 4))))(words)

    same(packed, torch.stack([torch.stack([draw(Key(w, CPU, 4)) for w in row]) for row in words]))


@pytest.mark.parametrize("scalar_draw", [keep, beta])
def test_packed_members_draw_with_their_own_strength(scalar_draw):
    words, strengths = torch.tensor([[3, 0], [3, 0], [8, 1]]), torch.tensor([0.1, 0.9, 0.5])

    def draw(w, strength):
        return scalar_draw(Key(w, CPU, 4), strength, (50,), torch.float32)

    one_by_one = torch.stack([draw(w, s) for w, s in zip(words, strengths, strict=True)])
    same(vmap(draw)(words, strengths), one_by_one)
    same(vmap(lambda s: draw(words[2], s))(strengths), torch.stack([draw(words[2], s) for s in strengths]))
    same(vmap(lambda w: draw(w, strengths[2]))(words), torch.stack([draw(w, strengths[2]) for w in words]))
    crossed = vmap(lambda w: vmap(lambda s: draw(w, s))(strengths))(words)
    same(crossed, torch.stack([torch.stack([draw(w, s) for s in strengths]) for w in words]))


@pytest.mark.parametrize("name", ["keep", "uniform", "normal"])
def test_draws_work_inside_a_packed_gradient_and_count_as_constants(name):
    words, points = torch.tensor([[3, 0], [4, 0]]), torch.ones(2, 3, 7)

    def loss(x, w):
        return (x * DRAWS[name](Key(w, CPU, 4)).to(x.dtype)).sum()

    gradients = vmap(grad(loss), randomness="error")(points, words)

    expected = torch.stack([DRAWS[name](Key(w, CPU, 4)) for w in words])
    same(gradients, expected.to(gradients.dtype))


def test_a_rate_that_asks_for_a_gradient_gets_zero():
    def kept(rate):
        return keep(through_torch(1, 1), rate, (20,), torch.float32).sum()

    same(grad(kept)(torch.tensor(0.5)), torch.tensor(0.0))


@every_draw
def test_fake_tensors_have_the_shape_and_kind_of_real_ones(draw):
    real = draw(through_torch(1, 1))

    with torch._subclasses.FakeTensorMode():
        fake = draw(through_torch(1, 1))

    assert (fake.shape, fake.dtype, fake.device) == (real.shape, real.dtype, real.device)


# ------------------------------------------------------------------ laws


def test_bits_are_uniform_over_all_16_bit_numbers():
    drawn = bits(make_key(1, 0), (MANY,)).double()

    assert drawn.min() < -32760
    assert drawn.max() > 32760
    assert_close(drawn.mean().item(), -0.5, rtol=0, atol=4 * 65536 / math.sqrt(12 * MANY))
    assert_close(drawn.var().item(), 65536**2 / 12, rtol=0.02, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_uniform_numbers_have_their_range_mean_and_variance(dtype):
    drawn = uniform(make_key(1, 0), (MANY,), dtype)

    assert drawn.dtype == dtype
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert_close(drawn.double().mean().item(), 0.5, rtol=0, atol=4 * math.sqrt(1 / 12 / MANY))
    assert_close(drawn.double().var().item(), 1 / 12, rtol=0.02, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_normal_numbers_have_mean_0_variance_1_and_kurtosis_3(dtype):
    drawn = normal(make_key(1, 0), (MANY,), dtype)

    assert drawn.dtype == dtype
    assert_close(drawn.double().mean().item(), 0.0, rtol=0, atol=4 / math.sqrt(MANY))
    assert_close(drawn.double().var().item(), 1.0, rtol=0.02, atol=0)
    assert_close(drawn.double().pow(4).mean().item(), 3.0, rtol=0.03, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_normal_numbers_have_the_normal_law(dtype):
    drawn = normal(make_key(1, 0), (MANY,), dtype).double().numpy()

    assert stats.kstest(drawn, "norm").statistic < 1.63 / math.sqrt(MANY)  # the 99 % point


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_short_normal_numbers_are_quantiles_symmetric_of_variance_1_and_at_most_4_325(dtype):
    table = randomness._normal_quantiles(dtype).double()

    drawn = normal(make_key(1, 0), (20 * MANY,), dtype).double()

    same(drawn.unique(), table.unique())
    same(table, -table.flip(0))
    assert_close(table.square().mean().item(), 1.0, rtol=0, atol=1e-8 if dtype == torch.float32 else 1e-5)
    assert_close(table.max().item(), 4.325, rtol=0, atol=0.02)


def test_a_short_normal_number_is_looked_up_by_the_16_bits_of_its_place():
    key = make_key(3, 4) / "x"
    table = randomness._normal_quantiles(torch.float32)

    drawn = normal(key, (101,), torch.float32)

    same(drawn, table[bits(key, (101,)).int() & 0xFFFF])


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_beta_numbers_have_mean_a_half_and_the_variance_of_their_alpha(alpha):
    drawn = beta(make_key(1, 0), alpha, (MANY,), torch.float64)

    variance = 1 / (4 * (2 * alpha + 1))
    assert_close(drawn.mean().item(), 0.5, rtol=0, atol=4 * math.sqrt(variance / MANY))
    assert_close(drawn.var().item(), variance, rtol=0.02, atol=0)


@pytest.mark.parametrize("alpha", [1e-300, 1e-9, 1e-3])
def test_beta_of_a_tiny_alpha_is_a_number_between_0_and_1(alpha):
    drawn = beta(make_key(1, 0), alpha, (1000,), torch.float64)

    assert ((drawn >= 0) & (drawn <= 1)).all()


def test_beta_of_alpha_0_is_1():
    same(beta(make_key(1, 0), 0.0, (4,), torch.float32), torch.ones(4))


def test_a_permutation_holds_every_number_once():
    drawn = permutation(make_key(1, 0), 100)

    same(drawn.sort().values, torch.arange(100))
    differ(drawn, torch.arange(100))


def test_every_number_of_a_permutation_comes_to_every_place():
    words = torch.stack([torch.zeros(3000, dtype=torch.int64), torch.arange(3000)], -1)

    drawn = vmap(lambda w: permutation(Key(w, CPU), 5))(words)

    counts = torch.nn.functional.one_hot(drawn, 5).double().mean(0)
    assert_close(counts, torch.full((5, 5), 0.2, dtype=torch.float64), rtol=0, atol=0.03)


# ------------------------------------------------------------------ dropout's mask

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_keep_silences_its_share_and_scales_the_rest(rate, dtype):
    mask = keep(make_key(2, 3), rate, (MANY,), dtype)

    silent = (mask == 0).double().mean().item()
    assert mask.dtype == dtype
    assert_close(silent, rate, rtol=0, atol=4 * math.sqrt(rate * (1 - rate) / MANY))
    same(mask[mask != 0].unique(), torch.tensor([1 / (1 - rate)], dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_keep_is_exactly_1_at_rate_0_and_exactly_0_at_rate_1(dtype):
    same(keep(make_key(2, 3), 0.0, (MANY,), dtype), torch.ones(MANY, dtype=dtype))
    same(keep(make_key(2, 3), 1.0, (MANY,), dtype), torch.zeros(MANY, dtype=dtype))


def test_the_mask_of_one_key_is_the_same_in_every_dtype():
    masks = [keep(make_key(2, 3), 0.5, (1001,), dtype) for dtype in DTYPES]

    for mask in masks[1:]:
        same(mask.double(), masks[0].double())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 7), (1,), (), (0, 4), (2, 5, 3, 3)], ids=str)
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.5, 0.9, 1.0, torch.tensor(0.3), torch.tensor(0.3, dtype=torch.float64)])
def test_the_mask_drawn_past_the_dispatcher_is_the_operator_s_bit_for_bit(dtype, shape, rate):
    for words in ((2, 3), (2**32 - 1, 10**6)):
        direct, general = (key / "Dropout" / "body.1" for key in (make_key(*words), through_torch(*words)))
        assert (direct.numbers, general.numbers) == (words, None), "else both took the same path"

        same(keep(direct, rate, shape, dtype), keep(general, rate, shape, dtype))


def test_only_words_on_the_cpu_that_are_known_are_known_as_numbers():
    words = torch.tensor([5, 9])

    assert key_of(words, CPU).numbers == make_key(5, 9).numbers == (5, 9)
    assert key_of(words, CPU, known=False).numbers is None
    assert key_of(words, torch.device("meta")).numbers is None


def test_a_higher_rate_silences_the_same_units_and_more():
    low, high = (keep(make_key(2, 3), rate, (1000,), torch.float32) for rate in (0.2, 0.6))

    same(high[low == 0], torch.zeros_like(high[low == 0]))


# ------------------------------------------------------------------ Philox, for other devices

ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([ONES] * 4, [ONES] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
    ids=["zeros", "ones", "digits of pi"],
)
def test_philox_gives_the_authors_known_answers(counter, key, expected):
    answer = philox.philox([torch.tensor([c]) for c in counter], [torch.tensor([k]) for k in key])

    same(torch.cat(answer), torch.tensor([int(word, 16) for word in expected.split()]))


@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_device_streams_are_packed_streams_with_mean_and_variance(draw):
    mean, variance = {"uniform": (0.5, 1 / 12), "normal": (0.0, 1.0)}[draw]
    words = torch.tensor([[1, 0], [2**40, 7]])

    drawn = getattr(philox, draw)(words, 2**62 + 5, (MANY // 4, 2), torch.float64, CPU)

    alone = getattr(philox, draw)(words[1], 2**62 + 5, (MANY // 4, 2), torch.float64, CPU)
    same(drawn[1], alone)
    differ(drawn[0], drawn[1])
    differ(drawn[..., 0], drawn[..., 1])
    assert_close(drawn.mean().item(), mean, rtol=0, atol=4 * math.sqrt(variance / MANY))
    assert_close(drawn.var().item(), variance, rtol=0.02, atol=0)


def test_the_device_mask_silences_its_share_and_scales_the_rest():
    words, rates = torch.tensor([[1, 0], [2, 0], [3, 0], [4, 0]]), torch.tensor([0.0, 0.25, 0.9, 1.0])

    masks = philox.keep(words, 5, rates, (MANY,), torch.float32, CPU)

    assert_close((masks == 0).float().mean(1), rates, rtol=0, atol=0.005)
    same(masks.amax(1), torch.where(rates < 1, 1 / (1 - rates), 0.0))


OTHERS = [(2, 0, 5), (1, 1, 5), (1, 0, 6), (1, 0, 5 + 2**32), (1 + 2**32, 0, 5)]


@pytest.mark.parametrize(("seed", "step", "site"), OTHERS)
def test_every_word_of_the_key_moves_the_device_stream(seed, step, site):
    first = philox.words32(torch.tensor([1, 0]), 5, 100, CPU)

    differ(first, philox.words32(torch.tensor([seed, step]), site, 100, CPU))


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs Triton, which runs its kernels on a CPU")
def test_the_kernel_of_a_gpu_makes_the_masks_of_the_definition():
    script = """
        import torch
        from dampen import kernels, philox
        kernels.BLOCK = 32
        words = torch.tensor([[7, 3], [2**40 + 5, 11], [1, 2], [9, 2**33]])
        rates = torch.tensor([0.25, 0.3, 1.0, 0.0])
        for dtype in (torch.float32, torch.float16):  # on a CPU it cuts bf16 off instead of rounding
            wanted = philox.keep_by_chain(words, 5319780545664339110, rates, (103,), dtype)
            made = kernels.keep(words, 5319780545664339110, rates, torch.empty_like(wanted))
            assert torch.equal(made, wanted)
        print("equal")
    """
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.stdout.strip() == "equal", done.stderr


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("rate", [0.0, 0.123, 0.5, 0.999999, 1.0])
def test_a_mask_drawn_inside_a_derivative_is_the_mask(dtype, rate):
    """An objective may differentiate a pass of its own, dropout in it, while members loop and keys are numbers."""
    randomness._mask_numbers.cache_clear()
    key, x = make_key(1, 2) / "Dropout", torch.ones(6, 7, dtype=dtype)

    drawn = grad(lambda x: (x * keep(key, rate, x.shape, dtype)).sum())(x)

    same(drawn, keep(key._replace(numbers=None), rate, x.shape, dtype))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_scales_of_masks_are_rounded_as_torch_rounds(dtype):
    for rate in np.random.default_rng(0).random(2000):
        _, becomes = randomness._mask_numbers(float(rate), dtype)
        same(torch.tensor(becomes), torch.tensor(1 / (1 - rate), dtype=dtype).view(torch.int16))


def test_seeding_torch_for_the_cpu_alone_gives_the_numbers_of_manual_seed():
    with torch.random.fork_rng(devices=[]):
        seed_torch(5)
        ours = torch.randn(3)
        torch.manual_seed(5)
        assert_close(ours, torch.randn(3), rtol=0, atol=0)
