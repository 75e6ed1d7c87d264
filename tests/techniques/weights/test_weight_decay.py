import copy

import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects
from torch import nn

from dampen import reference
from dampen.models.layout import layout_of
from dampen.techniques.weights.weight_decay import WeightDecay


class RenamedNorm(nn.LayerNorm):
    """A norm that no rule by name would find."""


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), RenamedNorm(6), nn.ReLU(), nn.Linear(6, 3)).double()


def decayed(technique, model, before, after, lr):
    at = an_at(
        layout=layout_of(model, numbers(5, 4)), before=before, lr=torch.tensor(lr, dtype=torch.float64)
    )
    return technique.weights(after, {}, at)[0]


def test_weights_lose_a_share_of_what_they_were_before_the_optimizer(model):
    before = {name: p.detach() for name, p in model.named_parameters()}
    after = {name: w + numbers(*w.shape, seed=3) for name, w in before.items()}

    result = decayed(lifted(WeightDecay(0.3)), model, before, after, lr=0.1)

    for name in ("0.weight", "3.weight"):
        parts = after[name].numpy(), before[name].numpy()
        agrees(result[name], reference.weight_decay(*parts, 0.1, 0.3))
        rejects(result[name], reference.weight_decay(*parts, 0.1, 0.31))
        rejects(result[name], reference.weight_decay(parts[0], parts[0], 0.1, 0.3))


def test_biases_and_norms_do_not_decay_even_a_renamed_norm(model):
    after = {name: p.detach() + 1 for name, p in model.named_parameters()}

    result = decayed(lifted(WeightDecay(0.3)), model, after, after, lr=0.1)

    changed = {name for name in after if not torch.equal(result[name], after[name])}
    assert changed == {"0.weight", "3.weight"}


def test_adam_with_it_is_torchs_adamw(model):
    ours, theirs = model[3], copy.deepcopy(model[3])
    adam = torch.optim.Adam([ours.weight], lr=0.01)
    adamw = torch.optim.AdamW([theirs.weight], lr=0.01, weight_decay=0.1)
    technique = lifted(WeightDecay(0.1, layers=("3",)))

    for step in range(5):
        lr = 0.01 / (1 + step)
        ours.weight.grad = theirs.weight.grad = numbers(3, 6, seed=step)
        adam.param_groups[0]["lr"] = adamw.param_groups[0]["lr"] = lr
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        adam.step()
        adamw.step()
        after = {name: p.detach() for name, p in model.named_parameters()}
        ours.weight.data.copy_(decayed(technique, model, before, after, lr)["3.weight"])

    agrees(ours.weight, theirs.weight)
