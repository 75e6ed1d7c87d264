import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, numbers, rejects
from scipy import stats
from small_tables import a_table

from dampen import DampenError, Recipe, reference
from dampen.contracts import Batch
from dampen.data import facts_of
from dampen.randomness import make_key, uniform
from dampen.techniques.batch.mixup import MixUp
from dampen.tensors import cross_entropy

AT = an_at(facts=facts_of(a_batch(6, 4).inputs, a_batch(6, 4).targets, "classes"))
"""Facts of data without a schema: MixUp asks only what stands in for a missing number."""


@pytest.mark.parametrize("shape", [(7, 4), (7, 2, 3, 3)])
def test_it_is_the_papers_blend_of_inputs_targets_and_example_weights(shape):
    batch, technique = a_batch(*shape), lifted(MixUp(1.0))
    draws = technique.draw(batch, make_key(3, 8), AT)

    mixed = technique.batch(batch, draws, AT)

    parts, mix, partner = [part.numpy() for part in batch], draws["mix"].item(), draws["partner"].numpy()
    agrees(mixed, reference.mixup(*parts, mix, partner))
    rejects(mixed.inputs, reference.mixup(*parts, mix + 0.01, partner)[0])
    rejects(mixed, reference.mixup(*parts, mix, partner[::-1]))


def test_mixing_equal_images_gives_the_image():
    image = numbers(1, 3, 5, 5)
    batch = Batch(image.expand(6, -1, -1, -1), torch.ones(6, 2).double() / 2, torch.ones(6).double())
    technique = lifted(MixUp(0.7))

    mixed = technique.batch(batch, technique.draw(batch, make_key(1, 1), AT), AT)

    agrees(mixed, batch)


def test_alpha_0_leaves_every_example_as_it_is():
    batch, technique = a_batch(6, 4), lifted(MixUp(0.0))

    mixed = technique.batch(batch, technique.draw(batch, make_key(1, 1), AT), AT)

    agrees(mixed, batch, rtol=0, atol=0)


def test_the_loss_of_mixed_targets_is_the_mixed_loss():
    batch, outputs = a_batch(6, 4), numbers(6, 3, seed=5)
    draws = {"mix": torch.tensor(0.3, dtype=torch.float64), "partner": torch.tensor([3, 0, 5, 4, 1, 2])}

    mixed = MixUp().batch(batch, draws, AT)

    own, others = (cross_entropy(outputs, t) for t in (batch.targets, batch.targets[draws["partner"]]))
    agrees(cross_entropy(outputs, mixed.targets), 0.3 * own + 0.7 * others)


def test_one_weight_is_drawn_for_the_batch_and_every_example_is_a_partner_once():
    draws = MixUp(0.4).draw(a_batch(20, 4), make_key(1, 1), AT)

    assert draws["mix"].shape == ()
    assert 0 < draws["mix"] < 1
    agrees(draws["partner"].sort().values, torch.arange(20))


def is_of_the_beta_law(weight_of, alpha=0.2):
    """Whether 3000 batches' weights lie under the law's distribution function, by Kolmogorov and Smirnov's test: a
    right law is refused once in a thousand times."""
    weights = [float(weight_of(MixUp(alpha), make_key(1, step))) for step in range(3000)]
    return stats.kstest(weights, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_weights_of_many_batches_follow_the_beta_law():
    batch = a_batch(2, 1)

    def drawn(technique, key):
        return technique.draw(batch, key, an_at())["mix"]

    def uniform_weight(technique, key):
        """The known fault: a uniform weight, whatever alpha says."""
        return uniform(key / "mix", (), torch.float64)

    def the_larger_weight(technique, key):
        """Others fold the weight, so that the example itself prevails."""
        return max(drawn(technique, key), 1 - drawn(technique, key))

    assert is_of_the_beta_law(drawn)
    assert is_of_the_beta_law(drawn, alpha=1.0)
    assert not is_of_the_beta_law(uniform_weight)
    assert not is_of_the_beta_law(the_larger_weight)


def test_a_missing_number_is_blended_as_the_mean_that_the_network_sees():
    batch, at = a_table()
    technique = lifted(MixUp(1.0))
    draws = technique.draw(batch, make_key(3, 8), at)

    mixed = technique.batch(batch, draws, at)

    mean = batch.inputs[:, 1].nanmean()
    filled = torch.where(batch.inputs.isnan(), mean, batch.inputs).numpy()
    mix, partner = draws["mix"].item(), draws["partner"].numpy()
    expected = reference.mixup(filled, batch.targets.numpy(), batch.weights.numpy(), mix, partner)
    agrees(mixed, expected)
    agrees(mixed.inputs[:, 3], mix * batch.inputs[:, 3] + (1 - mix) * batch.inputs[draws["partner"], 3])


def test_at_alpha_0_a_row_does_not_catch_its_partners_missing_number():
    batch, at = a_table()
    technique = lifted(MixUp(0.0))

    mixed = technique.batch(batch, technique.draw(batch, make_key(1, 1), at), at)

    agrees(mixed, batch, rtol=0, atol=0, equal_nan=True)


def test_token_ids_are_refused():
    with pytest.raises(DampenError, match="MixUp needs inputs that are numbers, not token ids"):
        Recipe(MixUp()).check(frozenset({"tokens", "classes"}))
