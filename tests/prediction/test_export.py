"""Exported networks say the same as the module, for any number of rows."""

import importlib.util
import warnings

import numpy as np
import pytest
import torch

import dampen
from dampen import CNN, LSTM, MLP, DampenError, ResidualCNN, Transformer, export_model
from dampen.worlds import WORLDS

ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))
needs_onnx = pytest.mark.skipif(not ONNX, reason="needs onnx, onnxscript and onnxruntime")
NETWORKS = {
    "mlp": ("blobs", MLP((6,)), "BatchNorm"),
    "mlp with skips": ("blobs", MLP((8, 8)), "SkipConnections + Whitening"),
    "cnn": ("blobs", CNN((4, 6)), "BatchNorm"),
    "residual": ("blobs", ResidualCNN((4, 6), 1, 2), None),
    "a table with missing cells": ("cells", MLP((6,)), None),
    "transformer of texts": ("words, transformer", Transformer(8, 2, 1, 8), None),
    "lstm of series": ("waves", LSTM(5), None),
    "an ensemble": ("blobs", MLP((6,)), "SnapshotEnsemble(num_snapshots=2)"),
}


def trained(name):
    world, network, recipe = NETWORKS[name]
    return dampen.fit(network, WORLDS[world].data(), recipe, epochs=2, batch_size=16)


def outputs_of(path, rows):
    if path.suffix == ".pt2":
        return torch.export.load(path).module()(rows).detach()
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["outputs"], {"rows": rows.numpy()})[0])


@pytest.mark.parametrize("suffix", [".pt2", pytest.param(".onnx", marks=needs_onnx)])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_exported_network_gives_the_outputs_of_the_module(name, suffix, tmp_path, capfd):
    fitted, path = trained(name), tmp_path / f"network{suffix}"

    export_model(fitted, path)

    assert capfd.readouterr() == ("", "")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    inputs = fitted.problem.example(20)
    for rows in (inputs[:1], inputs):
        torch.testing.assert_close(outputs_of(path, rows), fitted.model()(rows).detach(), rtol=1e-5, atol=1e-5)


def test_a_loaded_model_is_exported_too_and_stays_as_it_was(tmp_path):
    fitted = trained("mlp")
    dampen.save_model(fitted, tmp_path / "model", temperature=3.0)
    loaded = dampen.load_model(tmp_path / "model")

    export_model(loaded, tmp_path / "network.pt2")

    rows = fitted.problem.example(5)
    torch.testing.assert_close(outputs_of(tmp_path / "network.pt2", rows), loaded.module(rows), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(loaded.module(rows), fitted.model()(rows).detach(), rtol=0, atol=0)


def test_a_network_of_ones_own_is_exported(tmp_path):
    own = lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))  # noqa: E731
    fitted = dampen.fit(own, WORLDS["blobs"].data(), epochs=1)

    export_model(fitted, tmp_path / "network.pt2")

    rows = fitted.problem.example(5)
    torch.testing.assert_close(outputs_of(tmp_path / "network.pt2", rows), fitted.model()(rows).detach())


def test_what_cannot_be_followed_is_refused_and_nothing_is_left(tmp_path):
    class Asking(torch.nn.Linear):
        def forward(self, rows):
            return super().forward(rows) if float(np.asarray(rows.detach()).sum()) > 1e9 else 2 * super().forward(rows)

    fitted = dampen.fit(lambda: Asking(6, 3), WORLDS["columns"].data(), epochs=1)

    with pytest.raises(DampenError, match=r"This network cannot be exported to \.pt2; "):
        export_model(fitted, tmp_path / "network.pt2")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("network.pt", r"A model must be exported to \.onnx or \.pt2; got 'network\.pt'"),
        ("network", r"A model must be exported to \.onnx or \.pt2"),
        ("none/network.pt2", "cannot be written"),
    ],
)
def test_places_and_suffixes_that_do_not_do(name, said, tmp_path):
    with pytest.raises(DampenError, match=said):
        export_model(trained("mlp"), tmp_path / name)


def test_a_folder_is_no_place(tmp_path):
    (tmp_path / "network.pt2").mkdir()

    with pytest.raises(DampenError, match="cannot be written"):
        export_model(trained("mlp"), tmp_path / "network.pt2")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_bare_module_is_refused(tmp_path):
    with pytest.raises(DampenError, match="export_model takes what `fit` or `load_model` returned; got Linear"):
        export_model(torch.nn.Linear(2, 2), tmp_path / "network.pt2")


def test_what_is_missing_is_named_with_the_command_that_brings_it(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(DampenError, match=r"Export to ONNX needs onnx and onnxscript; .*pip install onnx onnxscript"):
        export_model(trained("mlp"), tmp_path / "network.onnx")


@needs_onnx
def test_warnings_of_others_are_heard_again_afterwards(tmp_path):
    export_model(trained("mlp"), tmp_path / "network.onnx")

    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", UserWarning, stacklevel=1)
