"""The printed program repeats the training it is of."""

import math

import polars as pl
import pytest
import torch
from sklearn.datasets import load_wine

import dampen
from dampen import CNN, L2, MLP, ClipNorm, Dropout, MaxNorm, Recipe, Settings, snippet

RECIPE = Recipe((Dropout(0.3), L2(1e-3, ("body.0", "head")), MaxNorm(math.inf)), dampen.SGD(0.05))


def ran(text):
    names = {}
    exec(text, names)
    return names["fitted"]


@pytest.mark.parametrize("network", [MLP((16,)), CNN((4,))])
def test_it_trains_the_same_network_bit_for_bit(network, capsys):
    recipe = RECIPE if isinstance(network, MLP) else Recipe(Dropout(0.3))
    first = dampen.fit(network, "digits", recipe, epochs=2, batch_size=100, seed=3)

    second = ran(snippet(recipe, first.settings, "digits"))

    assert second.test == first.test
    assert str(first.test) in capsys.readouterr().out
    torch.testing.assert_close(second.params, first.params, rtol=0, atol=0)


def test_it_opens_the_data_as_they_were_opened(tmp_path):
    wine = load_wine()
    columns = {name: wine.data[:, number] for number, name in enumerate(wine.feature_names)}
    pl.DataFrame({**columns, "target": wine.target}).write_csv(tmp_path / "wine.csv")
    options = {"target": "target", "drop": ("ash",), "group": None, "scale": "quantile"}
    data = dampen.open_data(tmp_path / "wine.csv", target="target", drop=("ash",), scale="quantile")
    first = dampen.fit(MLP((8,)), data, epochs=2)

    text = snippet(Recipe(), first.settings, str(tmp_path / "wine.csv"), options)

    assert "group" not in text
    assert ran(text).test == first.test


def test_a_network_of_ones_own_is_a_line_to_be_filled():
    text = snippet(Recipe(), Settings(lambda: None), "digits")

    assert "model = ...  # a function that returns a fresh nn.Module" in text
    compile(text, "snippet", "exec")


def test_infinite_strengths_need_no_import():
    text = snippet(Recipe(ClipNorm(math.inf)), Settings(), "digits")

    assert 'float("inf")' in text
    assert "math" not in text
