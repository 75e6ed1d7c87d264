import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, rejects

from dampen import reference
from dampen.data.facts import facts_of
from dampen.images import OPERATIONS
from dampen.randomness import make_key
from dampen.techniques.batch.rand_augment import REACH, RandAugment


def setting(*shape):
    batch = a_batch(*shape)
    batch = batch._replace(inputs=100 + 30 * batch.inputs)
    return batch, an_at(facts=facts_of(batch.inputs, batch.targets, "classes"))


def oracle(batch, at, uniform, magnitude, reach=REACH):
    ends = at.facts.low.flatten().numpy(), at.facts.high.flatten().numpy()
    return reference.rand_augment(batch.inputs.numpy(), *uniform.numpy(), *ends, magnitude=magnitude, reach=reach)


def only(name, num_images, way):
    """Draws with which every image gets the operation `name` and nothing else."""
    number = (OPERATIONS.index(name) + 0.5) / len(OPERATIONS)
    return torch.tensor([[[number] * num_images], [[way] * num_images]], dtype=torch.float64)


@pytest.mark.parametrize("shape", [(13, 3, 6, 6), (13, 1, 5, 8), (13, 2, 8, 4)])
@pytest.mark.parametrize(("magnitude", "num_operations"), [(9.0, 2), (30.0, 1), (30.0, 4)])
def test_it_is_the_operations_drawn_in_the_order_of_the_list(shape, magnitude, num_operations):
    (batch, at), technique = setting(*shape), lifted(RandAugment(magnitude, num_operations))
    draws = technique.draw(batch, make_key(3, 5), at)

    augmented = technique.batch(batch, draws, at)

    agrees(augmented.inputs, oracle(batch, at, draws["uniform"], magnitude), atol=1e-9)
    rejects(augmented.inputs, oracle(batch, at, draws["uniform"], magnitude * 0.9))
    agrees(augmented[1:], batch[1:])


@pytest.mark.parametrize("way", [0.2, 0.7])
@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_is_its_definition(name, way):
    batch, at = setting(4, 3, 7, 6)
    uniform = only(name, 4, way)

    augmented = lifted(RandAugment(20.0, 1)).batch(batch, {"uniform": uniform}, at)

    agrees(augmented.inputs, oracle(batch, at, uniform, 20.0), atol=1e-9)
    if name == "identity":
        agrees(augmented.inputs, batch.inputs)
    elif name == "autocontrast":  # as strong at every magnitude
        rejects(augmented.inputs, batch.inputs.numpy())
    else:
        rejects(augmented.inputs, oracle(batch, at, uniform, 12.0))


def test_every_reach_counts():
    (batch, at), technique = setting(39, 3, 6, 6), lifted(RandAugment(20.0, 2))
    draws = technique.draw(batch, make_key(3, 5), at)

    augmented = technique.batch(batch, draws, at)

    for field in REACH._fields:
        nudged = REACH._replace(**{field: getattr(REACH, field) * 0.7})
        rejects(augmented.inputs, oracle(batch, at, draws["uniform"], 20.0, nudged))


def test_magnitude_0_leaves_the_images_as_they_are_also_beyond_the_range():
    batch, at = setting(26, 3, 8, 8)
    batch, technique = batch._replace(inputs=3 * batch.inputs), lifted(RandAugment(0.0, 3))

    resting = technique.batch(batch, technique.draw(batch, make_key(1, 1), at), at)

    agrees(resting, batch, rtol=0, atol=0)  # sides that are powers of two: the grid is exact


def test_operations_are_drawn_evenly_and_per_image():
    (batch, at), technique = setting(13000, 1, 1, 1), RandAugment()

    choice, way = technique.draw(batch, make_key(1, 1), at)["uniform"]

    counts = torch.bincount((choice * len(OPERATIONS)).long().flatten(), minlength=len(OPERATIONS))
    agrees(counts.double(), torch.full((13,), 2000.0).double(), rtol=0.1)
    agrees((way < 0.5).double().mean(), 0.5, rtol=0.02)


def test_posterizing_whole_numbers_keeps_their_high_bits():
    values = torch.arange(256, dtype=torch.float64).view(1, 1, 16, 16)
    batch = a_batch(1, 1)._replace(inputs=values)
    at = an_at(facts=facts_of(values, batch.targets, "classes"))

    augmented = lifted(RandAugment(30.0, 1)).batch(batch, {"uniform": only("posterize", 1, 0.5)}, at)

    agrees(augmented.inputs, (values.long() & 0b11110000).double())
