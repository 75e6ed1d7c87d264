import numpy as np
import pytest
import torch
from helpers import agrees, an_at, numbers, rejects
from torch import nn

from dampen import DampenError, Recipe, reference
from dampen.data import facts as facts_module
from dampen.data import facts_of, load, load_table
from dampen.laws import plan_for
from dampen.models.adopt import adopt
from dampen.techniques.model.whitening import Whitening
from dampen.training.fit import fit_pack
from dampen.training.problem import Member
from dampen.worlds import small_problem


class Seen(nn.Module):
    """Puts out what goes in, after the fixed first layer."""

    def forward(self, x):
        return x


def whitened(technique, inputs, rows):
    """(what enters the network, what would enter it without the technique) of all inputs."""
    facts = facts_of(inputs, torch.eye(3, dtype=torch.float64)[torch.arange(len(inputs)) % 3], "classes", rows=rows)
    plain, model = Seen().double(), Seen().double()
    adopt(plain, facts)
    adopt(model, facts)
    technique.check(an_at(facts=facts))
    return technique.rebuild(model, an_at(facts=facts))(inputs), plain(inputs)


def correlated(*shape):
    """Numbers of which neighbours say nearly the same, on an odd scale."""
    flat = numbers(shape[0], int(np.prod(shape[1:])))
    return (50 + 7 * flat.cumsum(1)).view(shape)


@pytest.mark.parametrize("shape", [(40, 6), (40, 2, 5), (40, 2, 3, 4), (10, 2, 3, 4)], ids=str)
@pytest.mark.parametrize("kind", ["zca", "standardise"])
def test_inputs_are_whitened_by_the_statistics_of_the_training_part(kind, shape):
    inputs, rows = correlated(*shape), torch.arange(0, shape[0], 2)

    entering, plain = whitened(Whitening(kind, epsilon=0.02), inputs, rows)

    flat = plain.flatten(1).numpy()
    agrees(entering.flatten(1), reference.whitening(flat, flat[::2], 0.02, kind), rtol=1e-9, atol=1e-9)
    rejects(entering.flatten(1), reference.whitening(flat, flat[::2], 0.021, kind))
    rejects(entering.flatten(1), reference.whitening(flat, flat, 0.02, kind))
    assert entering.shape == shape


@pytest.mark.parametrize("kind", ["zca", "standardise"])
def test_with_a_small_epsilon_the_training_part_has_deviation_1_and_zca_no_correlation(kind):
    entering, _ = whitened(Whitening(kind, epsilon=1e-8), correlated(200, 5), torch.arange(200))

    covariance = torch.cov(entering.T, correction=0)
    agrees(entering.mean(0), torch.zeros(5, dtype=torch.float64), atol=1e-9)
    agrees(covariance.diagonal(), torch.ones(5, dtype=torch.float64), rtol=1e-4)
    assert ((covariance - torch.diag(covariance.diagonal())).abs().max() < 1e-4) == (kind == "zca")


def test_each_pixel_of_a_whitened_image_is_still_that_pixel_most_of_all():
    inputs = load("digits").inputs.double()

    entering, plain = whitened(Whitening(), inputs, torch.arange(len(inputs)))

    varies = plain.flatten(1).std(0) > 0.1
    before, after = (x.flatten(1)[:, varies] for x in (plain, entering))
    alike = torch.corrcoef(torch.cat([after, before], 1).T)[: after.shape[1], after.shape[1] :]
    agrees(alike.argmax(1), torch.arange(after.shape[1]))


def test_many_chunks_come_to_the_same_covariance_as_one(monkeypatch):
    inputs, rows = correlated(50, 6), torch.arange(0, 50, 2)
    whole, _ = whitened(Whitening(), inputs, rows)

    monkeypatch.setattr(facts_module, "CHUNK_NUMBERS", 20)

    agrees(whitened(Whitening(), inputs, rows)[0], whole, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("scale", "count"), [("standard", 2), ("bins", 2 * 24)])
def test_missing_numbers_are_filled_first_and_categories_stay_as_they_are(scale, count, tmp_path):
    torch.manual_seed(0)
    rows = ["a,b,kind,y"] + [
        f"{'' if i % 7 == 3 else i % 5},{i % 5 + i % 3},{'xyz'[i % 3]},{'uv'[i % 2]}" for i in range(60)
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(rows))
    data = load_table(path, target="y", scale=scale)
    inputs = data.inputs.double()
    facts = facts_of(inputs, data.targets.double(), "classes", schema=data.schema)
    plain, model = Seen().double(), Seen().double()
    adopt(plain, facts)
    adopt(model, facts)

    entering, before = Whitening().rebuild(model, an_at(facts=facts))(inputs), plain(inputs)

    assert inputs.isnan().any()
    flat = before[:, :count].numpy()
    agrees(entering[:, :count], reference.whitening(flat, flat, 0.01), rtol=1e-6, atol=1e-6)
    agrees(entering[:, count:], before[:, count:], rtol=0, atol=0)


def test_too_many_inputs_are_refused_before_anything_is_counted():
    inputs = torch.zeros(4, 3, 40, 40, dtype=torch.float64)
    facts = facts_of(inputs, torch.eye(4, dtype=torch.float64), "classes")

    with pytest.raises(DampenError, match="inputs of at most 4096 numbers; got 4800"):
        Whitening().check(an_at(facts=facts))
    Whitening("standardise").check(an_at(facts=facts))


def test_a_second_whitening_is_refused():
    problem, recipe = small_problem(), Recipe((Whitening(), Whitening()))

    with pytest.raises(DampenError, match="whitened once"):
        fit_pack(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1))


def test_every_seed_has_the_statistics_of_its_own_training_part_and_hands_them_over():
    problem, recipe = small_problem(), Recipe((Whitening(),))

    fitted = fit_pack(problem, [Member("", recipe, seed) for seed in (1, 2)], plan_for(problem, recipe, 2))

    first, second = (f.buffers["whitening_weight"] for f in fitted)
    rejects(first, second)
    agrees(fitted[1].model().whitening_weight, second, rtol=0, atol=0)


def test_the_covariance_costs_nothing_where_nobody_asks(monkeypatch):
    monkeypatch.setattr(facts_module.Facts, "covariance", None)
    problem = small_problem()

    fit_pack(problem, [Member("", Recipe(), 1)], plan_for(problem, Recipe(), 1))
