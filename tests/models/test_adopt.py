import copy

import numpy as np
import pytest
import torch
from helpers import agrees, numbers
from sklearn.datasets import load_diabetes, load_linnerud, load_wine
from torch import nn

from dampen import MLP, DampenError
from dampen.data import facts_of
from dampen.models.adopt import adopt, build, check_factory, check_fresh
from dampen.models.layout import layout_of

WINE, LINNERUD = load_wine(), load_linnerud()


class Net(nn.Module):
    """A user's own network, with dropout in three places."""

    def __init__(self, num_inputs=13, num_outputs=3):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(num_inputs, 8), nn.ReLU(), nn.Dropout(0.3))
        self.drop = nn.Dropout(0.1)
        self.deeper = nn.ModuleDict({"drop": nn.Dropout(0.0)})
        self.head = nn.Linear(8, num_outputs)

    def forward(self, x):
        return self.head(self.deeper["drop"](self.drop(self.body(x))))


@pytest.fixture
def wine():
    inputs = torch.from_numpy(WINE.data)
    return inputs, facts_of(inputs, torch.eye(3, dtype=torch.float64)[torch.from_numpy(WINE.target)], "classes")


@pytest.fixture
def linnerud():
    inputs, targets = torch.from_numpy(LINNERUD.data), torch.from_numpy(LINNERUD.target)
    return inputs, facts_of(inputs, targets, "numbers")


def made(kind=Net, *arguments):
    torch.manual_seed(0)
    return kind(*arguments).double()


def test_the_user_s_own_keys_and_tensors_stay(wine):
    model = made()
    before = copy.deepcopy(model.state_dict())

    adopt(model, wine[1])

    after = dict(model.state_dict())
    assert set(before) < set(after), "what is fixed travels with the weights"
    agrees({name: after[name] for name in before}, dict(before), rtol=0, atol=0)
    assert list(dict(model.named_parameters())) == list(dict(made().named_parameters()))


def test_inputs_reach_the_first_layer_standardised(wine):
    inputs, facts = wine
    model = made()
    seen = []
    model.body[0].register_forward_hook(lambda m, args, out: seen.append(args[0]))

    adopt(model, facts)
    model(inputs)

    standard = (WINE.data - WINE.data.mean(0)) / WINE.data.std(0)
    agrees(seen[0], standard, rtol=1e-9, atol=1e-9)


def test_the_adopted_network_is_the_user_s_one_on_standardised_inputs(wine):
    inputs, facts = wine
    expected = made().eval()((inputs - facts.mean) / facts.std)
    model = made()

    adopt(model, facts)

    agrees(model.eval()(inputs), expected)


def test_what_is_fixed_does_not_train_travels_with_the_weights_and_does_not_alias_the_facts(wine):
    inputs, facts = wine
    model, other = made(), made()
    adopt(model, facts)
    adopt(other, facts_of(5 * inputs + 1, torch.ones(178, 3), "classes"))
    expected = model.eval()(inputs)

    other.load_state_dict(model.state_dict())
    for buffer in model.buffers():
        buffer.add_(1)

    agrees(other.eval()(inputs), expected)
    agrees([facts.mean, facts.std], [WINE.data.mean(0), WINE.data.std(0)])
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in made().named_parameters()]


def test_outputs_of_a_regression_are_in_the_target_s_units(linnerud):
    inputs, facts = linnerud
    plain = made(Net, 3, 3).eval()((inputs - facts.mean) / facts.std).detach().numpy()
    model = made(Net, 3, 3)

    adopt(model, facts)

    agrees(model.eval()(inputs), plain * LINNERUD.target.std(0) + LINNERUD.target.mean(0))


def test_own_dropout_rests_and_its_rate_is_told_by_path(wine):
    model = made()

    rates = adopt(model, wine[1])

    assert rates == {"body.2": 0.3, "drop": 0.1, "deeper.drop": 0.0}
    assert not any(m.training for m in model.modules() if isinstance(m, nn.Dropout))
    agrees(model(wine[0]), model(wine[0]), rtol=0, atol=0)


def test_other_dropout_than_nn_dropout_is_not_taken_for_it(wine):
    """Its noise has another shape; it stays and trains under a seed."""
    model = made(lambda: nn.ModuleDict({"a": nn.AlphaDropout(0.2), "b": nn.Dropout2d(0.2)}))
    model.forward = lambda x: x

    assert adopt(model, wine[1]) == {}


def test_one_dropout_module_under_two_names_is_one_place_with_one_edit(wine):
    model = made()
    model.body[2] = model.drop

    rates = adopt(model, wine[1])

    assert rates == {"body.2": 0.1, "deeper.drop": 0.0}
    assert not any(m.training for m in model.modules() if isinstance(m, nn.Dropout))


def test_a_network_in_evaluation_mode_is_set_to_train(wine):
    model = made().eval()

    adopt(model, wine[1])

    assert all(m.training for m in model.modules() if not isinstance(m, nn.Dropout))


def test_a_module_that_the_user_put_in_evaluation_mode_stays_there(wine):
    model = made()
    model.body[0].eval()

    adopt(model, wine[1])

    assert model.training
    assert not model.body[0].training


# ------------------------------------------------------------------ any nn.Module


def test_a_sequential_is_adopted_like_any_other_network(wine):
    """Its forward pass runs all of its children: the fixed layer must not be one of those it runs."""
    inputs, facts = wine
    layers = nn.Linear(13, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
    model = nn.Sequential(*layers).double()
    expected = copy.deepcopy(model).eval()((inputs - facts.mean) / facts.std)

    rates = adopt(model, facts)

    assert rates == {"2": 0.3}
    agrees(model.eval()(inputs), expected)


def test_a_sequential_for_numbers_is_adopted_too(linnerud):
    inputs, facts = linnerud
    model = nn.Sequential(nn.Linear(3, 3)).double()
    expected = copy.deepcopy(model)((inputs - facts.mean) / facts.std) * facts.target_std + facts.target_mean

    adopt(model, facts)

    agrees(model(inputs), expected)


def test_a_single_layer_is_a_network(wine):
    inputs, facts = wine
    model = made(nn.Linear, 13, 3)

    adopt(model, facts)

    agrees(model(inputs), made(nn.Linear, 13, 3)((inputs - facts.mean) / facts.std))


def test_a_buffer_of_the_user_s_that_has_our_name_is_not_replaced_in_silence(linnerud):
    model = made(Net, 3, 3)
    before = set(model.state_dict())
    adopt(model, linnerud[1])
    names = set(model.state_dict()) - before
    assert names

    for name in names:
        own = made(Net, 3, 3)
        own.register_buffer(name, torch.zeros(3))
        with pytest.raises(DampenError, match=name):
            adopt(own, linnerud[1])


def test_the_layout_of_an_adopted_network_knows_the_site_inputs(wine):
    inputs, facts = wine
    model = made()
    adopt(model, facts)

    layout = layout_of(model, inputs[:2])

    assert layout.sites["activations"] == ("body.1",)
    assert len(layout.site_paths("inputs")) == 1
    assert layout.running == ()
    assert not set(layout.tensors) - {name for name, _ in made().named_parameters()}


# ------------------------------------------------------------------ factories


def test_a_factory_may_ask_for_the_facts_or_for_nothing(wine):
    facts = wine[1]

    for factory in (Net, lambda: Net(), lambda facts: Net(facts.num_inputs), MLP((8,)), lambda n=8: Net()):
        model = build(factory, facts, 0, torch.float64)
        assert model(numbers(2, 13)).shape == (2, 3)


def test_initial_weights_are_decided_by_the_seed_and_the_global_generators_stay(wine):
    generator, numpys = torch.random.get_rng_state(), np.random.get_state()

    one, again, other = (build(Net, wine[1], seed, torch.float32) for seed in (5, 5, 6))

    agrees(dict(one.state_dict()), dict(again.state_dict()), rtol=0, atol=0)
    assert not torch.equal(one.head.weight, other.head.weight)
    agrees(torch.random.get_rng_state(), generator)
    np.testing.assert_array_equal(np.random.get_state()[1], numpys[1])


@pytest.mark.parametrize("factory", [Net(), "MLP", None, 3])
def test_what_is_no_factory_is_refused_with_an_example(factory):
    with pytest.raises(DampenError) as raised:
        check_factory(factory)

    assert str(raised.value) == (
        "model must be a function that returns a fresh nn.Module, so that every seed has its own initial weights; "
        f"got {type(factory).__name__}. Pass e.g. `lambda: Net()`."
    )


def test_a_factory_that_returns_something_else_is_refused(wine):
    with pytest.raises(DampenError, match=r"^model must return an nn\.Module; got dict\.$"):
        build(dict, wine[1], 0, torch.float32)


def test_a_factory_that_returns_the_same_network_again_is_refused(wine):
    """Every seed would start from the same weights."""
    shared = Net()

    check_fresh(Net, wine[1])
    with pytest.raises(DampenError, match="fresh"):
        check_fresh(lambda: shared, wine[1])


def test_a_part_that_networks_share_is_never_changed(wine):
    """A pretrained body: each network gets a copy, or one recipe's batch norm would stay for the next."""
    body = nn.Linear(13, 4)

    model = build(lambda: nn.Sequential(body, nn.Dropout(0.5), nn.Linear(4, 3)), wine[1], 0, torch.float64)
    adopt(model, wine[1])
    model[0].weight.data.zero_()

    assert body.weight.dtype == torch.float32
    assert body.weight.abs().sum() > 0


def test_diabetes_predictions_start_near_the_mean_of_the_target():
    """A network that says nothing yet is as good as the mean: that is what rescaling is for."""
    bunch = load_diabetes()
    inputs, targets = torch.from_numpy(bunch.data), torch.from_numpy(bunch.target)[:, None]
    facts = facts_of(inputs, targets, "numbers")
    model = build(MLP((8,)), facts, 0, torch.float64)
    torch.nn.init.zeros_(model.head.weight)

    adopt(model, facts)

    agrees(model(inputs), np.full((442, 1), bunch.target.mean()))
