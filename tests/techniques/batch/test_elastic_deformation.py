import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, rejects

from dampen import reference
from dampen.randomness import make_key
from dampen.techniques.batch.elastic_deformation import ElasticDeformation


@pytest.mark.parametrize("shape", [(3, 2, 7, 7), (3, 1, 5, 8)])
@pytest.mark.parametrize(("alpha", "sigma"), [(8.0, 4.0), (8.0, 1.0), (60.0, 2.5)])
def test_it_moves_pixels_by_smoothed_noise(shape, alpha, sigma):
    batch, technique = a_batch(*shape), lifted(ElasticDeformation(alpha, sigma))
    draws = technique.draw(batch, make_key(3, 5), an_at())

    moved = technique.batch(batch, draws, an_at())

    args = batch.inputs.numpy(), draws["uniform"].numpy()
    agrees(moved.inputs, reference.elastic_deformation(*args, alpha=alpha, sigma=sigma))
    rejects(moved.inputs, reference.elastic_deformation(*args, alpha=alpha * 1.1, sigma=sigma))
    rejects(moved.inputs, reference.elastic_deformation(*args, alpha=alpha, sigma=sigma * 1.1))
    agrees(moved[1:], batch[1:])


def test_alpha_0_leaves_the_images_as_they_are():
    batch, technique = a_batch(3, 2, 5, 7), lifted(ElasticDeformation(0.0))

    agrees(technique.batch(batch, technique.draw(batch, make_key(1, 1), an_at()), an_at()), batch)


def test_the_largest_alpha_makes_no_nan():
    batch, technique = a_batch(3, 2, 5, 7), lifted(ElasticDeformation(1000.0))

    moved = technique.batch(batch, technique.draw(batch, make_key(1, 1), an_at()), an_at())

    assert moved.inputs.isfinite().all()


def test_far_from_the_border_a_pixel_moves_by_016_alpha_over_sigma():
    # A ramp shows where each pixel came from.
    ramp = torch.arange(48, dtype=torch.float64).expand(400, 1, 48, 48)
    batch = a_batch(400, 1)._replace(inputs=ramp)
    technique = lifted(ElasticDeformation(8.0))

    moved = technique.batch(batch, technique.draw(batch, make_key(1, 1), an_at()), an_at())

    way = (moved.inputs - ramp)[:, :, 24, 24]
    agrees(way.std(), 8 * 0.5774 * 0.2821 / 4, rtol=0.1)
    assert way.mean().abs() < 0.06
