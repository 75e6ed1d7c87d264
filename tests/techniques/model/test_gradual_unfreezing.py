import pytest
from helpers import an_at, numbers
from torch import nn

from dampen import DampenError, reference
from dampen.contracts import Clock
from dampen.models.layout import layout_of
from dampen.techniques.model.gradual_unfreezing import GradualUnfreezing

LAYERS = {
    "body": [
        ["norm.weight", "norm.bias"],
        ["body.0.weight", "body.0.bias"],
        ["body.2.weight", "body.2.bias", "body.3.weight", "body.3.bias"],
    ],
    ("body.2", "norm"): [["body.2.weight", "body.2.bias"], ["norm.weight", "norm.bias"]],
    "body.0": [["body.0.weight", "body.0.bias"]],
}


@pytest.fixture(scope="module")
def layout():
    body = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU())
    model = nn.Sequential()
    model.add_module("norm", nn.LayerNorm(4))
    model.add_module("body", body)
    model.add_module("body_head", nn.Linear(6, 3))
    return layout_of(model.double(), numbers(8, 4))


@pytest.mark.parametrize("num_epochs", [1, 3])
@pytest.mark.parametrize("layers", LAYERS, ids=str)
def test_layers_thaw_one_after_the_other_from_the_last_to_the_first(layout, layers, num_epochs):
    technique, names = GradualUnfreezing(layers, num_epochs), tuple(layout.tensors)

    trained = [technique.trains(layout, Clock(10 * epoch, 200, epoch, 20)) for epoch in range(12)]

    assert trained == [reference.gradual_unfreezing(names, LAYERS[layers], num_epochs, e) for e in range(12)]
    assert trained != [reference.gradual_unfreezing(names, LAYERS[layers], num_epochs + 1, e) for e in range(12)]
    assert trained[-1] == names


def test_the_output_layer_trains_alone_in_the_first_epoch_and_the_norm_thaws_with_the_layer_before_it(layout):
    technique = GradualUnfreezing()

    first, second = (technique.trains(layout, Clock(0, 10, epoch, 5)) for epoch in (0, 1))

    assert first == ("body_head.weight", "body_head.bias")
    assert second == (*LAYERS["body"][2], *first)


@pytest.mark.parametrize(("epochs", "fits"), [(4, True), (3, False), (1, False)])
def test_a_training_that_ends_before_the_first_layer_thaws_is_refused(layout, epochs, fits):
    at = an_at(layout=layout, epochs=epochs)

    if fits:
        GradualUnfreezing().check(at)
    else:
        with pytest.raises(DampenError, match=f"thaws 3 layers, .* needs more than 3 epochs; got {epochs}"):
            GradualUnfreezing().check(at)
