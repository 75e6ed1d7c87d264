import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, rejects

from dampen import reference
from dampen.data.facts import facts_of
from dampen.randomness import make_key
from dampen.techniques.batch.trivial_augment import REACH, TrivialAugment


def setting(*shape):
    batch = a_batch(*shape)
    batch = batch._replace(inputs=100 + 30 * batch.inputs)
    return batch, an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))


@pytest.mark.parametrize("shape", [(26, 3, 6, 6), (26, 1, 5, 8)])
@pytest.mark.parametrize("magnitude", [30.0, 11.0])
def test_it_is_one_operation_at_a_magnitude_of_its_own(shape, magnitude):
    (batch, at), technique = setting(*shape), lifted(TrivialAugment(magnitude))
    draws = technique.draw(batch, make_key(3, 5), at)

    augmented = technique.batch(batch, draws, at)

    def oracle(magnitude, reach=REACH):
        choice, way, strength = draws["uniform"].numpy()
        ends = at.facts.low.flatten().numpy(), at.facts.high.flatten().numpy()
        images = batch.inputs.numpy()
        return reference.trivial_augment(images, choice, way, strength[0], *ends, magnitude=magnitude, reach=reach)

    agrees(augmented.inputs, oracle(magnitude), atol=1e-9)
    rejects(augmented.inputs, oracle(magnitude - 3))
    rejects(augmented.inputs, oracle(magnitude, REACH._replace(rotation=100.0)))
    agrees(augmented[1:], batch[1:])


def test_magnitude_0_leaves_the_images_as_they_are():
    (batch, at), technique = setting(26, 3, 8, 8), lifted(TrivialAugment(0.0))

    resting = technique.batch(batch, technique.draw(batch, make_key(1, 1), at), at)

    agrees(resting, batch, rtol=0, atol=0)


def test_all_whole_magnitudes_from_0_to_the_largest_are_equally_likely():
    # Every image is told to be shifted to the right by its magnitude: a ramp shows by how much.
    num_images, side = 3100, 30
    ramp = torch.arange(side, dtype=torch.float64).expand(num_images, 1, 1, side)
    batch = a_batch(num_images, 1)._replace(inputs=ramp)
    technique, at = lifted(TrivialAugment(10.0)), an_at(facts=facts_of(ramp, batch.targets, "classes"))
    uniform = technique.draw(batch, make_key(1, 1), at)["uniform"]
    uniform[0], uniform[1] = 11.5 / 13, 0.9

    augmented = technique.batch(batch, {"uniform": uniform}, at)

    counts = torch.bincount(augmented.inputs[:, 0, 0, 0].round().long())
    agrees(counts.double(), torch.full((11,), num_images / 11).double(), rtol=0.2)
