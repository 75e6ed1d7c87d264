import dataclasses

import pytest
import torch
from helpers import agrees, numbers
from tabular_sets import wine
from torch import nn

from dampen import MLP
from dampen.data import facts_of, load_table
from dampen.models.adopt import adopt
from dampen.models.layout import layout_of
from dampen.models.tabular import EmbeddedColumns, OneHotEmbedding, width_of


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    file = tmp_path_factory.mktemp("tabular") / "wine.csv"
    wine().write_csv(file)
    data = load_table(file, target="kind", categories="embed", categorical=["proline"])
    return data, facts_of(data.inputs, data.targets, data.task, schema=data.schema)


def test_the_embedding_of_one_hot_rows_is_torch_s_of_their_numbers():
    layer, codes = OneHotEmbedding(7, 3), torch.tensor([0, 6, 3, 3])

    agrees(layer(nn.functional.one_hot(codes, 7).float()), nn.functional.embedding(codes, layer.weight))
    agrees(layer(torch.zeros(2, 7)), torch.zeros(2, 3))


def test_numbers_pass_and_each_span_is_embedded_by_a_table_of_its_own():
    layer, inputs = EmbeddedColumns([(2, 5), (5, 9)]), numbers(6, 9).float()

    outputs = layer(inputs)

    parts = [inputs[:, :2], inputs[:, 2:5] @ layer.columns[0].weight, inputs[:, 5:] @ layer.columns[1].weight]
    agrees(outputs, torch.cat(parts, 1))
    assert outputs.shape[1] == layer.out_features


@pytest.mark.parametrize(("categories", "width"), [(1, 2), (2, 2), (10, 6), (100, 21), (1000, 50)])
def test_the_width_follows_the_usual_rule(categories, width):
    assert width_of(categories) == width


def test_an_mlp_embeds_where_the_data_set_says_so_and_its_tables_are_no_weights(embedded):
    data, facts = embedded
    model = MLP((8,))(facts)
    adopt(model, facts)

    roles = layout_of(model, data.inputs[:2]).tensors

    kinds = {name: role.kind for name, role in roles.items()}
    first, second = (width_of(len(column.categories)) for column in data.schema.categorical)
    assert kinds["embedding.columns.0.weight"] == kinds["embedding.columns.1.weight"] == "embedding"
    assert kinds["body.0.weight"] == kinds["head.weight"] == "weight"
    assert model.body[0].in_features == 13 - 1 + 1 + first + second


def test_categories_are_embedded_behind_numbers_in_bins(embedded):
    data, _ = embedded
    schema = dataclasses.replace(data.schema, scale="bins")
    facts = facts_of(data.inputs, data.targets, data.task, schema=schema)
    model = MLP((8,))(facts)
    adopt(model, facts)
    seen = []
    model.embedding.register_forward_hook(lambda _module, args, outputs: seen.extend([args[0], outputs]))

    model(data.inputs[:20])

    ends = len(schema.features)
    first, second = (slice(start - ends, stop - ends or None) for start, stop in schema.spans)
    tables = model.embedding.columns
    categories = [data.inputs[:20, first] @ tables[0].weight, data.inputs[:20, second] @ tables[1].weight]
    width = 24 * len(schema.numbers) + len(schema.indicators)
    agrees(seen[1], torch.cat([seen[0][:, :width], *categories], 1), rtol=1e-6, atol=1e-6)
    assert seen[1].shape[1] == model.body[0].in_features
    assert facts.num_inputs == seen[0].shape[1]


def test_an_mlp_on_one_hot_columns_has_no_embedding(embedded):
    data, _ = embedded
    facts = facts_of(data.inputs, data.targets, data.task)

    assert set(dict(MLP((8,))(facts).named_parameters())) == {
        "body.0.weight",
        "body.0.bias",
        "head.weight",
        "head.bias",
    }


def test_a_stack_of_embedding_members_predicts_as_each_alone(embedded):
    data, facts = embedded
    models = [MLP((8,))(facts).double() for _ in range(3)]
    for model in models:
        adopt(model, facts)
        model.double()
    tensors = {name: torch.stack([m.state_dict()[name] for m in models]) for name in models[0].state_dict()}
    rows = data.inputs[:5].double()

    stacked = torch.func.vmap(lambda own: torch.func.functional_call(models[0], own, (rows,)))(tensors)

    agrees(stacked, torch.stack([model(rows) for model in models]))
