import dataclasses

import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, rejects

from dampen import reference
from dampen.data.facts import facts_of
from dampen.randomness import make_key
from dampen.techniques.batch.random_erasing import RandomErasing


def setting(*shape):
    batch = a_batch(*shape)
    return batch, an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))


def oracle(batch, draws, at, technique, **changed):
    values = {**{f.name: getattr(technique, f.name) for f in dataclasses.fields(technique)}, **changed}
    ends = at.facts.low.flatten().numpy(), at.facts.high.flatten().numpy()
    return reference.random_erasing(
        batch.inputs.numpy(), draws["uniform"].numpy(), draws["noise"].numpy(), *ends, **values
    )


@pytest.mark.parametrize("shape", [(12, 3, 9, 9), (12, 1, 6, 14), (12, 2, 14, 5)])
@pytest.mark.parametrize(
    "technique",
    [RandomErasing(0.5), RandomErasing(1.0), RandomErasing(1.0, 0.5, 1.0, 0.01, 50.0)],
    ids=["half", "all", "hardly fits"],
)
def test_it_is_a_rectangle_of_noise_in_the_channels_range(shape, technique):
    batch, at = setting(*shape)
    draws = technique.draw(batch, make_key(3, 5), at)

    erased = lifted(technique).batch(batch, draws, at)

    agrees(erased.inputs, oracle(batch, draws, at, technique))
    rejects(erased.inputs, oracle(batch, draws, at, technique, probability=technique.probability / 4))
    rejects(erased.inputs, oracle(batch, draws, at, technique, area_low=0.0, area_high=0.1))
    rejects(erased.inputs, oracle(batch, draws, at, technique, aspect_low=0.1, aspect_high=0.2))
    agrees(erased[1:], batch[1:])


def test_probability_0_leaves_the_images_as_they_are():
    (batch, at), technique = setting(8, 3, 8, 8), lifted(RandomErasing(0.0))

    agrees(technique.batch(batch, technique.draw(batch, make_key(1, 1), at), at), batch, rtol=0, atol=0)


def share_of_erased_images(erase, images=4000):
    batch, at = setting(images, 1, 10, 10)
    technique = lifted(RandomErasing(0.25))
    erased = erase(technique, batch, technique.draw(batch, make_key(4, 2), at), at)
    return (erased.inputs != batch.inputs).flatten(1).any(1).double().mean().item()


def test_as_many_images_lose_something_as_probability_says():
    def once(technique, batch, draws, at):
        return technique.batch(batch, draws, at)

    def twice(technique, batch, draws, at):
        """The known fault: the probability is asked for the batch's images, and for each of them again."""
        asked = draws["uniform"][0] * 7919 % 1 < technique.probability
        erased = once(technique, batch, draws, at).inputs
        return batch._replace(inputs=torch.where(asked[:, None, None, None], erased, batch.inputs))

    assert abs(share_of_erased_images(once) - 0.25) < 0.02
    assert abs(share_of_erased_images(twice) - 0.25) > 0.1


def test_areas_are_uniform_between_their_ends():
    (batch, at), technique = setting(3000, 1, 40, 40), lifted(RandomErasing(1.0))

    erased = technique.batch(batch, technique.draw(batch, make_key(4, 2), at), at)

    areas = (erased.inputs != batch.inputs).double().mean((1, 2, 3))
    agrees(areas.mean(), (0.02 + 0.33) / 2, rtol=0.03)
    agrees(areas.std(), 0.31 / 12**0.5, rtol=0.05)
