import itertools

import numpy as np
import pytest
import torch
from helpers import agrees, numbers, rejects
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import QuantileTransformer, RobustScaler, StandardScaler
from torch import nn

from dampen.contracts import UNKNOWN
from dampen.data import facts_of
from dampen.data.schema import Column, Schema
from dampen.models.adopt import adopt
from dampen.models.scaling import normal_scores, robust_scores, shares_of_bins

NUMBERS = 4
COLUMNS = (
    *(Column(f"n{i}", "number", missing=i == 1) for i in range(NUMBERS)),
    Column("c", "category", ("a", "b", "never")),
)


def rows_of(count=300, seed=0):
    """Four skewed columns of numbers, the second with missing cells and its indicator, and three categories."""
    values = numbers(count, NUMBERS, seed=seed).exp() * torch.tensor([1.0, 1e3, 1e-3, 10.0], dtype=torch.float64)
    missing = numbers(count, seed=seed + 100) > 1
    values[missing, 1] = torch.nan
    codes = torch.from_numpy(np.random.default_rng(seed).integers(2, size=count))
    return torch.cat([values, missing[:, None].double(), nn.functional.one_hot(codes, 3).double()], 1)


def facts(scale, seed=0):
    inputs = rows_of(seed=seed)
    targets = torch.eye(2, dtype=torch.float64)[torch.arange(len(inputs)) % 2]
    return facts_of(inputs, targets, "classes", schema=Schema(COLUMNS, scale=scale))


def scaled(inputs, made):
    """What reaches the first layer."""
    model = nn.Sequential(nn.Identity())
    adopt(model, made)
    return model(inputs)


def filled(inputs, training):
    return SimpleImputer().fit(training[:, :NUMBERS].numpy()).transform(inputs[:, :NUMBERS].numpy())


def test_missing_numbers_are_filled_and_all_are_standardised_as_scikit_learn_does():
    training, others = rows_of(), rows_of(seed=1)

    seen = scaled(others, facts("standard"))

    oracle = SimpleImputer().fit(training[:, :NUMBERS].numpy()), StandardScaler().fit(training[:, :NUMBERS].numpy())
    agrees(seen[:, :NUMBERS], oracle[1].transform(oracle[0].transform(others[:, :NUMBERS].numpy())), rtol=1e-9)
    agrees(seen[:, NUMBERS:], others[:, NUMBERS:])


def test_quantiles_are_mapped_to_a_normal_distribution_as_scikit_learn_does():
    training, others = rows_of(), rows_of(seed=1)
    others[:5, 0] = torch.tensor([-1e9, 1e9, training[:, 0].min(), training[:, 0].max(), training[:, 0].median()])

    seen = scaled(others, facts("quantile"))

    oracle = QuantileTransformer(n_quantiles=100, output_distribution="normal", subsample=None)
    expected = oracle.fit(training[:, :NUMBERS].numpy()).transform(filled(others, training))
    agrees(seen[:, :NUMBERS], expected, rtol=1e-7, atol=1e-7)
    agrees(seen[:, NUMBERS:], others[:, NUMBERS:])
    rejects(seen[:, :NUMBERS], QuantileTransformer(n_quantiles=100, output_distribution="normal", subsample=None).fit(
        others[:, :NUMBERS].numpy()).transform(filled(others, training)))  # fmt: skip


def test_values_that_many_rows_share_are_mapped_as_scikit_learn_does():
    values = torch.from_numpy(np.random.default_rng(0).poisson(3, size=(500, 1))).double()
    oracle = QuantileTransformer(n_quantiles=50, output_distribution="normal", subsample=None).fit(values.numpy())

    inside = torch.arange(1, 8).double()[:, None]
    scores = normal_scores(inside, torch.from_numpy(oracle.quantiles_.T.copy()))

    agrees(scores, oracle.transform(inside.numpy()), rtol=1e-7, atol=1e-7)


def test_a_column_that_is_mostly_zero_stays_in_the_middle():
    """scikit-learn puts all its zeros at -5.2."""
    quantiles = torch.cat([torch.zeros(90), torch.linspace(1, 10, 10)])[None].double()

    scores = normal_scores(torch.tensor([[0.0], [-1.0], [20.0]]).double(), quantiles)

    assert abs(scores[0]) < 0.2
    agrees(scores[1:, 0].tolist(), [-5.199337582605575, 5.199337582605575])


def test_a_column_that_never_varies_is_zero():
    agrees(
        normal_scores(torch.full((3, 1), 7.0).double(), torch.full((1, 100), 7.0).double()), torch.zeros(3, 1).double()
    )


def test_robust_numbers_are_scikit_learn_s_with_outliers_drawn_in():
    training, others = rows_of(), rows_of(seed=1)
    others[:2, 0] = torch.tensor([-1e9, 1e9])

    seen = scaled(others, facts("robust"))

    z = RobustScaler().fit(training[:, :NUMBERS].numpy()).transform(filled(others, training))
    agrees(seen[:, :NUMBERS], z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-9)
    agrees(seen[:, NUMBERS:], others[:, NUMBERS:])
    agrees(seen[:2, 0], np.array([-3.0, 3.0]), rtol=1e-6)
    rejects(seen[:, :NUMBERS], z / np.sqrt(1 + (z / 3.1) ** 2))


def test_where_half_of_a_column_is_one_value_its_range_is_the_unit_and_where_all_is_nothing_is_left():
    mostly, never = [0.0, 0.0, 0.0, 0.0, 10.0], [7.0] * 5

    scores = robust_scores(torch.tensor([[0.0, 7.0], [5.0, 8.0]]).double(), torch.tensor([mostly, never]).double())

    agrees(scores, np.array([[0.0, 0.0], [1 / np.sqrt(1 + 1 / 9), 0.0]]))


def by_interpolation(values, edges):
    """(N, n) and (n, B + 1) -> (N, n B): each share as NumPy interpolates it between its bin's edges."""
    each = zip(values.T, edges, strict=True)
    return np.stack([np.interp(x, pair, [0, 1]) for x, of in each for pair in itertools.pairwise(of)], 1)


def test_numbers_in_bins_are_shares_that_numpy_interpolates_between_quantiles_of_the_training_part():
    training, others = rows_of(), rows_of(seed=1)
    others[:2, 0] = torch.tensor([-1e9, 1e9])

    seen = scaled(others, facts("bins"))

    edges = np.nanquantile(training[:, :NUMBERS].numpy(), np.linspace(0, 1, 25), axis=0).T
    expected = by_interpolation(filled(others, training), edges)
    agrees(seen[:, : 24 * NUMBERS], expected, rtol=1e-7, atol=1e-9)
    agrees(seen[:, 24 * NUMBERS :], others[:, NUMBERS:])
    agrees(seen[:2, :24], np.stack([np.zeros(24), np.ones(24)]))
    rejects(seen[:, : 24 * NUMBERS], by_interpolation(filled(others, training), edges * 1.001))


def test_a_bin_without_width_is_empty():
    edges = torch.tensor([[0.0, 0.0, 1.0, 1.0, 3.0], [7.0] * 5]).double()

    shares = shares_of_bins(torch.tensor([[0.0, 7.0], [0.5, 8.0], [1.0, 6.0], [2.0, 7.0]]).double(), edges)

    agrees(shares[:, :4], np.array([[0, 0, 0, 0], [0, 0.5, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0.5]]))
    agrees(shares[:, 4:], np.zeros((4, 4)))


def test_many_columns_have_fewer_bins_and_networks_are_told_how_wide_rows_are():
    for columns, bins in ((4, 24), (100, 10), (2000, 1)):
        inputs = numbers(60, columns)
        schema = Schema(tuple(Column(f"n{i}", "number") for i in range(columns)), scale="bins")
        made = facts_of(inputs, torch.eye(2, dtype=torch.float64)[torch.arange(60) % 2], "classes", schema=schema)

        assert made.num_inputs == scaled(inputs, made).shape[1] == columns * bins


def test_an_unknown_category_says_nothing():
    others = rows_of(seed=1)
    others[:, -3:] = torch.tensor([0.0, 0.0, 1.0])

    agrees(scaled(others, facts("standard"))[:, -3:], torch.zeros(len(others), 3).double())


@pytest.mark.parametrize("scale", ["standard", "quantile", "robust", "bins"])
def test_a_stack_of_members_is_scaled_as_each_alone(scale):
    members = [facts(scale, seed) for seed in range(3)]
    models = [nn.Sequential(nn.Identity()) for _ in members]
    for model, made in zip(models, members, strict=True):
        adopt(model, made)
    inputs = torch.stack([rows_of(seed=10 + seed) for seed in range(3)])
    buffers = {name: torch.stack([dict(m.named_buffers())[name] for m in models]) for name in models[0].state_dict()}

    def one(own, rows):
        return torch.func.functional_call(models[0], own, (rows,))

    agrees(torch.func.vmap(one)(buffers, inputs), torch.stack([m(x) for m, x in zip(models, inputs, strict=True)]))


@pytest.mark.parametrize("scale", ["standard", "quantile", "robust", "bins"])
def test_single_precision_gives_the_same_to_rounding(scale):
    inputs, made = rows_of(seed=1), facts(scale)
    model = nn.Sequential(nn.Identity())
    adopt(model, made)

    single = model.float()(inputs.float())

    assert single.dtype == torch.float32
    agrees(single.double(), scaled(inputs, made), rtol=1e-4, atol=1e-4)


def test_images_and_arrays_are_standardised_and_nothing_else():
    inputs = numbers(50, 3)
    model = nn.Sequential(nn.Identity())

    adopt(model, facts_of(inputs, torch.eye(2, dtype=torch.float64)[torch.arange(50) % 2], "classes"))

    assert list(dict(model.named_buffers())) == ["inputs_mean", "inputs_std"]
    assert len(model._forward_pre_hooks) == 1


def test_tokens_that_the_training_part_has_once_or_never_become_the_unknown_one():
    ids, targets = torch.tensor([[2, 3, 0], [2, 3, 4]]), torch.eye(2)

    model = nn.Sequential(nn.Embedding(6, 3), nn.Flatten(), nn.Linear(9, 2))
    plain = model(torch.tensor([[2, 3, 0], [UNKNOWN, 3, UNKNOWN]]))
    adopt(model, facts_of(ids, targets, "classes", num_tokens=6))

    assert set(dict(model.named_buffers())) == {"inputs_known"}
    agrees(model(torch.tensor([[2, 3, 0], [4, 3, 5]])), plain, rtol=0, atol=0)
