import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, rejects

from dampen import reference
from dampen.data.facts import facts_of
from dampen.randomness import make_key
from dampen.techniques.batch.color_jitter import ColorJitter

SOME = {"brightness": 0.3, "contrast": 0.5, "saturation": 0.8}
STILL = dict.fromkeys(SOME, 0.0)


def setting(*shape):
    """Images in raw units, 0 to 255 or so, each channel with a range of its own."""
    batch = a_batch(*shape)
    offset = torch.arange(shape[1], dtype=torch.float64)[:, None, None]
    batch = batch._replace(inputs=100 + 30 * batch.inputs * (1 + offset) + 20 * offset)
    return batch, an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))


def jittered(batch, at, strengths):
    technique = lifted(ColorJitter(**strengths))
    draws = technique.draw(batch, make_key(3, 5), at)
    return technique.batch(batch, draws, at), draws["uniform"].numpy()


def oracle(batch, at, uniform, strengths):
    ends = at.facts.low.flatten().numpy(), at.facts.high.flatten().numpy()
    return reference.color_jitter(batch.inputs.numpy(), uniform, *ends, **strengths)


@pytest.mark.parametrize("shape", [(5, 3, 6, 6), (5, 1, 4, 7), (5, 2, 7, 4)])
@pytest.mark.parametrize("names", [*([name] for name in SOME), list(SOME)], ids=[*SOME, "all"])
def test_it_is_brightness_then_contrast_then_saturation_within_the_range_of_the_data(shape, names):
    batch, at = setting(*shape)
    strengths = STILL | {name: SOME[name] for name in names}

    changed, uniform = jittered(batch, at, strengths)

    agrees(changed.inputs, oracle(batch, at, uniform, strengths), atol=1e-10)
    for name in names:
        if name != "saturation" or shape[1] > 1:
            rejects(changed.inputs, oracle(batch, at, uniform, strengths | {name: SOME[name] * 0.9}))
    agrees(changed[1:], batch[1:])


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_strengths_of_0_leave_the_images_as_they_are_to_the_bit_also_beyond_the_range(channels):
    batch, at = setting(5, channels, 6, 6)
    batch = batch._replace(inputs=batch.inputs * 3 - 200)

    changed, _ = jittered(batch, at, STILL)

    agrees(changed, batch, rtol=0, atol=0)


def test_saturation_does_nothing_to_a_single_channel():
    batch, at = setting(5, 1, 6, 6)

    changed, _ = jittered(batch, at, STILL | {"saturation": 1.0})

    agrees(changed, batch)


@pytest.mark.parametrize("channels", [1, 3])
def test_at_the_largest_strengths_images_stay_within_the_range_and_are_numbers(channels):
    batch, at = setting(50, channels, 6, 6)

    changed, _ = jittered(batch, at, dict.fromkeys(SOME, 1.0))

    assert changed.inputs.isfinite().all()
    assert (changed.inputs >= at.facts.low).all()
    assert (changed.inputs <= at.facts.high).all()


def test_a_channel_that_never_varies_makes_no_nan():
    batch, at = setting(5, 3, 6, 6)
    inputs = torch.cat([batch.inputs[:, :2], torch.full_like(batch.inputs[:, 2:], 7.0)], 1)
    at = at._replace(facts=facts_of(inputs, batch.targets, "classes"))

    changed, _ = jittered(batch._replace(inputs=inputs), at, SOME)

    assert changed.inputs.isfinite().all()
    agrees(changed.inputs[:, 2], inputs[:, 2])
