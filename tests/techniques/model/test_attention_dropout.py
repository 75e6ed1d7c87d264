import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects

from dampen import Transformer, reference
from dampen.data import facts_of
from dampen.models.layout import layout_of
from dampen.models.markers import AttentionWeights
from dampen.models.transformer import SelfAttention
from dampen.randomness import make_key
from dampen.techniques.model.attention_dropout import AttentionDropout

REAL = torch.tensor([[True, True, True, True], [True, True, False, False], [False, False, False, False]])


# ------------------------------------------------------------------ the attention that it works on


def test_attention_weights_are_the_definition_with_padding_and_without():
    scores = 5 * numbers(3, 2, 4, 4)

    agrees(AttentionWeights()(scores, REAL), reference.attention_weights(scores.numpy(), REAL.numpy()))
    agrees(AttentionWeights()(scores), torch.softmax(scores, -1))
    rejects(AttentionWeights()(scores), reference.attention_weights(scores.numpy(), REAL.numpy()))


def test_padding_has_a_weight_of_zero_and_a_text_of_padding_alone_has_sound_gradients():
    scores = numbers(3, 2, 4, 4).requires_grad_()

    weights = AttentionWeights()(scores, REAL)
    (grad,) = torch.autograd.grad(weights.square().sum(), scores)

    agrees(weights[1, ..., 2:], torch.zeros(2, 4, 2, dtype=torch.float64), rtol=0, atol=0)
    agrees(weights.sum(-1), torch.ones(3, 2, 4, dtype=torch.float64))
    assert grad.isfinite().all()


def test_the_transformer_s_attention_is_the_definition():
    torch.manual_seed(0)
    attention, x = SelfAttention(6, 2, 1.0).double(), numbers(3, 4, 6)
    projected = attention.project(x)
    q, k, v = (part.view(3, 4, 2, 3).transpose(1, 2).detach().numpy() for part in projected.split(6, -1))

    mixed = torch.from_numpy(reference.attention_forward(q, k, v, REAL.numpy()))

    agrees(attention(x, REAL), attention.out(mixed.transpose(1, 2).flatten(2)))
    everything = torch.from_numpy(reference.attention_forward(q, k, v, torch.ones(3, 4, dtype=bool).numpy()))
    agrees(attention(x), attention.out(everything.transpose(1, 2).flatten(2)))
    rejects(attention(x, REAL), attention.out(everything.transpose(1, 2).flatten(2)))


def test_torch_s_own_attention_computes_the_same():
    q, k, v = (numbers(3, 2, 4, 5, seed=seed) for seed in range(3))
    mask = REAL[:2, None, None, :]

    expected = torch.nn.functional.scaled_dot_product_attention(q[:2], k[:2], v[:2], attn_mask=mask)

    agrees(reference.attention_forward(q[:2].numpy(), k[:2].numpy(), v[:2].numpy(), REAL[:2].numpy()), expected)


# ------------------------------------------------------------------ the technique


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_the_weights_are_thinned_and_scaled_and_not_made_to_sum_to_one(rate):
    technique, weights = lifted(AttentionDropout(rate)), torch.softmax(numbers(3, 2, 4, 4), -1)
    draws = technique.draw(weights, make_key(3, 5), an_at())

    thinned = technique.activation(weights, draws, an_at())

    kept = (draws["keep"] != 0).numpy()
    agrees(thinned, reference.attention_dropout(weights.numpy(), kept, rate))
    if rate < 1:
        rejects(thinned, reference.attention_dropout(weights.numpy(), kept, rate + 0.01))
    if 0 < rate < 1:
        rejects(thinned.sum(-1), torch.ones(3, 2, 4, dtype=torch.float64))


def test_on_average_the_weights_sum_to_one():
    technique, weights = lifted(AttentionDropout(0.3)), torch.softmax(numbers(1, 1, 3, 4), -1)

    draws = [technique.draw(weights, make_key(1, step), an_at()) for step in range(4000)]

    agrees(torch.stack([technique.activation(weights, d, an_at()) for d in draws]).mean(0), weights, rtol=0.06)


def test_it_stands_at_every_attention_of_the_transformer():
    ids = torch.tensor([[2, 3, 0], [4, 5, 6]])
    model = Transformer(8, 2, 3, 12)(facts_of(ids, torch.eye(2), "classes", num_tokens=7))

    paths = layout_of(model, ids).site_paths(AttentionDropout().sites)

    assert paths == tuple(f"blocks.{block}.attend.1.weights" for block in range(3))
