import pytest
import torch
from helpers import a_batch, agrees, an_at, lifted, numbers, rejects

from dampen import reference
from dampen.contracts import Seen
from dampen.randomness import keep, make_key
from dampen.techniques.loss.r_drop import RDrop
from dampen.tensors import cross_entropy, weighted_mean

BATCH = a_batch(8, 5)
PARAMS = {"w": numbers(5, 3, seed=7)}


def noisy_outputs(params, again, rate=0.4):
    return BATCH.inputs * keep(make_key(1, 4) / again, rate, BATCH.inputs.shape, torch.float64) @ params["w"]


def objective_of(params, batch, *, again=0, rate=0.4):
    """One linear layer under dropout; a buffer counts the passes."""
    outputs = noisy_outputs(params, again, rate)
    loss = weighted_mean(cross_entropy(outputs, batch.targets), batch.weights)
    return loss, Seen(params, outputs, {}, batch, {"pass": torch.tensor(again)})


def r_drop(alpha, params=PARAMS, **how):
    return lifted(RDrop(alpha)).objective(objective_of, {}, an_at())(params, BATCH, **how)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 5.0])
def test_loss_and_gradient_are_equation_4(alpha):
    params = {"w": PARAMS["w"].clone().requires_grad_()}

    loss, _ = r_drop(alpha, params)
    (grad,) = torch.autograd.grad(loss, params["w"])

    first, second = noisy_outputs(PARAMS, 0).numpy(), noisy_outputs(PARAMS, 1).numpy()
    rest = BATCH.targets.numpy(), BATCH.weights.numpy()
    agrees(loss, reference.r_drop(first, second, *rest, alpha))
    rejects(loss, reference.r_drop(first, second, *rest, alpha + 0.02))

    masked = [BATCH.inputs * keep(make_key(1, 4) / again, 0.4, (8, 5), torch.float64) for again in (0, 1)]
    by_outputs = reference.r_drop_gradient(first, second, *rest, alpha)
    by_weights = sum(x.numpy().T @ g for x, g in zip(masked, by_outputs, strict=True))
    nudged = reference.r_drop_gradient(first, second, *rest, alpha + 0.02)
    agrees(grad, by_weights)
    rejects(grad, sum(x.numpy().T @ g for x, g in zip(masked, nudged, strict=True)))


def test_without_noise_the_passes_agree_and_the_loss_is_the_plain_one():
    loss, _ = r_drop(5.0, rate=0.0)

    agrees(loss, objective_of(PARAMS, BATCH, rate=0.0)[0])


def test_what_is_seen_and_the_batch_norm_statistics_are_those_of_the_first_pass():
    _, seen = r_drop(1.0)

    agrees([seen.outputs, seen.buffers["pass"]], [noisy_outputs(PARAMS, 0), 0])


def test_an_example_of_weight_0_plays_no_part():
    quiet = BATCH._replace(weights=torch.where(torch.arange(8) == 2, 0.0, BATCH.weights))
    loud_inputs = quiet.inputs.clone()
    loud_inputs[2] *= 100

    def loss(inputs):
        def objective(params, batch, *, again=0):
            mask = keep(make_key(1, 4) / again, 0.4, inputs.shape, torch.float64)
            outputs = inputs * mask @ params["w"]
            loss = weighted_mean(cross_entropy(outputs, batch.targets), batch.weights)
            return loss, Seen(params, outputs, {}, batch, {})

        return lifted(RDrop(1.0)).objective(objective, {}, an_at())(PARAMS, quiet)[0]

    agrees(loss(quiet.inputs), loss(loud_inputs))
