import pytest
from helpers import numbers
from torch import nn

from dampen import reference
from dampen.contracts import Clock
from dampen.models.layout import layout_of
from dampen.techniques.model.freeze import Freeze


@pytest.fixture(scope="module")
def layout():
    body = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU())
    model = nn.Sequential()
    model.add_module("body", body)
    model.add_module("body_head", nn.Linear(6, 3))
    return layout_of(model.double(), numbers(8, 4))


@pytest.mark.parametrize(
    ("layers", "frozen"),
    [("body", ["body"]), (("body.2",), ["body.2"]), (("body.0", "body_head"), ["body.0", "body_head"])],
    ids=["body", "one layer", "two layers"],
)
@pytest.mark.parametrize("epoch", [0, 1, 2, 3])
def test_layers_are_frozen_in_the_first_epochs_and_train_from_then_on(layout, layers, frozen, epoch):
    module_of = {name: role.module for name, role in layout.tensors.items()}

    train = Freeze(layers, num_epochs=2).trains(layout, Clock(10 * epoch, 50, epoch, 5))

    assert train == reference.freeze(module_of, frozen, 2, epoch)
    assert (train != reference.freeze(module_of, frozen, 1, epoch)) == (epoch == 1)


@pytest.mark.parametrize("layers", ["body", ("body",)], ids=["word", "path"])
def test_a_frozen_body_leaves_the_output_layer_and_nothing_else(layout, layers):
    # "body_head" begins with "body" and is no part of it; the norm inside the body is.
    assert Freeze(layers).trains(layout, Clock(0, 50, 0, 5)) == ("body_head.weight", "body_head.bias")


def test_no_epochs_freeze_nothing(layout):
    assert Freeze(num_epochs=0).trains(layout, Clock(0, 50, 0, 5)) == tuple(layout.tensors)
