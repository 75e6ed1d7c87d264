import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, numbers, rejects

from dampen import reference
from dampen.contracts import Batch
from dampen.randomness import make_key
from dampen.techniques.batch.cutmix import CutMix

PARTNER = torch.tensor([3, 0, 5, 4, 1, 2])


def draws_of(mix, *uniform, partner=PARTNER):
    double = torch.float64
    return {
        "mix": torch.tensor(mix, dtype=double),
        "uniform": torch.tensor(uniform, dtype=double),
        "partner": partner,
    }


def oracle(batch, draws, probability, **changed):
    chance, *centre = draws["uniform"].tolist()
    values = {"mix": draws["mix"].item(), "centre": tuple(centre), "chance": chance, "partner": draws["partner"]}
    values = values | {"probability": probability, "partner": draws["partner"].numpy()} | changed
    return reference.cutmix(*(part.numpy() for part in batch), **values)


@pytest.mark.parametrize("centre", [(0.5, 0.4), (0.05, 0.9), (0.99, 0.01)])
@pytest.mark.parametrize("mix", [0.0, 0.3, 0.8, 1.0])
def test_images_get_a_box_of_their_partner_and_targets_its_share(mix, centre):
    batch, draws = a_batch(6, 2, 9, 12), draws_of(mix, 0.2, *centre)

    cut = lifted(CutMix()).batch(batch, draws, an_at())

    agrees(cut, oracle(batch, draws, 0.5))
    if 0 < mix < 1:
        rejects(cut.inputs, oracle(batch, draws, 0.5, mix=mix - 0.25)[0])
        rejects(cut.inputs, oracle(batch, draws, 0.1)[0])


@pytest.mark.parametrize(("mix", "centre"), [(0.4, 0.5), (0.4, 0.02), (0.9, 0.97)])
def test_series_get_an_interval_of_their_partner(mix, centre):
    batch, draws = a_batch(6, 3, 17), draws_of(mix, 0.2, centre)

    cut = lifted(CutMix()).batch(batch, draws, an_at())

    agrees(cut, oracle(batch, draws, 0.5))
    rejects(cut.inputs, oracle(batch, draws, 0.5, mix=mix - 0.3)[0])
    assert len({tuple(row) for row in (cut.inputs == batch.inputs).all(0).tolist()}) == 1


def test_probability_0_leaves_every_example_as_it_is_and_1_cuts_every_batch():
    batch = a_batch(6, 1, 8, 8)

    resting = lifted(CutMix(probability=0.0)).batch(batch, draws_of(0.2, 0.0, 0.5, 0.5), an_at())
    always = lifted(CutMix(probability=1.0)).batch(batch, draws_of(0.2, 1 - 2**-53, 0.5, 0.5), an_at())

    agrees(resting, batch, rtol=0, atol=0)
    assert not torch.equal(always.inputs, batch.inputs)


def test_alpha_0_leaves_every_example_as_it_is():
    batch, technique = a_batch(6, 1, 8, 8), lifted(CutMix(alpha=0.0, probability=1.0))

    cut = technique.batch(batch, technique.draw(batch, make_key(1, 1), an_at()), an_at())

    agrees(cut, batch, rtol=0, atol=0)


# ------------------------------------------------------------------ known faults of peers


def own_share_of_places(batch, cut):
    return (cut.inputs == batch.inputs).all(1).double().mean((1, 2))[0]


def own_share_of_targets(batch, cut):
    """Of targets in which everybody's partner is of another class."""
    return (cut.targets * batch.targets).sum(1)[0]


def weighs_as_it_cuts(mix_batch):
    """Whether targets hold exactly the share of the image that stayed: for big, small and clipped boxes."""
    batch = Batch(numbers(6, 1, 8, 8), torch.eye(6).double(), torch.ones(6).double())
    for mix in (0.1, 0.3, 0.6, 0.9):
        for place in (0.5, 0.1, 0.97):
            cut = mix_batch(batch, draws_of(mix, 0.0, place, 0.5))
            if abs(own_share_of_places(batch, cut) - own_share_of_targets(batch, cut)) > 1e-9:
                return False
    return True


def test_targets_hold_the_share_of_the_image_that_stayed():
    technique = lifted(CutMix())

    def reports_the_share_of_the_box(batch, draws):
        cut = technique.batch(batch, draws, an_at())
        stays = own_share_of_places(batch, cut)
        swapped = [(1 - stays) * part + stays * part[PARTNER] for part in batch[1:]]
        return Batch(cut.inputs, *swapped)

    def does_not_count_what_was_clipped(batch, draws):
        cut, mix = technique.batch(batch, draws, an_at()), draws["mix"]
        return Batch(cut.inputs, *(mix * part + (1 - mix) * part[PARTNER] for part in batch[1:]))

    assert weighs_as_it_cuts(lambda batch, draws: technique.batch(batch, draws, an_at()))
    assert not weighs_as_it_cuts(reports_the_share_of_the_box)
    assert not weighs_as_it_cuts(does_not_count_what_was_clipped)


def share_of_cut_batches(technique, batch, of_batch):
    keys = [make_key(5, step) for step in range(1500)]
    changed = [not torch.equal(of_batch(technique.draw(batch, key, an_at())).inputs, batch.inputs) for key in keys]
    return sum(changed) / len(changed)


def test_as_many_batches_are_cut_as_probability_says():
    batch, technique = a_batch(4, 1, 8, 8), lifted(CutMix(probability=0.5))

    def once(draws):
        return technique.batch(batch, draws, an_at())

    def twice(draws):
        """The known fault: a caller asks the probability, and so does what it calls."""
        again = draws["uniform"][0] * 7919 % 1
        return once(draws) if again < technique.probability else batch

    # Boxes without a pixel and permutations that leave everybody in place (1 in 24) change nothing.
    assert abs(share_of_cut_batches(technique, batch, once) - 0.5 * 23 / 24) < 0.05
    assert abs(share_of_cut_batches(technique, batch, twice) - 0.5 * 23 / 24) > 0.15


def test_boxes_of_many_batches_are_centred_anywhere_and_have_the_papers_mean_share():
    batch = Batch(numbers(2, 1, 16, 16), torch.eye(2).double(), torch.ones(2).double())
    technique = lifted(CutMix(alpha=1.0, probability=1.0))
    swap = torch.tensor([1, 0])

    stays = []
    for step in range(2000):
        draws = technique.draw(batch, make_key(2, step), an_at()) | {"partner": swap}
        stays.append(own_share_of_targets(batch, technique.batch(batch, draws, an_at())))

    # A side r around a uniform centre covers r - r^2 / 4 of the unit side; r = sqrt(v), v ~ U(0, 1), both sides alike:
    # the mean of (r - r^2 / 4)^2 is 1 / 2 - 1 / 5 + 1 / 48.
    agrees(1 - torch.stack(stays).mean(), 1 / 2 - 1 / 5 + 1 / 48, rtol=0.04)


def test_a_lone_row_is_its_own_partner():
    batch, technique = a_batch(1, 1, 8, 8), lifted(CutMix(probability=1.0))

    agrees(technique.batch(batch, technique.draw(batch, make_key(1, 1), an_at()), an_at()), batch)
