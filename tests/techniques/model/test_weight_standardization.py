import pytest
import torch
from helpers import agrees, an_at, arrays, numbers, rejects
from torch import nn

from dampen import Recipe, reference
from dampen.laws import plan_for
from dampen.models.layout import layout_of
from dampen.techniques.model.weight_standardization import WeightStandardization
from dampen.training.fit import fit_pack
from dampen.training.problem import Member
from dampen.worlds import small_problem

# One hidden layer each, its unit axis, and an input.
LAYERS = {
    "linear": (nn.Linear(5, 6), 0, (3, 5)),
    "convolution": (nn.Conv2d(2, 6, 3), 0, (3, 2, 5, 5)),
    "transposed convolution": (nn.ConvTranspose2d(2, 6, 3), 1, (3, 2, 5, 5)),
}


def standardised(technique, model, x, later=None):
    """(parameters, what a pass uses of them) where the network started as `model` and now has `later`."""
    params, at = dict(model.named_parameters()), an_at(layout=layout_of(model, x))
    at = at._replace(state=technique.start({name: p.detach() for name, p in params.items()}, at))
    now = {**params, **(later or {})}
    return now, technique.parameters(now, {}, at), technique.bake(now, dict(at.state), at)


@pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)
def test_each_unit_has_mean_0_and_the_layer_s_first_deviation(case):
    layer, axis, shape = case
    model = nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)).double()
    model(numbers(*shape))
    later = {"0.weight": 3 + 2 * numbers(*layer.weight.shape, seed=4)}

    now, used, baked = standardised(WeightStandardization(eps=0.01), model, numbers(*shape), later)

    w, scale = later["0.weight"].movedim(axis, 0).numpy(), layer.weight.detach().numpy().std()
    agrees(used["0.weight"].movedim(axis, 0), reference.weight_standardization(w, scale, 0.01))
    rejects(used["0.weight"].movedim(axis, 0), reference.weight_standardization(w, scale, 0.011))
    agrees(baked, used, rtol=0, atol=0)
    agrees(*({n: t for n, t in tensors.items() if n != "0.weight"} for tensors in (used, now)), rtol=0, atol=0)


def test_the_output_layer_is_left_unless_asked_for_and_so_is_a_unit_with_one_weight():
    model = nn.Sequential(nn.Linear(1, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3)).double()

    def moved(layers):
        now, used, _ = standardised(WeightStandardization(layers), model, numbers(3, 1))
        return {name for name in now if not torch.equal(now[name], used[name])}

    assert moved("body") == {"2.weight"}
    assert moved("weights") == {"2.weight", "4.weight"}
    assert moved(("4",)) == {"4.weight"}


def test_the_gradient_neither_shifts_nor_stretches_a_unit():
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    now, used, _ = standardised(WeightStandardization(), model, numbers(3, 5))

    (grad,) = torch.autograd.grad((used["0.weight"] * numbers(6, 5)).sum(), now["0.weight"])

    agrees(grad.sum(1), torch.zeros(6, dtype=torch.float64))
    agrees((grad * now["0.weight"]).sum(1), torch.zeros(6, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_that_start_all_alike_have_a_finite_gradient(dtype):
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)).to(dtype)
    nn.init.zeros_(model[0].weight)

    now, used, _ = standardised(WeightStandardization(), model, numbers(3, 5).to(dtype))
    (grad,) = torch.autograd.grad((used["0.weight"] * numbers(6, 5).to(dtype)).sum(), now["0.weight"])

    assert used["0.weight"].count_nonzero() == 0
    assert grad.isfinite().all()
    assert grad.count_nonzero() > 0, "they must be able to leave zero"


def test_what_is_handed_over_is_standardised():
    problem, recipe = small_problem(), Recipe((WeightStandardization(),))

    (fitted,) = fit_pack(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1))

    weight = arrays(dict(fitted.model().named_parameters()))["body.0.weight"]
    agrees(weight.mean(1), torch.zeros(12, dtype=torch.float64))
    agrees(weight.std(1), torch.full((12,), weight.std(), dtype=torch.float64), rtol=1e-4)
