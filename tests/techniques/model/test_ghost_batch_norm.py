import copy

import pytest
import torch
from helpers import agrees, an_at, numbers, rejects
from torch import nn

from dampen import DampenError, Recipe, reference
from dampen.laws import outputs_of, plan_for, stepped
from dampen.models.layout import layout_of
from dampen.techniques.model.batch_norm import BatchNorm
from dampen.techniques.model.ghost_batch_norm import GhostBatchNorm
from dampen.training.forward import Forward
from dampen.training.problem import Member, check_fits
from dampen.worlds import small_problem

MODELS = {
    "linear": (nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)), (12, 4)),
    "conv": (nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(54, 3)), (12, 2, 5, 5)),
}


def rebuilt(name, technique):
    torch.manual_seed(0)
    plain, shape = MODELS[name]
    plain, x = copy.deepcopy(plain).double(), numbers(*shape)
    return technique.rebuild(plain, an_at(layout=layout_of(plain, x))), x


@pytest.fixture(params=MODELS)
def case(request):
    """A rebuilt network whose gain, shift and running statistics are no round numbers, and its input: three chunks."""
    model, x = rebuilt(request.param, GhostBatchNorm(4, momentum=0.2, eps=0.01))
    for seed, tensor in enumerate((model[0].norm.weight, model[0].norm.bias, model[0].norm.running_mean)):
        tensor.data.copy_(numbers(6, seed=seed))
    model[0].norm.running_var.copy_(numbers(6, seed=9).square() + 0.5)
    return model, x


@pytest.mark.parametrize("training", [True, False])
def test_each_chunk_is_standardised_on_its_own_and_prediction_uses_the_running_statistics(case, training):
    model, x = case
    layer, norm = model[0].train(training), model[0].norm
    z = (nn.functional.linear if x.dim() == 2 else nn.functional.conv2d)(x, layer.weight).detach().numpy()
    parts = [t.detach().clone().numpy() for t in (norm.weight, norm.bias, norm.running_mean, norm.running_var)]

    def expected(ghost_size=4, momentum=0.2, eps=0.01):
        return reference.ghost_batch_norm_forward(
            z, *parts, ghost_size=ghost_size, training=training, momentum=momentum, eps=eps
        )

    y = layer(x)

    agrees([y, norm.running_mean, norm.running_var], expected())
    rejects(y, expected(eps=0.011)[0])
    if training:
        rejects(y, expected(ghost_size=6)[0])
        rejects([norm.running_mean, norm.running_var], expected(momentum=0.21)[1:])


def test_the_gradient_of_a_chunk_is_batch_norm_s_of_that_chunk_alone(case):
    model, x = case
    norm = model[0].norm.train()
    z = numbers(12, 6, *model[0](x).shape[2:], seed=3).requires_grad_()
    grad_y = numbers(*z.shape, seed=4)

    grads = torch.autograd.grad(norm(z), (z, norm.weight, norm.bias), grad_y)

    gain, chunks = norm.weight.detach().numpy(), [slice(k, k + 4) for k in (0, 4, 8)]
    parts = [reference.batch_norm_backward(grad_y[c].numpy(), z[c].detach().numpy(), gain, eps=0.01) for c in chunks]
    agrees([grads[0][c] for c in chunks], [part[0] for part in parts])
    agrees(grads[1:], [sum(part[1] for part in parts), sum(part[2] for part in parts)])


def test_a_single_chunk_is_batch_norm():
    ghost, x = rebuilt("conv", GhostBatchNorm(12, momentum=0.2))
    plain, _ = rebuilt("conv", BatchNorm(momentum=0.2))

    agrees(ghost(x), plain(x))
    agrees(dict(ghost.named_buffers()), dict(plain.named_buffers()))


def test_a_momentum_divided_by_the_number_of_chunks_comes_to_the_same_up_to_its_square():
    ghost, x = rebuilt("linear", GhostBatchNorm(4, momentum=0.01))
    chunked = nn.BatchNorm1d(6, momentum=0.01 / 3).double()
    z = nn.functional.linear(x, ghost[0].weight)

    ghost(x)
    for chunk in range(3):
        chunked(z[4 * chunk : 4 * chunk + 4])

    agrees(
        [ghost[0].norm.running_mean, ghost[0].norm.running_var], [chunked.running_mean, chunked.running_var], atol=1e-4
    )


@pytest.mark.parametrize(("rows", "fits"), [(11, False), (12, True), (4, True), (3, False), (64, True)])
def test_a_batch_that_the_chunks_do_not_fill_is_refused(rows, fits):
    at = an_at(batch_size=rows)

    if fits:
        GhostBatchNorm(4).check(at)
    else:
        with pytest.raises(DampenError, match=f"ghost_size must divide the batch; got 4 for batches of {rows} rows"):
            GhostBatchNorm(4).check(at)


def test_a_recipe_is_refused_by_the_batches_of_the_training_part():
    with pytest.raises(DampenError, match="got 16 for batches of 11 rows"):
        check_fits(small_problem(), Recipe((GhostBatchNorm(),)))


def test_a_last_smaller_batch_in_somebody_else_s_loop_is_refused_while_training_alone():
    model, x = rebuilt("linear", GhostBatchNorm(4))

    with pytest.raises(DampenError, match="divides; got 10 rows"):
        model(x[:10])
    assert model.eval()(x[:10]).shape == (10, 3)


def test_members_of_a_pack_with_several_chunks_equal_the_same_members_alone():
    problem, recipe = small_problem(world="blobs, batches of 16"), Recipe((GhostBatchNorm(4),))
    members = [Member("", recipe, seed) for seed in range(4)]

    run, losses = stepped(problem, members, plan_for(problem, recipe, 4))

    solo, solo_losses = stepped(problem, members[2:3], plan_for(problem, recipe, 1))
    agrees(losses[:, 2], solo_losses[:, 0])
    agrees(outputs_of(run)[2], outputs_of(solo)[0])
    whole = Recipe((GhostBatchNorm(16),))
    one_chunk, _ = stepped(problem, [Member("", whole, 2)], plan_for(problem, whole, 1))
    rejects(outputs_of(solo), outputs_of(one_chunk))


def test_a_second_pass_with_norms_at_rest_uses_and_keeps_the_running_statistics(case):
    model, x = case
    forward = Forward(model, layout_of(model, x).running)
    params, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    forward.train()

    outputs, after = forward(params, buffers, x, norm=False)

    agrees(outputs, model.eval()(x))
    agrees(after, {name: buffers[name] for name in after}, rtol=0, atol=0)
    assert {"0.norm.running_mean", "0.norm.running_var"} <= set(after)
