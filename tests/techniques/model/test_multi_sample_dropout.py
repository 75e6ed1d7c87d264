import numpy as np
import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, numbers, rejects
from torch import nn

from dampen import CNN, Dropout, RDrop, Recipe, attach, reference
from dampen.contracts import Seen
from dampen.data.facts import facts_of
from dampen.models.layout import layout_of
from dampen.randomness import make_key
from dampen.techniques.model.multi_sample_dropout import MultiSampleDropout
from dampen.tensors import cross_entropy, weighted_mean

BATCH, KEY = a_batch(8, 5), make_key(3, 5)
PARAMS = {"0.weight": numbers(6, 5, seed=7), "2.weight": numbers(3, 6, seed=8), "2.bias": numbers(3, seed=9)}
AT = an_at(layout=layout_of(nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double(), BATCH.inputs))


def hidden(params):
    return torch.tanh(BATCH.inputs @ params["0.weight"].T)


def plain(params, batch, *, edits=None, noise=True, again=0, passes=None):
    """A network of two layers whose objective can be edited as the engine's; counts the passes of its body."""
    x = hidden(params)
    for place, edit in (edits or {}).items():
        assert place == "2(inputs)"
        x = edit(x)
    outputs = x @ params["2.weight"].T + params["2.bias"]
    if passes is not None:
        passes.append(len(x))
    loss = weighted_mean(cross_entropy(outputs, batch.targets), batch.weights)
    return loss, Seen(params, outputs, {}, batch, {})


def sampled(rate, num_samples, params=PARAMS, **how):
    """(what the technique makes of the objective, its masks of the first pass)"""
    technique = lifted(MultiSampleDropout(rate, num_samples))
    draws = technique.draw(BATCH, KEY, AT)
    result = technique.objective(plain, draws, AT)(params, BATCH, **how)
    return *result, draws["keep"](hidden(params), 0)


def expected(kept, rate):
    layer = PARAMS["2.weight"].numpy(), PARAMS["2.bias"].numpy()
    rest = BATCH.targets.numpy(), BATCH.weights.numpy(), kept.numpy() != 0, layer, rate
    return reference.multi_sample_dropout(hidden(PARAMS).numpy(), *rest)


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("num_samples", [1, 4])
def test_loss_and_outputs_are_means_over_the_samples(rate, num_samples):
    loss, seen, kept = sampled(rate, num_samples)

    agrees([loss, seen.outputs], expected(kept, rate))
    rejects(loss, expected(kept, rate + 0.01)[0])
    assert seen.batch is BATCH


def test_the_gradient_is_the_mean_of_the_samples_gradients():
    params = {name: w.clone().requires_grad_() for name, w in PARAMS.items()}
    loss, _, kept = sampled(0.4, 3, params)
    one_by_one = [plain(params, BATCH, edits={"2(inputs)": lambda x, mask=mask: x * mask})[0] for mask in kept]

    grads = torch.autograd.grad(loss, list(params.values()))

    singles = [torch.autograd.grad(one, list(params.values())) for one in one_by_one]
    agrees(grads, [torch.stack(of_one).mean(0) for of_one in zip(*singles, strict=True)])


def test_rate_0_is_the_plain_loss_and_rate_1_leaves_the_output_layer_its_bias():
    blind = PARAMS["2.bias"].expand(8, 3)

    agrees(sampled(0.0, 4)[0], plain(PARAMS, BATCH)[0])
    agrees(sampled(1.0, 4)[0], weighted_mean(cross_entropy(blind, BATCH.targets), BATCH.weights))


def test_the_body_runs_once_for_all_samples():
    passes = []

    sampled(0.4, 5, passes=passes)

    assert passes == [40]  # rows in the output layer, of one pass


def test_a_pass_without_noise_has_one_sample_and_no_mask():
    loss, seen, _ = sampled(0.4, 4, noise=False)

    agrees([loss, seen.outputs], [plain(PARAMS, BATCH)[0], plain(PARAMS, BATCH)[1].outputs])


def test_a_repeated_pass_has_the_same_masks_and_another_pass_others():
    first, repeated, other = (sampled(0.4, 4, again=again)[0] for again in (0, 0, 1))

    agrees(first, repeated, rtol=0, atol=0)
    rejects(first, other)


def test_samples_have_masks_of_their_own():
    *_, kept = sampled(0.5, 4)

    for one in range(3):
        rejects(kept[one], kept[one + 1], at_least=0.5)


@pytest.mark.parametrize("alpha", [None, 2.0], ids=["alone", "inside R-Drop"])
def test_it_finds_what_goes_into_the_output_layer_of_a_convolutional_network(alpha):
    images, targets = numbers(8, 1, 6, 6), torch.arange(8) % 3
    soft = nn.functional.one_hot(targets, 3).double()
    torch.manual_seed(0)
    model = CNN((4, 5))(facts_of(images, soft, "classes")).double()
    means = []
    model.head.register_forward_pre_hook(lambda layer, args: means.append(args[0].detach()))
    technique = MultiSampleDropout(0.3)
    others = () if alpha is None else (Dropout(0.0), RDrop(alpha))  # R-Drop asks for some dropout in the recipe
    reg = attach(Recipe((technique, *others)), model, torch.optim.SGD(model.parameters(), 0.1))

    loss = reg.objective(reg.batch(images, targets))

    model(images)
    draws = technique.draw(None, make_key(0, 0) / "MultiSampleDropout", an_at())
    layer = model.head.weight.detach().numpy(), model.head.bias.detach().numpy()
    rest = soft.numpy(), np.ones(8)
    losses, outputs = zip(
        *(
            reference.multi_sample_dropout(
                means[-1].numpy(), *rest, draws["keep"](means[-1], again).numpy() != 0, layer, 0.3
            )
            for again in (0, 1)
        ),
        strict=True,
    )
    if alpha is None:
        agrees(loss, losses[0])
    else:
        disagreement = reference.r_drop(*outputs, *rest, alpha) - reference.r_drop(*outputs, *rest, 0.0)
        agrees(loss, sum(losses) / 2 + disagreement)
