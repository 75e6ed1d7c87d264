import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects
from torch import nn

from dampen import DampenError, reference
from dampen.contracts import Site
from dampen.models.layout import layout_of
from dampen.randomness import make_key
from dampen.techniques.model.locked_dropout import LockedDropout

SHAPES = {0: (5, 4, 6), 1: (4, 5, 6), 2: (4, 6, 5)}
"""Five times, four sequences, six units, by the axis of time."""


def at_time(axis):
    return an_at(site=Site("recur", 1.0, time_axis=axis))


def masks(draws, axis):
    """(sequences, units): what is kept."""
    return draws["keep"].squeeze(axis) != 0


@pytest.mark.parametrize("axis", SHAPES)
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.8])
def test_forward_and_backward_are_the_definition_wherever_time_is(axis, rate):
    technique, at = lifted(LockedDropout(rate)), at_time(axis)
    x, grad_y = numbers(*SHAPES[axis]).requires_grad_(), numbers(*SHAPES[axis], seed=1)
    draws = technique.draw(x, make_key(3, 5), at)

    y = technique.activation(x, draws, at)
    (grad_x,) = torch.autograd.grad(y, x, grad_y)

    kept = masks(draws, axis).numpy()
    agrees(y, reference.locked_dropout_forward(x.detach().numpy(), kept, rate, axis))
    rejects(y, reference.locked_dropout_forward(x.detach().numpy(), kept, rate + 0.01, axis))
    agrees(grad_x, reference.locked_dropout_backward(grad_y.numpy(), kept, rate, axis))
    rejects(grad_x, reference.locked_dropout_backward(grad_y.numpy(), kept, rate + 0.01, axis))


@pytest.mark.parametrize("axis", SHAPES)
def test_a_unit_is_silent_at_all_times_and_each_sequence_has_a_mask_of_its_own(axis):
    x = torch.ones(*SHAPES[axis], dtype=torch.float64)
    technique, at = lifted(LockedDropout(0.5)), at_time(axis)

    y = technique.activation(x, technique.draw(x, make_key(1, 1), at), at).movedim(axis, 0)

    assert y.shape[0] == 5
    agrees(y, y[:1].expand_as(y))
    assert all(not torch.equal(y[0, 0], y[0, other]) for other in range(1, 4)), "one mask for the batch is the fault"


def test_the_mean_over_many_masks_is_the_undisturbed_sequence():
    technique, x, at = lifted(LockedDropout(0.3)), numbers(2, 3, 4), at_time(1)

    draws = [technique.draw(x, make_key(1, step), at) for step in range(4000)]

    agrees(torch.stack([technique.activation(x, d, at) for d in draws]).mean(0), x, rtol=0.05)


def test_rate_0_changes_no_bit_and_rate_1_gives_zeros():
    x, at = numbers(4, 5, 6), at_time(1)
    for rate, expected in ((0.0, x), (1.0, torch.zeros_like(x))):
        technique = lifted(LockedDropout(rate))
        agrees(technique.activation(x, technique.draw(x, make_key(1, 1), at), at), expected, rtol=0, atol=0)


@pytest.mark.parametrize("batch_first", [True, False])
def test_in_a_model_the_mask_follows_the_axis_of_time(batch_first):
    """Trap 11: a mask over the wrong axis is shared by the sequences of the batch."""
    recur = nn.LSTM(4, 6, batch_first=batch_first)
    layout = layout_of(Last(recur), numbers(3, 5, 4).float())
    at = at_time(layout.time_axes["recur"])
    x = torch.ones(recur(torch.zeros((3, 5, 4) if batch_first else (5, 3, 4)))[0].shape)

    draws = lifted(LockedDropout(0.5)).draw(x, make_key(1, 1), at)

    assert draws["keep"].shape == ((3, 1, 6) if batch_first else (1, 3, 6))


class Last(nn.Module):
    def __init__(self, recur):
        super().__init__()
        self.recur = recur

    def forward(self, x):
        outputs, _ = self.recur(x if self.recur.batch_first else x.transpose(0, 1))
        return outputs[:, -1] if self.recur.batch_first else outputs[-1]


def test_a_layer_without_time_is_refused():
    layout = layout_of(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)), numbers(3, 4).float())

    with pytest.raises(DampenError) as raised:
        LockedDropout(sites=("1",)).check(an_at(layout=layout))

    assert str(raised.value) == (
        "LockedDropout.sites must put out sequences (three axes, one of them time); 1 puts out ('rows', 6). "
        "Use Dropout there."
    )
