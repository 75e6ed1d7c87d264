import pytest
import torch
from helpers import agrees, an_at, lifted, rejects
from torch import nn
from torch.func import functional_call

from dampen import reference
from dampen.models.layout import layout_of
from dampen.models.markers import Positions
from dampen.randomness import make_key
from dampen.techniques.model.embedding_dropout import EmbeddingDropout

IDS = torch.tensor([[2, 3, 2, 0], [4, 4, 5, 2], [7, 3, 1, 0]])


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(9, 5), Positions(4, 5), nn.Flatten(), nn.Linear(20, 3)).double()


def silenced(model, technique, key):
    at, params = an_at(layout=layout_of(model, IDS)), dict(model.named_parameters())
    draws = technique.draw(params, key, at)
    return params, draws, technique.parameters(params, draws, at)


@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0])
def test_the_vectors_of_a_text_are_the_definition(model, rate):
    params, draws, edited = silenced(model, lifted(EmbeddingDropout(rate)), make_key(3, 5))

    vectors = functional_call(model[0], {"weight": edited["0.weight"]}, (IDS,))

    kept, table = (draws["0.weight"][:, 0] != 0).numpy(), params["0.weight"].detach().numpy()
    agrees(vectors, reference.embedding_dropout(table, IDS.numpy(), kept, rate))
    if 0 < rate < 1:
        assert 0 < kept[[1, 2, 3, 4, 5, 7]].sum() < 6
    if rate < 1:
        rejects(vectors, reference.embedding_dropout(table, IDS.numpy(), kept, rate + 0.01))


def test_a_silent_word_is_silent_everywhere_and_nothing_else_is_touched(model):
    params, draws, edited = silenced(model, lifted(EmbeddingDropout(0.5)), make_key(1, 1))

    assert set(draws) == {"0.weight"}
    assert draws["0.weight"].shape == (9, 1), "one number per word"
    assert all(edited[name] is params[name] for name in params if name != "0.weight")


def test_the_gradient_of_a_kept_word_is_scaled_and_of_a_silent_one_zero(model):
    params, draws, edited = silenced(model, lifted(EmbeddingDropout(0.5)), make_key(1, 1))

    (grad,) = torch.autograd.grad(edited["0.weight"].sum(), params["0.weight"])

    agrees(grad, draws["0.weight"].expand(9, 5))
    assert {*draws["0.weight"].flatten().tolist()} == {0.0, 2.0}


def test_the_share_of_silent_words_is_the_rate():
    at = an_at(layout=layout_of(nn.Sequential(nn.Embedding(20_000, 1), nn.Flatten(), nn.Linear(4, 3)), IDS))
    draws = EmbeddingDropout(0.2).draw({"0.weight": torch.zeros(20_000, 1)}, make_key(1, 1), at)

    agrees((draws["0.weight"] == 0).double().mean(), 0.2, rtol=0.05)
