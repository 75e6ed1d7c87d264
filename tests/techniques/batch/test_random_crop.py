import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, rejects

from dampen import reference
from dampen.randomness import make_key
from dampen.techniques.batch.random_crop import RandomCrop


@pytest.mark.parametrize("shape", [(6, 3, 8, 8), (6, 1, 5, 9)])
@pytest.mark.parametrize("padding", [1.0, 2.7, 4.0, 128.0])
def test_it_is_a_window_of_the_padded_image(shape, padding):
    batch, technique = a_batch(*shape), lifted(RandomCrop(padding))
    draws = technique.draw(batch, make_key(3, 5), an_at())

    cropped = technique.batch(batch, draws, an_at())

    images, uniform = batch.inputs.numpy(), draws["uniform"].numpy()
    agrees(cropped.inputs, reference.random_crop(images, uniform, padding), rtol=0, atol=0)
    if padding < 128:  # where nearly every window misses the image
        rejects(cropped.inputs, reference.random_crop(images, uniform, padding + 1))
    agrees(cropped[1:], batch[1:])


def test_padding_0_leaves_the_images_as_they_are():
    batch, technique = a_batch(6, 3, 7, 9), lifted(RandomCrop(0.0))

    agrees(technique.batch(batch, technique.draw(batch, make_key(1, 1), an_at()), an_at()), batch, rtol=0, atol=0)


def test_every_shift_is_equally_likely():
    batch, technique = a_batch(5000, 1, 1, 9), lifted(RandomCrop(2.0))
    batch = batch._replace(inputs=torch.eye(9, dtype=torch.float64)[4].expand(5000, 1, 1, 9))
    drawn = technique.draw(batch, make_key(1, 1), an_at())["uniform"]

    cropped = technique.batch(batch, {"uniform": torch.stack([torch.full_like(drawn[0], 0.5), drawn[1]])}, an_at())

    agrees(cropped.inputs.mean((0, 1, 2))[2:7], torch.full((5,), 0.2).double(), rtol=0.1)
    agrees(cropped.inputs.sum(), 5000.0)
