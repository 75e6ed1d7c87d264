import pytest
import torch
from helpers import agrees, an_at, lifted, numbers, rejects
from torch import nn
from torch.func import functional_call

from dampen import WeightDrop, reference, technique
from dampen.laws import outputs_of, plan_for, stepped
from dampen.models.layout import layout_of
from dampen.presets import alone
from dampen.randomness import keep, make_key
from dampen.training.problem import Member
from dampen.worlds import problem_for


class Last(nn.Module):
    def __init__(self, recur):
        super().__init__()
        self.recur = recur

    def forward(self, x):
        return self.recur(x)[0][:, -1]


def dropped(model, technique, key=None):
    at = an_at(layout=layout_of(model, numbers(3, 5, 4).to(next(model.parameters()))))
    params = dict(model.named_parameters())
    draws = technique.draw(params, key or make_key(3, 5), at)
    return params, draws, technique.parameters(params, draws, at)


@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0])
def test_a_recurrent_layer_with_dropped_connections_is_the_definition(rate):
    torch.manual_seed(0)
    model, x = Last(nn.RNN(4, 6, batch_first=True)).double(), numbers(3, 5, 4)
    params, draws, edited = dropped(model, lifted(WeightDrop(rate)))

    states, _ = functional_call(model.recur, {n.removeprefix("recur."): w for n, w in edited.items()}, (x,))

    parts = {n.removeprefix("recur."): w.detach().numpy() for n, w in params.items()}
    kept = (draws["recur.weight_hh_l0"] != 0).numpy()
    bias = parts["bias_ih_l0"] + parts["bias_hh_l0"]
    given = (x.numpy(), parts["weight_ih_l0"], parts["weight_hh_l0"], bias, kept)
    agrees(states, reference.weight_drop_rnn(*given, rate))
    if rate < 1:
        rejects(states, reference.weight_drop_rnn(*given, rate + 0.01))


def test_only_connections_from_one_time_to_the_next_are_dropped_in_every_layer_and_direction():
    model = Last(nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True))
    params, draws, edited = dropped(model, lifted(WeightDrop(0.5)))

    assert set(draws) == {f"recur.weight_hh_{part}" for part in ("l0", "l0_reverse", "l1", "l1_reverse")}
    assert all(edited[name] is params[name] for name in params if name not in draws)
    rejects(draws["recur.weight_hh_l0"], draws["recur.weight_hh_l1"], at_least=0.5)


def test_the_gradient_goes_to_the_kept_weights_themselves():
    model = Last(nn.LSTM(4, 6, batch_first=True)).double()
    params, draws, edited = dropped(model, lifted(WeightDrop(0.5)))
    name = "recur.weight_hh_l0"

    (grad,) = torch.autograd.grad(edited[name].sum(), params[name])

    agrees(grad, draws[name])
    agrees((draws[name] == 0).double().mean(), 0.5, rtol=0.3)


# ------------------------------------------------------------------ trap 12: the mask of a pass ends with the pass


def a_run(declared):
    """Three steps of an LSTM."""
    problem, recipe = problem_for(WeightDrop), alone(declared())
    run, _ = stepped(problem, [Member("", recipe, 1)], plan_for(problem, recipe, 1), steps=3)
    return run


def raw_outputs(run):
    """The network with its raw weights, as anybody else would run it."""
    problem, rows = run.problem, run.pack.rows["validation"][0]
    model = run.program.forward.model.eval()
    params = {name: stack[0] for name, stack in run.pack.params.items()}
    with torch.no_grad():
        return functional_call(model, params, (problem.feed.inputs[rows],))


@technique
class Lingering:
    """U <- U * keep / (1 - rate), at evaluation too: the fault of libraries that forget to restore U, 2017."""

    needs = ("recurrent",)
    draw, parameters = WeightDrop.draw, WeightDrop.parameters
    rate: float = WeightDrop.__dataclass_fields__["rate"]

    def bake(self, params, state, at):
        names = at.layout.weights("recurrent")
        masks = {n: keep(make_key(0, 0) / n, 0.5, params[n].shape, params[n].dtype) for n in names}
        return {**params, **{n: params[n] * mask for n, mask in masks.items()}}


def test_predictions_use_the_raw_weights_and_a_mask_that_lingers_is_found_out():
    sound, faulty = a_run(WeightDrop), a_run(Lingering)

    agrees(outputs_of(sound)[0], raw_outputs(sound))
    rejects(outputs_of(faulty)[0], raw_outputs(faulty))


def test_the_raw_weights_stay_whole_in_training():
    run = a_run(WeightDrop)

    assert (run.pack.params["recur.weight_hh_l0"] != 0).all()


def test_every_step_has_a_mask_of_its_own():
    model = Last(nn.LSTM(4, 6, batch_first=True)).double()

    _, first, _ = dropped(model, WeightDrop(0.5), make_key(3, 5))
    _, second, _ = dropped(model, WeightDrop(0.5), make_key(3, 6))

    rejects(first["recur.weight_hh_l0"], second["recur.weight_hh_l0"], at_least=0.5)
