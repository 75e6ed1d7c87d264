"""The table of a network: parameters counted once, as torch counts, and every technique where `fit` lets it act."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import dampen
from dampen import CNN, LSTM, MLP, DampenError, ResidualCNN, Transformer, summary
from dampen.techniques import CATALOGUE
from dampen.worlds import WORLDS, world_for

NUMBERS = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32), np.linspace(0, 1, 40)


class Net(nn.Module):
    """A recurrent layer, a tensor of the module's own, a layer that is never called, a bias that does not train."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 8, batch_first=True)
        self.scale = nn.Parameter(torch.ones(8))
        self.out = nn.Linear(8, 2)
        self.out.bias.requires_grad_(False)
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        return self.out(torch.tanh(self.rnn(x)[0][:, -1] * self.scale))


def counted(module, trained=None):
    return sum(p.numel() for p in module.parameters() if trained in (None, p.requires_grad))


def rows_of(found):
    return {row.path: row for row in found.layers}


def acts_of(found):
    return {acts.name: acts for acts in found.techniques}


# ------------------------------------------------------------------ layers and parameters


def test_the_dense_network_of_128_64_1_with_l2_and_dropout():
    found = summary(MLP((128, 64)), "L2 + Dropout", NUMBERS)

    assert [(row.path, row.kind, row.shape, row.num_parameters, row.techniques) for row in found.layers] == [
        ("(inputs)", "", (64,), 0, ()),
        ("body.0", "Linear", (128,), 64 * 128 + 128, ("L2",)),
        ("body.1", "ReLU", (128,), 0, ("Dropout",)),
        ("body.2", "Linear", (64,), 128 * 64 + 64, ("L2",)),
        ("body.3", "ReLU", (64,), 0, ("Dropout",)),
        ("head", "Linear", (1,), 64 + 1, ("L2",)),
    ]
    assert (found.num_parameters, found.num_trained, found.num_fixed) == (16641, 16641, 0)
    assert str(found).splitlines()[:11] == [
        "MLP(hidden=(128, 64), activation='relu')",
        "",
        "layer     kind    output  parameters  acts here",
        "-----------------------------------------------",
        "(inputs)          64               0",
        "body.0    Linear  128          8,320  L2",
        "body.1    ReLU    128              0  Dropout",
        "body.2    Linear  64           8,256  L2",
        "body.3    ReLU    64               0  Dropout",
        "head      Linear  1               65  L2",
        "",
    ]
    assert "16,641 parameters: 16,641 trained." in str(found)


def test_batch_norms_that_a_recipe_adds_are_rows_behind_their_layers_as_in_the_network_that_trains():
    found = summary(CNN((8, 16)), "BatchNorm + DropBlock", "digits")

    module = dampen.fit(CNN((8, 16)), "digits", "BatchNorm + DropBlock", epochs=1).model()
    rows = rows_of(found)
    assert list(rows) == [
        *("(inputs)", "body.0", "body.0.norm", "body.1", "body.2", "body.3", "body.3.norm", "body.4", "head")
    ]
    assert rows["body.3.norm"] == dampen.summaries.Row(
        "body.3.norm", "BatchNorm2d", (16, 4, 4), 32, 32, ("BatchNorm",), "BatchNorm"
    )
    assert rows["body.3"].num_parameters == 8 * 16 * 9, "the bias before a batch norm goes"
    assert rows["body.4"].techniques == ("DropBlock",)
    assert (found.num_parameters, found.num_trained) == (counted(module), counted(module))
    assert found.num_buffers == sum(buffer.numel() for buffer in module.buffers())
    assert "BatchNorm2d +" in str(found)
    assert "+ added by a technique" in str(found)
    assert "adds body.0.norm, body.3.norm (each unit is standardised over" in str(found)


@pytest.mark.parametrize("model", [MLP(), CNN(), ResidualCNN(), LSTM(), Transformer()], ids=repr)
def test_rows_of_every_architecture_sum_up_to_what_torch_counts(model):
    data = next(data for data in (world.data() for world in WORLDS.values()) if _takes(model, data))

    found = summary(model, None, data)

    module = dampen.fit(model, data, epochs=1).model()
    assert sum(row.num_parameters for row in found.layers) == found.num_parameters == counted(module)
    assert all(row.shape is not None for row in found.layers)
    assert len({row.path for row in found.layers}) == len(found.layers)


def _takes(model, data):
    try:
        model(dampen.data.facts.facts_of(data.inputs, data.targets, data.task, num_tokens=data.num_tokens))
    except DampenError:
        return False
    return True


def test_somebody_s_module_is_told_and_left_as_it_is():
    net = Net().eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}

    found = summary(net, "L2 + BatchNorm + Dropout", torch.randn(1, 5, 3))

    rows = rows_of(found)
    assert found.model == "Net"
    assert (found.num_trained, found.num_fixed) == (counted(net, True), counted(net, False)) == (446, 2)
    assert (rows["rnn"].kind, rows["rnn"].shape, rows["rnn"].num_parameters) == ("LSTM", (5, 8), 416)
    assert (rows["out"].num_parameters, rows["out"].num_trained) == (18, 16)
    assert (rows[""].num_parameters, rows[""].kind) == (8, "Net")
    assert (rows["unused"].num_parameters, rows["unused"].shape) == (6, None)
    assert "18*" in str(found)
    assert "(the model)" in str(found)
    assert not net.training
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_a_module_given_as_such_gets_no_layers_of_a_recipe():
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))

    found = summary(net, "BatchNorm", torch.zeros(2, 4))

    assert [row.path for row in found.layers] == ["(inputs)", "0", "0.norm", "1", "2"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_what_a_layer_does_by_itself_stays_in_its_row():
    net = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    rows = rows_of(summary(net, None, torch.randn(3, 5, 8)))

    assert rows["self_attn"].num_parameters == counted(net.self_attn)
    assert list(rows) == [
        *("(inputs)", "self_attn", "dropout1", "norm1", "linear1", "dropout", "linear2", "dropout2", "norm2")
    ]


@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), torch.randn(3, 5, 8)),
        (lambda: nn.Sequential(nn.Embedding(50, 8), nn.Flatten(), nn.Linear(80, 3)), torch.randint(0, 50, (2, 10))),
        (lambda: nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU()).double(), np.zeros((1, 4))),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), np.zeros((3, 3, 2, 2), np.uint8)),
    ],
    ids=["attention", "embedding", "double", "bytes"],
)
def test_modules_of_all_kinds_given_as_such_or_by_a_function(make, inputs):
    for model in (make(), make):
        found = summary(model, None, inputs)

        assert sum(row.num_parameters for row in found.layers) == found.num_parameters == counted(make())


def test_a_tensor_that_two_layers_share_counts_once():
    net = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
    net[2].weight = net[0].weight

    found = summary(net, None, torch.zeros(2, 6))

    assert [row.num_parameters for row in found.layers] == [0, 42, 0, 6]
    assert found.num_parameters == counted(net) == 48


def test_what_does_not_train_at_first_and_what_techniques_train_themselves():
    found = summary(MLP((8, 8)), "Freeze(layers=body) + ConcreteDropout", NUMBERS)

    assert (found.num_trained, found.num_fixed) == (9, 64 * 8 + 8 + 72)
    assert [row.num_trained for row in found.layers] == [0, 0, 0, 0, 0, 9]
    assert acts_of(found)["ConcreteDropout"].num_trained == 2
    assert "2 more are trained by techniques." in str(found)
    assert "* not all of them train at the start" in str(found)


# ------------------------------------------------------------------ where techniques act


def test_techniques_without_layers_are_told_by_what_they_act_on():
    found = summary(MLP((8,)), "InputNoise + MixUp + SAM + EMA + EarlyStopping + ClipNorm + Flooding", NUMBERS)

    told = {name: (acts.room, acts.on, acts.layers) for name, acts in acts_of(found).items()}
    assert told["MixUp"] == ("batch", "each batch", ())
    assert told["Flooding"] == ("loss", "the loss", ())
    assert told["SAM"] == told["ClipNorm"] == ("gradient", "the gradients", ())
    assert told["EMA"] == ("weights", "all weights", ())
    assert told["EarlyStopping"] == ("epoch", "the whole training", ())
    assert "  EMA            all weights (predict with a smoothed network)" in str(found).splitlines()
    assert all(row.techniques == () for row in found.layers)


def test_what_changes_the_network_without_a_new_layer_says_where():
    found = summary(MLP((16, 16)), "SkipConnections + Whitening", NUMBERS)

    assert rows_of(found)["(inputs)"].techniques == ("Whitening",)
    assert rows_of(found)["body.3"].techniques == ("SkipConnections",)
    assert acts_of(found)["SkipConnections"].on == "changes body.3"


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        ("Dropout", "Dropout works on activations (hidden activations); this model has none; it has inputs, layers."),
        ("CutMix", "CutMix needs images (N, C, H, W) or series (N, C, T); this problem has none. Leave CutMix out."),
        ("BatchNorm", "BatchNorm needs a model with hidden layers; this problem has none. Leave BatchNorm out."),
        ("DropConnect(layers=recurrent)", "DropConnect works on weights in 'recurrent'; this model has none there;"),
    ],
)
def test_what_acts_nowhere_says_so_in_the_words_of_fit(recipe, why):
    found = summary(MLP(()), recipe, NUMBERS)

    (acts,) = found.techniques
    with pytest.raises(DampenError) as error:
        dampen.fit(MLP(()), NUMBERS, recipe, epochs=1)
    assert acts.refusal == str(error.value)
    assert acts.refusal.startswith(why)
    assert (acts.on, acts.layers) == ("nowhere", ())
    assert f"  {acts.name}  nowhere. {why[:20]}" in str(found)


def test_a_technique_at_rest_acts_nowhere():
    found = summary(MLP((8,)), "Dropout(rate=0.0) + L2", NUMBERS)

    assert acts_of(found)["Dropout"].on == "nowhere: every strength rests at its off value"
    assert [row.path for row in found.layers if "Dropout" in row.techniques] == []


def test_twice_the_same_technique_and_one_of_somebody_s_own():
    @dampen.technique
    class Halve:
        """g <- g / 2"""

        def gradients(self, grads, draws, at):
            return {name: grad / 2 for name, grad in grads.items()}

    found = summary(MLP((8,)), dampen.Recipe((dampen.L1(), dampen.L1(layers=("head",)), Halve())), NUMBERS)

    assert rows_of(found)["head"].techniques == ("L1", "L1#2")
    assert rows_of(found)["body.0"].techniques == ("L1",)
    assert (acts_of(found)["Halve"].room, acts_of(found)["Halve"].on) == ("gradient", "the gradients")


@pytest.mark.parametrize("technique", CATALOGUE, ids=lambda technique: technique.__name__)
def test_every_technique_fits_in_the_table(technique):
    world = WORLDS[world_for(technique)]

    data = "digits" if technique is dampen.GhostBatchNorm else world.data()  # which needs whole batches of 64

    found = summary(world.model("relu"), dampen.presets.alone(technique()), data)

    acts = found.techniques[-1]
    assert acts.refusal == ""
    assert acts.on != "nowhere"
    assert acts.does
    assert sum(row.num_parameters for row in found.layers) == found.num_parameters
    assert max(map(len, str(found).splitlines())) <= 80
    assert json.loads(json.dumps(found.to_record(), allow_nan=False))["num_parameters"] == found.num_parameters


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("model", "data", "told"),
    [
        (MLP(), None, "summary must have data for the shapes; got none. Give it what `fit` takes,"),
        (Net(), None, "summary must have data for the shapes; got none. Give it what `fit` takes,"),
        (
            MLP((4,)),
            np.zeros((3, 5)),
            "data must hold targets, too, for a network that is built to fit them; got inputs",
        ),
        (Net(), torch.zeros(2, 4), "The model must take inputs of shape (2, 4); it failed with: "),
        (Net(), torch.zeros(3), "data must be inputs (rows, ...), at least one row; got shape (3,)."),
        (lambda: 3, torch.zeros(2, 3), "model must return an nn.Module; got int."),
        (3, torch.zeros(2, 3), "model must be a function that returns a fresh nn.Module"),
        (Net(), "digits", "The model must take inputs of shape (2, 1, 8, 8); it failed with: "),
        (lambda: nn.Linear(64, 3), NUMBERS, "The model must return (rows, 1) for these data; got (2, 3)"),
    ],
)
def test_what_is_no_network_for_these_data_is_refused(model, data, told):
    with pytest.raises(DampenError) as error:
        summary(model, None, data)

    assert told in str(error.value)
