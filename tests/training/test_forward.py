import copy

import pytest
import torch
from helpers import agrees, numbers, rejects
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from dampen.data import facts_of
from dampen.models.adopt import adopt
from dampen.models.layout import layout_of
from dampen.training.forward import Forward


class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Linear(108, 4)

    def forward(self, x):
        return self.head(F.relu(self.norm(self.conv(x))).flatten(1))


class Tied(nn.Module):
    """One matrix in two layers, one module under two names."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.act = nn.Linear(5, 5), nn.Linear(5, 5), nn.Tanh()
        self.second.weight = self.first.weight
        self.third = self.first

    def forward(self, x):
        return self.third(self.act(self.second(self.act(self.first(x)))))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.recur, self.head = nn.LSTM(4, 6, num_layers=2, batch_first=True), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.recur(x)[0][:, -1])


class Twice(nn.Module):
    """One activation module, called twice."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head, self.act = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 2), nn.Tanh()

    def forward(self, x):
        return self.head(self.act(self.b(self.act(self.a(x)))))


CASES = {
    "mlp": (lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)), (7, 5)),
    "convolution and batch norm": (Conv, (7, 1, 8, 8)),
    "tied weights": (Tied, (7, 5)),
    "lstm": (Recurrent, (7, 9, 4)),
}
MOVED = ("norm.running_mean", "norm.running_var", "norm.num_batches_tracked")


def case(name):
    """The model, other tensors than its own, and inputs."""
    make, shape = CASES[name]
    torch.manual_seed(0)
    model = make().double()
    params = {n: p.detach() + 0.1 * numbers(*p.shape, seed=2) for n, p in model.named_parameters()}
    buffers = {n: b + 1 for n, b in model.named_buffers()}
    return model, params, buffers, numbers(*shape, seed=3)


def forward_of(model, name=""):
    return Forward(model, MOVED if name.startswith("convolution") else ())


# ------------------------------------------------------------------ the pass


@pytest.mark.parametrize("name", CASES)
def test_it_equals_functional_call(name):
    model, params, buffers, inputs = case(name)
    theirs = {n: b.clone() for n, b in buffers.items()}
    expected = functional_call(copy.deepcopy(model), {**params, **theirs}, (inputs,))

    outputs, _ = forward_of(model, name)(params, buffers, inputs)

    agrees(outputs, expected, rtol=0, atol=0)
    rejects(outputs, model(inputs))


@pytest.mark.parametrize("name", CASES)
def test_gradients_reach_the_tensors_that_were_given(name):
    model, params, buffers, inputs = case(name)
    ours = {n: p.clone().requires_grad_() for n, p in params.items()}
    theirs = {n: p.clone().requires_grad_() for n, p in params.items()}

    outputs, _ = forward_of(model, name)(ours, buffers, inputs)
    found = torch.autograd.grad(outputs.square().sum(), list(ours.values()))

    replaced = {**theirs, **{n: b.clone() for n, b in buffers.items()}}
    called = functional_call(copy.deepcopy(model), replaced, (inputs,)).square().sum()
    agrees(found, torch.autograd.grad(called, list(theirs.values())))
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("name", CASES)
def test_the_model_s_own_tensors_are_back_afterwards(name):
    model, params, buffers, inputs = case(name)
    own = {n: (t, t.clone()) for n, t in [*model.named_parameters(), *model.named_buffers()]}

    forward_of(model, name)(params, buffers, inputs)

    for n, t in [*model.named_parameters(), *model.named_buffers()]:
        assert t is own[n][0], n
        agrees(t, own[n][1], rtol=0, atol=0)
    assert not any(m._forward_hooks for m in model.modules())


def test_a_recurrent_network_computes_with_its_own_weights_again_afterwards():
    model, params, buffers, inputs = case("lstm")
    before = model(inputs)

    forward_of(model)(params, buffers, inputs)

    agrees(model(inputs), before, rtol=0, atol=0)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("where", ["in the model", "in an edit"])
def test_everything_is_back_where_the_pass_raises(name, where):
    model, params, buffers, inputs = case(name)
    inputs_that_fit = inputs
    before = model(inputs)
    own = dict(model.named_parameters())
    modes = [m.training for m in model.modules()]

    def stumbles(out, args, place):
        raise ZeroDivisionError

    last = [path for path, m in model.named_modules() if isinstance(m, nn.Linear)][-1]
    forward, edits = forward_of(model, name), {last: [stumbles if where == "in an edit" else lambda out, *_: out]}
    if where == "in the model":
        inputs = inputs[..., :-1]
    model_buffers = {n: b.clone() for n, b in model.named_buffers()}

    with pytest.raises((RuntimeError, ZeroDivisionError)):
        forward(params, buffers, inputs, edits, norm=False)

    assert all(p is own[n] for n, p in model.named_parameters())
    assert [m.training for m in model.modules()] == modes
    assert not any(m._forward_hooks for m in model.modules())
    agrees(dict(model.named_buffers()), model_buffers)
    agrees(model(inputs_that_fit), before, rtol=0, atol=0)


# ------------------------------------------------------------------ buffers that a pass changes


def test_running_buffers_come_back_as_new_tensors_and_the_given_ones_stay():
    model, params, buffers, inputs = case("convolution and batch norm")
    given = {n: b.clone() for n, b in buffers.items()}
    theirs = {n: b.clone() for n, b in buffers.items()}
    functional_call(copy.deepcopy(model), {**params, **theirs}, (inputs,))

    _, fresh = Forward(model, MOVED)(params, buffers, inputs)

    agrees(fresh, theirs)
    rejects(fresh["norm.running_mean"], given["norm.running_mean"])
    agrees(buffers, given, rtol=0, atol=0)
    assert fresh["norm.num_batches_tracked"] == given["norm.num_batches_tracked"] + 1
    assert not {b.data_ptr() for b in fresh.values()} & {b.data_ptr() for b in buffers.values()}


def test_without_running_buffers_nothing_is_returned():
    model, params, buffers, inputs = case("mlp")

    assert Forward(model, ())(params, buffers, inputs)[1] == {}


def test_norm_false_uses_and_keeps_the_running_statistics():
    model, params, buffers, inputs = case("convolution and batch norm")
    evaluated = copy.deepcopy(model)
    evaluated.norm.eval()
    expected = functional_call(evaluated, {**params, **{n: b.clone() for n, b in buffers.items()}}, (inputs,))
    forward = Forward(model, MOVED)

    outputs, fresh = forward(params, buffers, inputs, norm=False)

    agrees(outputs, expected)
    rejects(outputs, forward(params, buffers, inputs)[0])
    agrees(fresh, buffers, rtol=0, atol=0)
    assert model.norm.training, "it learns again in the next pass"


def test_a_norm_that_rests_already_is_not_woken():
    model, params, buffers, inputs = case("convolution and batch norm")
    model.eval()

    Forward(model, MOVED)(params, buffers, inputs, norm=False)

    assert not any(m.training for m in model.modules())


# ------------------------------------------------------------------ edits


def test_edits_change_the_output_of_their_site_one_after_the_other():
    model, params, buffers, inputs = case("mlp")

    outputs, _ = Forward(model, ())(
        params, buffers, inputs, {"1": [lambda out, args, place: out + 1, lambda out, args, place: 3 * out]}
    )

    hidden = F.relu(F.linear(inputs, params["0.weight"], params["0.bias"]))
    agrees(outputs, F.linear(3 * (hidden + 1), params["2.weight"], params["2.bias"]))


def test_an_edit_sees_what_went_into_its_site():
    model, params, buffers, inputs = case("mlp")
    seen = []

    Forward(model, ())(params, buffers, inputs, {"1": [lambda out, args, place: seen.append((args, place)) or out]})

    ((args, place),) = seen
    agrees(list(args), [F.linear(inputs, params["0.weight"], params["0.bias"])])
    assert place == "1"


def test_a_module_called_twice_is_two_places_and_counts_anew_in_every_pass():
    torch.manual_seed(0)
    model = Twice().double()
    params = {n: p.detach() for n, p in model.named_parameters()}
    places = []

    def silence_the_second(out, args, place):
        places.append(place)
        return out * (place != "act#2")

    forward = Forward(model, ())
    for _ in range(2):
        outputs, _ = forward(params, {}, numbers(4, 5), {"act": [silence_the_second]})

    assert places == ["act", "act#2"] * 2
    agrees(outputs, params["head.bias"].expand(4, 2))


def test_of_several_outputs_the_first_is_edited():
    model, params, buffers, inputs = case("lstm")

    outputs, _ = Forward(model, ())(params, buffers, inputs, {"recur": [lambda out, args, place: 0 * out]})

    agrees(outputs, params["head.bias"].expand(7, 3))


@pytest.mark.parametrize("name", ["mlp", "convolution and batch norm"])
def test_the_site_inputs_is_the_standardised_input_of_an_adopted_network(name):
    """Of a Sequential too, which runs all of its children."""
    model, params, _, inputs = case(name)
    inputs = 3 * inputs + 40
    facts = facts_of(inputs, torch.ones(7, 3), "classes")
    expected = functional_call(copy.deepcopy(model), params, (2 * (inputs - facts.mean) / facts.std,))
    adopt(model, facts)
    layout = layout_of(model, inputs)
    (site,) = layout.site_paths("inputs")
    buffers = {n: b.clone() for n, b in model.named_buffers()}

    outputs, _ = Forward(model, layout.running)(params, buffers, inputs, {site: [lambda out, args, place: 2 * out]})

    agrees(outputs, expected)
    assert len(model._forward_pre_hooks) == 1, "the edit is gone, the standardising stays"


@pytest.mark.parametrize("name", ["mlp", "convolution and batch norm"])
def test_what_goes_into_a_layer_is_a_site_and_the_output_layer_s_is_known_by_name(name):
    model, params, buffers, inputs = case(name)
    layout = layout_of(model, inputs)
    seen = []
    model.get_submodule(layout.output).register_forward_pre_hook(lambda layer, args: seen.append(args[0]))

    outputs, _ = Forward(model, layout.running)(
        params, buffers, inputs, {layout.into_output: [lambda x, args, place: torch.cat([0 * x, x])]}
    )

    (x,) = seen
    bias = params[f"{layout.output}.bias"]
    agrees(outputs[:7], bias.expand(7, len(bias)))
    agrees(outputs[7:], F.linear(x, params[f"{layout.output}.weight"], bias))
    rejects(outputs[7:], outputs[:7])


def test_edits_leave_no_trace_in_the_next_pass():
    model, params, buffers, inputs = case("mlp")
    forward = Forward(model, ())
    before, _ = forward(params, buffers, inputs)

    forward(params, buffers, inputs, {"1": [lambda out, args, place: 0 * out]})

    agrees(forward(params, buffers, inputs)[0], before, rtol=0, atol=0)
