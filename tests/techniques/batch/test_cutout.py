import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, rejects

from dampen import reference
from dampen.data.facts import facts_of
from dampen.randomness import make_key
from dampen.techniques.batch.cutout import Cutout


def setting(*shape):
    batch = a_batch(*shape)
    return batch, an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))


@pytest.mark.parametrize("shape", [(5, 3, 8, 8), (5, 1, 6, 11), (5, 2, 9, 5)])
@pytest.mark.parametrize(("size", "fill"), [(0.25, 0.0), (0.6, 1.5), (1.0, -10.0)])
def test_it_is_a_square_of_the_channels_mean_plus_fill_deviations(shape, size, fill):
    (batch, at), technique = setting(*shape), lifted(Cutout(size, fill))
    draws = technique.draw(batch, make_key(3, 5), at)

    covered = technique.batch(batch, draws, at)

    args = batch.inputs.numpy(), draws["uniform"].numpy(), at.facts.mean.flatten().numpy(), at.facts.std.flatten()
    agrees(covered.inputs, reference.cutout(*args[:3], args[3].numpy(), size_fraction=size, fill=fill))
    rejects(covered.inputs, reference.cutout(*args[:3], args[3].numpy(), size_fraction=size / 2, fill=fill))
    rejects(covered.inputs, reference.cutout(*args[:3], args[3].numpy(), size_fraction=size, fill=fill + 0.1))
    agrees(covered[1:], batch[1:])


def test_size_0_leaves_the_images_as_they_are():
    (batch, at), technique = setting(5, 3, 8, 8), lifted(Cutout(0.0, 5.0))

    agrees(technique.batch(batch, technique.draw(batch, make_key(1, 1), at), at), batch, rtol=0, atol=0)


def test_a_square_inside_has_just_its_size_and_one_at_the_corner_a_quarter_of_it():
    (batch, at), technique = setting(2, 1, 16, 16), lifted(Cutout(0.25))
    draws = {"uniform": torch.tensor([[0.43, 0.0], [0.71, 0.0]], dtype=torch.float64)}

    covered = technique.batch(batch, draws, at).inputs

    agrees((covered != batch.inputs).sum((1, 2, 3)), torch.tensor([16, 4]))


def test_images_are_covered_at_places_of_their_own():
    (batch, at), technique = setting(64, 1, 16, 16), lifted(Cutout(0.25))

    covered = technique.batch(batch, technique.draw(batch, make_key(1, 1), at), at).inputs

    assert len({tuple(image.flatten().tolist()) for image in covered != batch.inputs}) > 32
