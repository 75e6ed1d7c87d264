import copy

import pytest
import torch
from helpers import agrees, an_at, numbers, rejects
from torch import nn

from dampen import reference
from dampen.models.layout import layout_of
from dampen.techniques.model.batch_norm import BatchNorm

MODELS = {
    "linear": (nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)), (8, 4)),
    "conv": (nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(54, 3)), (8, 2, 5, 5)),
}


@pytest.fixture(params=MODELS)
def case(request):
    """A rebuilt network whose gain, shift and running statistics are no round numbers, and its input."""
    torch.manual_seed(0)
    plain, shape = MODELS[request.param]
    plain, x = copy.deepcopy(plain).double(), numbers(*shape)
    model = BatchNorm(momentum=0.2, eps=0.01).rebuild(plain, an_at(layout=layout_of(plain, x)))
    for seed, tensor in enumerate((model[0].norm.weight, model[0].norm.bias, model[0].norm.running_mean)):
        tensor.data.copy_(numbers(6, seed=seed))
    model[0].norm.running_var.copy_(numbers(6, seed=9).square() + 0.5)
    return model, x


@pytest.mark.parametrize("training", [True, False])
def test_forward_is_algorithm_1_in_training_and_running_statistics_in_prediction(case, training):
    model, x = case
    layer, norm = model[0].train(training), model[0].norm
    z = (nn.functional.linear if x.dim() == 2 else nn.functional.conv2d)(x, layer.weight).detach().numpy()
    tensors = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    parts = [t.detach().clone().numpy() for t in tensors]

    y = layer(x)

    expected = reference.batch_norm_forward(z, *parts, training=training, momentum=0.2, eps=0.01)
    other_eps = reference.batch_norm_forward(z, *parts, training=training, momentum=0.2, eps=0.011)
    other_momentum = reference.batch_norm_forward(z, *parts, training=training, momentum=0.21, eps=0.01)
    agrees([y, norm.running_mean, norm.running_var], expected)
    rejects(y, other_eps[0])
    if training:
        rejects([norm.running_mean, norm.running_var], other_momentum[1:])


def test_backward_is_the_papers_chain_rule(case):
    model, x = case
    norm = model[0].norm.train()
    z = numbers(8, 6, *x.shape[2:], seed=3).requires_grad_()
    grad_y = numbers(*z.shape, seed=4)

    grads = torch.autograd.grad(norm(z), (z, norm.weight, norm.bias), grad_y)

    parts = grad_y.numpy(), z.detach().numpy(), norm.weight.detach().numpy()
    agrees(grads, reference.batch_norm_backward(*parts, eps=0.01))
    rejects(grads, reference.batch_norm_backward(*parts, eps=0.011))


def test_a_batch_comes_out_with_mean_shift_and_standard_deviation_gain(case):
    model, x = case
    dims = [dim for dim in range(x.dim()) if dim != 1]

    y = model[0].train()(1000 * x)  # the larger the spread, the less eps matters

    agrees(y.mean(dims), model[0].norm.bias.detach(), atol=1e-9)
    agrees(y.std(dims, correction=0), model[0].norm.weight.detach().abs(), rtol=1e-5)


def test_the_bias_before_the_norm_goes_and_no_other_tensor_is_renamed(case):
    model, _ = case

    names = {name for name, _ in model.named_parameters() if "norm" not in name}

    assert names == {"0.weight", f"{len(model) - 1}.weight", f"{len(model) - 1}.bias"}


def test_a_network_whose_layers_are_normed_already_is_left_alone():
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)).double()
    names = [name for name, _ in model.named_parameters()]

    rebuilt = BatchNorm().rebuild(model, an_at(layout=layout_of(model, numbers(8, 4))))

    assert [name for name, _ in rebuilt.named_parameters()] == names
