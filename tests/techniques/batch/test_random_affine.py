import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, rejects

from dampen import reference
from dampen.contracts import tunables
from dampen.randomness import make_key
from dampen.techniques.batch.random_affine import RandomAffine

STILL = dict.fromkeys(tunables(RandomAffine), 0.0)
SOME = {
    "rotation": 40.0,
    "zoom": 0.3,
    "shift": 0.2,
    "shear": 20.0,
    "horizontal_flip": 0.5,
    "vertical_flip": 0.4,
}
NUDGED = {name: value * 1.2 for name, value in SOME.items()} | {"horizontal_flip": 1.0, "vertical_flip": 1.0}


@pytest.mark.parametrize("shape", [(4, 2, 6, 6), (4, 1, 5, 8), (4, 1, 8, 5)])
@pytest.mark.parametrize("names", [*([name] for name in SOME), list(SOME)], ids=[*SOME, "all"])
def test_it_is_the_map_in_pixel_coordinates(shape, names):
    strengths = STILL | {name: SOME[name] for name in names}
    nudged = STILL | {name: NUDGED[name] for name in names}
    batch, technique = a_batch(*shape), lifted(RandomAffine(**strengths))
    draws = technique.draw(batch, make_key(3, 5), an_at())

    moved = technique.batch(batch, draws, an_at())

    images, uniform = batch.inputs.numpy(), draws["uniform"].numpy()
    agrees(moved.inputs, reference.random_affine(images, uniform, **strengths))
    rejects(moved.inputs, reference.random_affine(images, uniform, **nudged))
    agrees(moved[1:], batch[1:])


def moved(images, row_of_draws, **strengths):
    """The images moved with the same seven draws for each of them."""
    uniform = torch.tensor(row_of_draws, dtype=torch.float64)[:, None].expand(7, len(images))
    batch = a_batch(len(images), 1)._replace(inputs=images)
    technique = lifted(RandomAffine(**STILL | strengths))
    return technique.batch(batch, {"uniform": uniform}, an_at()).inputs


def test_a_quarter_turn_of_a_square_image_is_a_quarter_turn():
    images = a_batch(3, 2, 5, 5).inputs

    turned = moved(images, [1, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9], rotation=90.0)

    # Where the result shows pixel (x, y) the source has (-y, x): the image turns from the x axis, against y.
    agrees(turned, torch.rot90(images, 1, (2, 3)), atol=1e-12)


def test_a_flip_at_rate_1_mirrors_every_image():
    images = a_batch(3, 2, 4, 6).inputs

    draws = [0.5, 0.5, 0.5, 0.5, 0.5, 1 - 2**-53, 1 - 2**-53]

    agrees(moved(images, draws, horizontal_flip=1.0), images.flip(3))
    agrees(moved(images, draws, vertical_flip=1.0), images.flip(2))


def test_a_shift_by_whole_pixels_moves_the_image_and_leaves_zeros():
    images = a_batch(3, 2, 4, 4).inputs

    shifted = moved(images, [0.5, 0.5, 0.5, 1, 0.5, 0.9, 0.9], shift=0.25)

    agrees(shifted[..., :-1], images[..., 1:])
    agrees(shifted[..., -1], torch.zeros_like(images[..., -1]))


def test_all_strengths_at_0_leave_the_image_as_it_is():
    images = a_batch(3, 2, 5, 7).inputs

    agrees(moved(images, [0.1, 0.9, 0.2, 0.8, 0.3, 0.0, 0.0]), images)
