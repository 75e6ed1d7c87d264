import copy

import pytest
import torch
from helpers import agrees, numbers
from torch import nn
from torch.nn import functional as F

from dampen import L2, LSTM, DampenError, Recipe, Transformer
from dampen.data import facts_of
from dampen.models.kinds import RUNNING_NORMS
from dampen.models.layout import Role, layout_of
from dampen.models.markers import AttentionWeights, Branch, Join, Positions
from dampen.modules import GhostNorm


class Calls(nn.Module):
    """Named layers and a forward pass that a test writes as a function of (self, x)."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.steps = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x):
        return self.steps(self, x)


class HouseStyle(nn.LayerNorm):
    """A norm under a name that says nothing."""


def layout(forward, example, **layers):
    return layout_of(Calls(forward, **layers), example)


def table(rows=3, columns=4):
    return numbers(rows, columns).float()


# ------------------------------------------------------------------ roles, by module type


@pytest.mark.parametrize(
    ("layer", "example", "roles"),
    [
        (nn.Linear(4, 6), table(), {"weight": ("weight", 0), "bias": ("bias", 0)}),
        (nn.Conv1d(2, 5, 3), numbers(3, 2, 8).float(), {"weight": ("weight", 0), "bias": ("bias", 0)}),
        (nn.Conv2d(2, 5, 3), numbers(3, 2, 8, 8).float(), {"weight": ("weight", 0), "bias": ("bias", 0)}),
        (nn.ConvTranspose2d(2, 5, 3), numbers(3, 2, 8, 8).float(), {"weight": ("weight", 1), "bias": ("bias", 0)}),
        (nn.BatchNorm1d(4), table(), {"weight": ("norm", 0), "bias": ("norm", 0)}),
        (nn.BatchNorm2d(2), numbers(3, 2, 8, 8).float(), {"weight": ("norm", 0), "bias": ("norm", 0)}),
        (nn.GroupNorm(2, 4), table(), {"weight": ("norm", 0), "bias": ("norm", 0)}),
        (nn.InstanceNorm2d(2, affine=True), numbers(3, 2, 8, 8).float(), {"weight": ("norm", 0), "bias": ("norm", 0)}),
        (nn.RMSNorm(4), table(), {"weight": ("norm", 0)}),
        (nn.LayerNorm((3, 4)), numbers(2, 3, 4).float(), {"weight": ("norm", 0), "bias": ("norm", 0)}),
        (HouseStyle(4), table(), {"weight": ("norm", 0), "bias": ("norm", 0)}),
        (nn.Embedding(9, 4), torch.zeros(3, 5, dtype=torch.int64), {"weight": ("embedding", 0)}),
        (nn.EmbeddingBag(9, 4), torch.zeros(3, 5, dtype=torch.int64), {"weight": ("embedding", 0)}),
        (
            nn.LSTM(4, 6),
            table(),
            {
                **{"weight_ih_l0": ("weight", 0), "weight_hh_l0": ("weight", 0)},
                **{"bias_ih_l0": ("bias", 0), "bias_hh_l0": ("bias", 0)},
            },
        ),
    ],
    ids=lambda part: type(part).__name__ if isinstance(part, nn.Module) else "",
)
def test_the_role_of_a_tensor_comes_from_the_type_of_its_module(layer, example, roles):
    found = layout(lambda self, x: self.bias(x), example, bias=layer)

    expected = {f"bias.{name}": (kind, axis, "bias") for name, (kind, axis) in roles.items()}
    told = {name: (role.kind, role.unit_axis, role.module) for name, role in found.tensors.items()}
    assert told == expected, "a layer that is called bias is no bias"


def test_attention_s_tensors_are_weights_and_biases_of_its_own_modules():
    found = layout(
        lambda self, x: self.attend(x, x, x)[0], numbers(2, 3, 4).float(), attend=nn.MultiheadAttention(4, 2)
    )

    assert found.tensors == {
        "attend.in_proj_weight": Role("weight", 0, "attend", shape=(12, 4)),
        "attend.in_proj_bias": Role("bias", 0, "attend", shape=(12,)),
        "attend.out_proj.weight": Role("weight", 0, "attend.out_proj", shape=(4, 4)),
        "attend.out_proj.bias": Role("bias", 0, "attend.out_proj", shape=(4,)),
    }


def test_a_tied_tensor_has_one_role():
    model = Calls(lambda self, x: self.second(self.first(x)), first=nn.Linear(4, 4), second=nn.Linear(4, 4))
    model.second.weight = model.first.weight

    assert list(layout_of(model, table()).tensors) == ["first.weight", "first.bias", "second.bias"]


# ------------------------------------------------------------------ sites


def test_activation_modules_are_sites_in_the_order_of_execution():
    found = layout(
        lambda self, x: self.head(self.act_of_b(self.b(self.act_of_a(self.a(x))))),
        table(),
        **{
            "head": nn.Linear(5, 3),
            "act_of_b": nn.GELU(),
            "b": nn.Linear(6, 5),
            "act_of_a": nn.Tanh(),
            "a": nn.Linear(4, 6),
        },
    )

    assert found.sites["activations"] == ("act_of_a", "act_of_b")
    assert found.hidden == ("a", "b")
    assert found.output == "head"
    assert found.words == {"hidden"}


@pytest.mark.parametrize(
    "relu",
    [
        F.relu,
        torch.relu,
        torch.Tensor.relu,
        torch.Tensor.relu_,
        F.gelu,
        F.silu,
        torch.tanh,
        F.leaky_relu,
    ],
    ids=lambda function: function.__name__,
)
def test_where_a_forward_function_calls_an_activation_the_layer_before_it_is_the_site(relu):
    found = layout(lambda self, x: self.head(relu(self.a(x))), table(), a=nn.Linear(4, 6), head=nn.Linear(6, 3))

    assert found.sites["activations"] == ("a",)
    assert found.hidden == ("a",)
    assert found.output == "head"


@pytest.mark.parametrize("activation", [torch.sigmoid, F.softplus], ids=lambda function: function.__name__)
def test_before_a_called_activation_that_is_not_zero_at_zero_nothing_can_be_silenced(activation):
    found = layout(lambda self, x: self.head(activation(self.a(x))), table(), a=nn.Linear(4, 6), head=nn.Linear(6, 3))

    assert found.sites["activations"] == ()
    assert found.hidden == ("a",)


def test_between_convolution_norm_and_a_called_activation_the_norm_is_the_site():
    found = layout(
        lambda self, x: self.head(F.relu(self.norm(self.conv(x))).flatten(1)),
        numbers(3, 1, 8, 8).float(),
        conv=nn.Conv2d(1, 2, 3),
        norm=nn.BatchNorm2d(2),
        head=nn.Linear(72, 3),
    )

    assert found.sites["activations"] == ("norm",)
    assert found.hidden == (), "what has a norm already needs none"
    assert found.running == ("norm.running_mean", "norm.running_var", "norm.num_batches_tracked")
    assert found.convolutional
    assert not found.recurrent


def test_an_activation_module_after_a_norm_is_the_site_itself():
    found = layout(
        lambda self, x: self.head(self.act(self.norm(self.a(x)))),
        table(),
        **{"a": nn.Linear(4, 6), "norm": nn.LayerNorm(6), "act": nn.ReLU(), "head": nn.Linear(6, 3)},
    )

    assert found.sites["activations"] == ("act",)
    assert found.hidden == ()


@pytest.mark.parametrize(
    "last",
    [nn.ReLU(), nn.Sigmoid(), nn.Softmax(-1), nn.Sequential(nn.Tanh()), nn.Identity()],
    ids=lambda layer: type(layer).__name__,
)
def test_after_the_output_layer_a_module_is_no_site(last):
    found = layout(lambda self, x: self.last(self.head(x)), table(), head=nn.Linear(4, 3), last=last)

    assert found.sites["activations"] == ()
    assert found.hidden == ()
    assert found.output == "head"
    assert found.words == frozenset()


def test_after_the_output_layer_a_called_activation_makes_no_site():
    found = layout(lambda self, x: torch.sigmoid(self.head(x)), table(), head=nn.Linear(4, 3))

    assert (found.sites["activations"], found.hidden, found.output) == ((), (), "head")


def test_an_activation_before_the_first_layer_is_no_hidden_one():
    found = layout(lambda self, x: self.head(torch.tanh(x)), table(), head=nn.Linear(4, 3))

    assert found.sites["activations"] == ()


def test_one_activation_module_used_twice_is_one_site():
    found = layout(
        lambda self, x: self.head(self.act(self.b(self.act(self.a(x))))),
        table(),
        **{"a": nn.Linear(4, 6), "b": nn.Linear(6, 6), "act": nn.ReLU(), "head": nn.Linear(6, 3)},
    )

    assert found.sites["activations"] == ("act",)
    assert found.hidden == ("a", "b")


def test_nested_paths_are_the_user_s_own():
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 6), nn.ReLU()), nn.Linear(6, 3))

    found = layout_of(model, table())

    assert found.sites["activations"] == ("0.1",)
    assert found.hidden == ("0.0",)
    assert found.output == "1"
    assert found.paths == ("", "0", "0.0", "0.1", "1")


def test_a_recurrent_network_has_no_hidden_activation_of_its_own():
    found = layout(lambda self, x: self.head(self.recur(x)[0]), table(), recur=nn.LSTM(4, 6), head=nn.Linear(6, 3))

    assert (found.sites["activations"], found.hidden, found.output) == ((), (), "head")
    assert found.recurrent
    assert not found.convolutional


def test_a_network_without_weights_has_a_layout():
    found = layout(lambda self, x: x.relu(), table())

    assert (found.tensors, found.hidden, found.output) == ({}, (), None)
    assert found.inside("body") == ()


# ------------------------------------------------------------------ sites of sequences, attention and branches


def ids(rows=3, length=5):
    return torch.arange(rows * length).view(rows, length) % 9


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("batch_first", [True, False])
def test_outputs_of_embeddings_and_recurrent_layers_are_sequences_with_time_where_it_is(kind, batch_first):
    def forward(self, x):
        x = self.embed(x)
        x, _ = self.recur(x if batch_first else x.transpose(0, 1))
        return self.head(x[:, -1] if batch_first else x[-1])

    recur = kind(4, 6, batch_first=batch_first)
    found = layout(forward, ids(), recur=recur, embed=nn.Embedding(9, 4), head=nn.Linear(6, 3))

    assert found.sites["sequences"] == ("embed", "recur")
    assert found.time_axes == {"embed": 1, "recur": 1 if batch_first else 0}
    assert found.words == {"recurrent", "embeddings"}


def test_where_everything_runs_with_time_in_front_every_layer_says_so():
    def forward(self, x):
        x, _ = self.recur(self.embed(x.transpose(0, 1)))
        return self.head(self.norm(x)[-1])

    found = layout(
        forward,
        ids(),
        **{"embed": nn.Embedding(9, 4), "recur": nn.LSTM(4, 6), "norm": nn.LayerNorm(6), "head": nn.Linear(6, 3)},
    )

    assert found.time_axes == {"embed": 0, "recur": 0, "norm": 0}


def test_time_is_last_after_a_convolution_over_it_and_second_after_a_linear_layer():
    def forward(self, x):
        x = self.act(self.conv(x)).transpose(1, 2)
        return self.head(self.relu(self.linear(x)).mean(1))

    found = layout(
        forward,
        numbers(3, 2, 8).float(),
        **{"conv": nn.Conv1d(2, 5, 3), "act": nn.ReLU(), "linear": nn.Linear(5, 4), "relu": nn.ReLU()},
        head=nn.Linear(4, 3),
    )

    assert found.time_axes == {"(inputs)": 2, "conv": 2, "act": 2, "linear": 1, "relu": 1}
    assert found.sites["maps"] == ("act",), "the linear layer's output has no channels in front"
    assert found.sites["sequences"] == ()


def test_one_vector_a_row_is_no_sequence():
    bag = layout(lambda self, x: self.bag(x), ids(), bag=nn.EmbeddingBag(9, 4))
    single = layout(lambda self, x: self.embed(x[:, 0]), ids(), embed=nn.Embedding(9, 4))

    assert (bag.sites["sequences"], single.sites["sequences"]) == ((), ())
    assert (bag.time_axes, single.time_axes) == ({}, {})


def test_recurrent_weights_and_tables_of_embeddings_are_chosen_by_their_words():
    found = layout(
        lambda self, x: self.recur(self.embed(x))[0][:, -1],
        ids(),
        embed=nn.Embedding(9, 4),
        recur=nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True),
    )

    directions = ("l0", "l0_reverse", "l1", "l1_reverse")
    assert found.weights("recurrent") == tuple(f"recur.weight_hh_{part}" for part in directions)
    assert found.weights("embeddings") == ("embed.weight",)
    assert "embed.weight" not in found.weights("weights")


def test_attention_weights_are_sites_in_the_order_of_execution():
    def forward(self, x):
        scores = torch.einsum("nqc,nkc->nqk", x, x)[:, None]
        return (self.second(self.first(scores))[:, 0] @ x).mean(1)

    found = layout(forward, numbers(3, 5, 4).float(), second=AttentionWeights(), first=AttentionWeights())

    assert found.sites["attention"] == ("first", "second")
    assert found.sites["activations"] == (), "a softmax over keys is no hidden activation"
    assert not {"first", "second"} & set(found.time_axes), "(N, heads, queries, keys) has two axes of time"


def test_torch_s_own_attention_hides_its_weights():
    attend = nn.MultiheadAttention(4, 2, batch_first=True)
    found = layout(lambda self, x: self.attend(x, x, x)[0].mean(1), numbers(3, 5, 4).float(), attend=attend)

    assert found.sites["attention"] == ()


def test_branches_and_what_is_inside_them_are_sites():
    class Masked(Branch):
        def forward(self, x, mask):
            return self[0](x) * mask

    def forward(self, x):
        x = x + self.b(x, torch.ones_like(x))
        return self.head(x + self.a(x))

    found = layout(
        forward,
        table(),
        **{"a": Branch(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 4)), "b": Masked(nn.Linear(4, 4))},
        head=nn.Linear(4, 3),
    )

    assert found.sites["branches"] == ("b", "a")
    assert found.sites["activations"] == ("a.1",)
    assert found.sites["layers"] == ("b.0", "a.0", "a.2", "head")


def test_a_sum_of_two_branches_is_a_join_and_of_one_is_none():
    def forward(self, x):
        x = self.one(x, self.a(x))
        return self.two(x, self.a(x), self.b(x))

    found = layout(forward, table(), one=Join(), two=Join(), a=Branch(nn.Linear(4, 4)), b=Branch(nn.Linear(4, 4)))

    assert found.sites["joins"] == ("two",)


def test_learned_positions_are_biases():
    found = layout(
        lambda self, x: self.positions(self.embed(x)), ids(), embed=nn.Embedding(9, 4), positions=Positions(5, 4)
    )

    assert {name: role.kind for name, role in found.tensors.items()} == {
        "embed.weight": "embedding",
        "positions.bias": "bias",
    }
    assert found.weights("weights") == ()


@pytest.mark.parametrize(
    ("factory", "example"),
    [(Transformer(8, 2, 2, 12), ids()), (Transformer(8, 2, 2, 12), numbers(3, 2, 5).float())],
    ids=["texts", "series"],
)
def test_the_transformer_s_sites(factory, example):
    found = layout_of(factory(facts_of_example(example)), example)

    assert found.sites["attention"] == ("blocks.0.attend.1.weights", "blocks.1.attend.1.weights")
    assert found.sites["branches"] == ("blocks.0.attend", "blocks.0.feed", "blocks.1.attend", "blocks.1.feed")
    assert found.sites["activations"] == ("blocks.0.feed.2", "blocks.1.feed.2")
    assert found.sites["sequences"] == (("entry.embed",) if example.dim() == 2 else ())
    assert set(found.time_axes.values()) - {2} == {1}, "2 is the inputs of a series"
    assert (found.hidden, found.output, found.recurrent) == ((), "head", False)


@pytest.mark.parametrize("example", [ids(), numbers(3, 2, 5).float()], ids=["texts", "series"])
def test_the_lstm_s_sites(example):
    found = layout_of(LSTM(6)(facts_of_example(example)), example)

    assert found.sites["sequences"] == (("entry.embed", "recur") if example.dim() == 2 else ("recur",))
    assert found.time_axes["recur"] == 1
    assert found.weights("recurrent") == ("recur.weight_hh_l0",)
    assert (found.output, found.recurrent) == ("head", True)


def facts_of_example(example):
    return facts_of(example, torch.eye(3), "classes", num_tokens=9 if example.dim() == 2 else 0)


# ------------------------------------------------------------------ choosing layers and sites


@pytest.fixture(scope="module")
def found():
    model = nn.Sequential()
    model.add_module("embed", nn.Linear(4, 6))
    model.add_module("block", nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6), nn.ReLU()))
    model.add_module("blocks", nn.Linear(6, 6))
    model.add_module("head", nn.Linear(6, 3))
    return layout_of(model, table())


def test_weights_are_all_of_them_or_those_inside_the_paths_that_were_named(found):
    assert found.weights("weights") == ("embed.weight", "block.0.weight", "blocks.weight", "head.weight")
    assert found.weights("block") == ("block.0.weight",), "blocks is another layer, block.1 a norm"
    assert found.weights(("head", "embed")) == ("embed.weight", "head.weight")


def test_the_body_is_everything_but_the_output_layer(found):
    assert found.inside("body") == tuple(name for name in found.tensors if not name.startswith("head."))
    assert found.inside("block") == ("block.0.weight", "block.0.bias", "block.1.weight", "block.1.bias")


def test_sites_are_a_word_or_paths(found):
    assert found.site_paths("activations") == ("block.2",)
    assert found.site_paths("blocks") == ("blocks",)
    assert found.site_paths(("embed", "blocks")) == ("embed", "blocks")


@pytest.mark.parametrize("choose", ["weights", "inside", "site_paths"])
def test_an_unknown_layer_is_refused_with_the_names_that_there_are(found, choose):
    with pytest.raises(DampenError) as raised:
        getattr(found, choose)(("block.0", "block.7"))

    kind, words = ("site", "inputs, activations, layers, ") if choose == "site_paths" else ("layer", "")
    assert str(raised.value).startswith(f"Unknown {kind} 'block.7'. Did you mean 'block.")
    assert str(raised.value).endswith(f"The model has {words}embed, block, block.0, block.1, block.2, blocks, head.")


@pytest.mark.parametrize("choose", ["weights", "inside", "site_paths"])
@pytest.mark.parametrize("choice", [3, None, (3,), ("head", None), [b"head"], {"head": 1}])
def test_what_is_no_path_is_refused_with_a_sentence(found, choose, choice):
    with pytest.raises(DampenError) as raised:
        getattr(found, choose)(choice)

    assert str(raised.value) == f"Layers must be given as paths such as 'head'; got {choice!r}."


@pytest.mark.parametrize(
    ("layers", "where"), [("recurrent", "'recurrent'"), ("embeddings", "'embeddings'"), (("block.2",), "('block.2',)")]
)
def test_a_penalty_on_layers_without_weights_is_refused_with_those_that_have_some(found, layers, where):
    with pytest.raises(DampenError) as raised:
        found.check(Recipe((L2(layers=layers),)))

    assert str(raised.value) == (
        f"L2 works on weights in {where}; this model has none there; it has some in embed, block.0, blocks, head. "
        "Name others with `layers`."
    )


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (nn.Sigmoid, nn.Sigmoid, {"hidden", "sigmoid"}),
        (nn.SELU, nn.SELU, {"hidden", "selu"}),
        (nn.Sigmoid, nn.SELU, {"hidden"}),
        (nn.Sigmoid, nn.ReLU, {"hidden"}),
    ],
)
def test_a_word_for_an_activation_needs_it_everywhere(first, second, words):
    model = nn.Sequential(nn.Linear(4, 6), first(), nn.Linear(6, 6), second(), nn.Linear(6, 3))

    assert layout_of(model, table()).words == words


# ------------------------------------------------------------------ the probing pass


def noisy():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.ReLU(), nn.Linear(6, 3))


def test_probing_leaves_parameters_buffers_modes_hooks_and_the_global_generator_alone():
    model = noisy()
    model[2].eval()
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    generator = torch.random.get_rng_state()

    found = layout_of(model, table())

    assert "1.running_mean" in found.running, "the probe itself did train"
    agrees(dict(model.state_dict()), dict(before), rtol=0, atol=0)
    agrees(torch.random.get_rng_state(), generator)
    assert [m.training for m in model.modules()] == modes
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_norm_that_the_user_put_in_evaluation_mode_has_no_running_statistics():
    model = noisy()
    model[1].eval()

    assert layout_of(model, table()).running == ()


def test_probing_leaves_everything_alone_where_the_pass_fails():
    model = noisy()
    before, generator = copy.deepcopy(model.state_dict()), torch.random.get_rng_state()

    with pytest.raises(DampenError):
        layout_of(model, table(columns=5))

    agrees(dict(model.state_dict()), dict(before), rtol=0, atol=0)
    agrees(torch.random.get_rng_state(), generator)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_inputs_of_another_shape_are_refused_in_one_line_that_says_both_shapes():
    with pytest.raises(DampenError) as raised:
        layout_of(nn.Linear(5, 3), table())

    assert str(raised.value) == (
        "The model must take inputs of shape (3, 4); it failed with: mat1 and mat2 shapes cannot be multiplied "
        "(3x4 and 5x3). Make the first layer fit the data."
    )


def test_an_error_without_words_is_reported_in_one_line_too():
    def forward(self, x):
        raise ValueError

    with pytest.raises(
        DampenError, match=r"^The model must take inputs of shape \(3, 4\); it failed with: .*ValueError"
    ):
        layout(forward, table())


# ------------------------------------------------------------------ blocks


def test_blocks_are_layers_with_their_activations_where_the_shape_comes_out_as_it_went_in():
    same, wider, head = nn.Linear(4, 4), nn.Linear(4, 6), nn.Linear(6, 6)
    first, second, last = nn.ReLU(), nn.ReLU(), nn.Softplus()
    layers = {"same": same, "norm": nn.BatchNorm1d(4), "first": first, "wider": wider, "second": second}

    found = layout(
        lambda self, x: self.last(self.head(self.second(self.wider(self.first(self.norm(self.same(x))))))),
        table(),
        **layers,
        head=head,
        last=last,
    )

    assert found.blocks == (("same", "first"),), "not the wider one, not the output layer"


def test_a_functional_activation_makes_no_block():
    found = layout(lambda self, x: self.head(F.relu(self.body(x))), table(), body=nn.Linear(4, 4), head=nn.Linear(4, 2))

    assert found.blocks == ()


def test_our_ghost_norm_is_a_norm_with_running_statistics():
    found = layout(
        lambda self, x: self.head(self.norm(self.body(x))),
        table(),
        body=nn.Linear(4, 4),
        norm=GhostNorm(4, 16, 1e-5, 0.1),
        head=nn.Linear(4, 2),
    )

    assert (found.tensors["norm.weight"].kind, found.tensors["norm.bias"].kind) == ("norm", "norm")
    assert set(found.running) == {"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}
    assert issubclass(GhostNorm, RUNNING_NORMS)


# ------------------------------------------------------------------ who reads whom, and how many join


def test_the_reader_of_what_a_module_puts_out_is_the_layer_with_weights_that_runs_next():
    found = layout(
        lambda m, x: m.head(m.pool(F.relu(m.first(x))[:, None])[:, 0]),
        table(),
        first=nn.Linear(4, 6),
        pool=nn.MaxPool1d(2),
        head=nn.Linear(3, 2),
    )

    assert found.readers == {"(inputs)": "first", "first": "head", "pool": "head"}


def test_layers_are_those_whose_linear_map_can_be_had():
    found = layout(
        lambda m, x: m.head(m.other(x, m.first(x))),
        table(),
        first=nn.Linear(4, 6),
        other=nn.Bilinear(4, 6, 3),
        head=nn.Linear(3, 2),
    )

    assert found.sites["layers"] == ("first", "head")


@pytest.mark.parametrize("num_branches", [1, 2, 3])
def test_it_tells_how_many_branches_a_join_adds(num_branches):
    found = layout(lambda m, x: m.join(x, *[m.only(x)] * num_branches), table(), only=nn.Linear(4, 4), join=Join())

    assert found.joined == {"join": num_branches}
    assert found.sites["joins"] == (("join",) if num_branches > 1 else ())


def test_sites_with_time_before_the_examples_are_refused_where_rows_must_come_first():
    layout = layout_of(nn.LSTM(3, 5).double(), numbers(4, 2, 3))

    with pytest.raises(DampenError, match="Probe must have the examples on the first axis of ''; it is time there"):
        layout.check_rows_first("Probe", "sequences")


def test_a_running_mean_that_the_probe_happens_to_leave_at_0_runs_all_the_same():
    """Two rows behind a batch norm and tanh are each other's negative: their mean is 0, as the running one is."""
    model = torch.nn.Sequential(
        *(torch.nn.Linear(64, 12, bias=False), torch.nn.BatchNorm1d(12), torch.nn.Tanh()),
        *(torch.nn.Linear(12, 8, bias=False), torch.nn.BatchNorm1d(8), torch.nn.Tanh(), torch.nn.Linear(8, 3)),
    )
    with torch.no_grad():
        for linear in (model[0], model[3]):
            linear.weight.copy_(torch.randn(linear.weight.shape, generator=torch.Generator().manual_seed(0)).round())
    example = torch.tensor([[1.0], [-1.0]]).expand(2, 64).contiguous()

    found = layout_of(model, example)

    assert found.running == tuple(
        f"{n}.{b}" for n in (1, 4) for b in ("running_mean", "running_var", "num_batches_tracked")
    )
