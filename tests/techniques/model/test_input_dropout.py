import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects
from torch import nn

from dampen import Recipe, reference
from dampen.errors import DampenError
from dampen.models.layout import INPUTS, layout_of
from dampen.randomness import make_key
from dampen.techniques.model.input_dropout import InputDropout


@pytest.mark.parametrize("shape", [(8, 6), (3, 1, 5, 5)])
@pytest.mark.parametrize("rate", [0.0, 0.2, 0.8])
def test_it_is_dropout(shape, rate):
    technique, x = lifted(InputDropout(rate)), numbers(*shape)
    draws = technique.draw(x, make_key(3, 5), an_at())

    y = technique.activation(x, draws, an_at())

    kept = draws["keep"].numpy() != 0
    agrees(y, reference.dropout_forward(x.numpy(), kept, rate))
    rejects(y, reference.dropout_forward(x.numpy(), kept, rate + 0.01))


def test_it_works_on_what_goes_into_the_model_by_default():
    layout = layout_of(nn.Sequential(nn.Linear(4, 3)).double(), numbers(8, 4))

    assert layout.site_paths(InputDropout().sites) == (INPUTS,)


def test_a_fifth_of_the_inputs_is_silenced_by_default_and_all_at_rate_1():
    x = numbers(100, 500)

    some, none = (InputDropout(**given).draw(x, make_key(1, 1), an_at())["keep"] for given in ({}, {"rate": 1.0}))

    agrees((some == 0).double().mean(), 0.2, rtol=0.02)
    agrees(none, torch.zeros_like(x))


def test_token_ids_are_refused():
    with pytest.raises(DampenError, match="InputDropout needs inputs that are numbers, not token ids"):
        Recipe((InputDropout(),)).check(frozenset({"tokens", "classes"}))
