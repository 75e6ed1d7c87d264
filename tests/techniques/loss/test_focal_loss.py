import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, one_hot, rejects

from dampen import reference
from dampen.techniques.loss.focal_loss import FocalLoss


def loss_and_gradient(outputs, targets, gamma):
    outputs = outputs.clone().requires_grad_()
    losses = lifted(FocalLoss(gamma)).criterion(outputs, targets, an_at())
    return losses, torch.autograd.grad(losses.sum(), outputs)[0]


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_loss_and_gradient_are_equation_4(gamma, soft):
    outputs, targets = 2 * numbers(9, 4), one_hot(9, 4)
    targets = 0.8 * targets + 0.05 if soft else targets

    losses, grad = loss_and_gradient(outputs, targets, gamma)

    parts = outputs.numpy(), targets.numpy()
    agrees(losses, reference.focal_loss(*parts, gamma))
    rejects(losses, reference.focal_loss(*parts, gamma + 0.02))
    agrees(grad, reference.focal_loss_gradient(*parts, gamma))
    rejects(grad, reference.focal_loss_gradient(*parts, gamma + 0.02))


def test_gamma_0_is_the_cross_entropy():
    outputs, targets = numbers(9, 4), one_hot(9, 4)

    losses, grad = loss_and_gradient(outputs, targets, 0.0)

    agrees(losses, reference.cross_entropy(outputs.numpy(), targets.numpy()))
    agrees(grad, reference.cross_entropy_gradient(outputs.numpy(), targets.numpy()))


def test_an_example_at_p_0_9_counts_a_hundredth_and_one_at_p_0_1_four_fifths():
    # The paper's own illustration of gamma = 2, section 3.2: "100 times lower loss compared with CE".
    outputs = torch.tensor([[0.9, 0.1], [0.1, 0.9]], dtype=torch.float64).log()
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)

    focal, plain = (loss_and_gradient(outputs, targets, gamma)[0] for gamma in (2.0, 0.0))

    agrees(focal / plain, torch.tensor([0.01, 0.81], dtype=torch.float64))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_a_certain_and_right_example_has_loss_and_gradient_0(gamma):
    # (1 - p)^gamma has no derivative at p = 1 for gamma below 1: the trap is NaN.
    outputs, targets = torch.tensor([[800.0, 0.0, -5.0]]).double(), torch.tensor([[1.0, 0.0, 0.0]]).double()

    losses, grad = loss_and_gradient(outputs, targets, gamma)

    agrees([losses, grad], [torch.zeros(1).double(), torch.zeros(1, 3).double()])
    agrees(reference.focal_loss_gradient(outputs.numpy(), targets.numpy(), gamma), torch.zeros(1, 3).double())
