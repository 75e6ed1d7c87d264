"""Networks by name and arguments: there and back, and a sentence for what is none."""

import pytest
from torch import nn

from dampen import CNN, LSTM, MLP, DampenError, ResidualCNN, Transformer
from dampen.models import BY_NAME
from dampen.models.architecture import NETWORKS, from_dict, is_ours, to_dict


def test_every_network_of_the_command_line_has_a_name():
    assert set(NETWORKS.values()) == set(BY_NAME.values())


@pytest.mark.parametrize(
    "factory",
    [
        *(network() for network in BY_NAME.values()),
        MLP((), "selu"),
        CNN((8,), "tanh", 5),
        ResidualCNN((4, 8), 1, 2),
        Transformer(16, 2, 3, 20, "relu"),
        LSTM(7, 2),
    ],
    ids=repr,
)
def test_a_network_comes_back_from_its_plain_values(factory):
    values = to_dict(factory)

    assert from_dict(values) == factory
    assert is_ours(factory)
    assert all(type(value) in (str, int, list) for value in values.values())


def test_arguments_that_are_left_out_have_their_defaults():
    assert from_dict({"name": "CNN"}) == CNN()


def test_a_network_of_ones_own_is_not_ours():
    class Mine(MLP):
        pass

    assert not any(map(is_ours, (lambda: nn.Linear(2, 2), Mine(), nn.Linear, None)))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "A network must have a name"),
        ([], "A network must have a name"),
        ({"name": 3}, "A network must have a name"),
        ({"name": "mlp"}, "Unknown network 'mlp'. Did you mean 'MLP'?"),
        ({"name": "Ensemble"}, "Unknown network 'Ensemble'"),
        ({"name": "MLP", "widths": [3]}, "Unknown argument of MLP 'widths'"),
        ({"name": "MLP", "hidden": [3.5]}, "MLP.hidden must be a list of whole numbers; got ["),
        ({"name": "MLP", "hidden": [True]}, "MLP.hidden must be a list of whole numbers; got ["),
        ({"name": "MLP", "activation": ["relu"]}, "MLP.activation must be a word; got "),
        ({"name": "MLP", "activation": {"a": 1}}, "MLP.activation must be a word; got "),
        ({"name": "MLP", "activation": 1}, "MLP.activation must be a word; got 1."),
        ({"name": "CNN", "activation": "rely"}, "CNN.activation must be one of"),
        ({"name": "LSTM", "hidden": [3]}, "LSTM.hidden must be a whole number; got [3]."),
        ({"name": "MLP", "hidden": [0]}, "MLP.hidden must be whole numbers, at least 1"),
        ({"name": "Transformer", "width": 6, "num_heads": 4}, "Transformer.width must be a multiple of num_heads"),
    ],
)
def test_what_is_no_network_is_refused_with_a_sentence(values, said):
    with pytest.raises(DampenError) as raised:
        from_dict(values)

    assert str(raised.value).startswith(said)
