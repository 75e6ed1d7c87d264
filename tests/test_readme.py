"""What the README shows runs: its Python blocks in order, on a small problem; and its promises about commands."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

ROOT = Path(__file__).parents[1]


def test_the_python_blocks_run_in_order(capsys, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    inputs, targets = torch.randn(90, 6), torch.arange(90) % 3

    class MyNet(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))

    (tmp_path / "photos").mkdir()
    Image.fromarray(load_digits().images[0].astype("uint8")).save(tmp_path / "photos" / "zero.png")
    model = MyNet()
    names = {
        "MyNet": MyNet,
        "inputs": inputs,
        "targets": targets,
        "texts": ["far " * (row % 3) + "away" for row in range(90)],
        "encoder": lambda batch: torch.tensor([[float(len(text)), 1.0] for text in batch]),
        "model": model,
        "optimizer": torch.optim.Adam(model.parameters()),
        **dict.fromkeys(("train_loss", "val_loss", "train_accuracy", "val_accuracy"), 0.5),
        "loader": [(inputs[:45], targets[:45]), (inputs[45:], targets[45:])],
    }
    shorter = {
        "seeds=12, epochs=40": "seeds=2, epochs=2",
        'budget="5m"': "budget=2, seeds=1, epochs=2",
        "Recipe((Dropout(0.3), LabelSmoothing())))": "Dropout(), epochs=2)",
        'WeightDecay(0.01)")': 'WeightDecay(0.01)", epochs=2)',
        '"Dropout + BatchNorm")': '"Dropout + BatchNorm", epochs=2)',
    }

    assert len(blocks) == 8
    for block in blocks:
        for long, short in shorter.items():
            block = block.replace(long, short)
        exec(block, names)

    assert names["module"](inputs).shape == (90, 3)
    assert names["loss"].isfinite()
    assert names["embeddings"].shape == (90, 2)
    assert len(names["doubtful"]) == 20
    assert names["calibrated"](inputs).shape == (90, 3)
    assert names["labels"].shape == (90,)
    assert names["shares"].shape == (90, 3)
    assert {path.name for path in tmp_path.iterdir()} == {
        *(".dampen", "model.safetensors", "model.pt2", "overview.png", "report.html", "photos", "copies")
    }
    assert "baseline" in capsys.readouterr().out


def test_the_targets_that_the_readme_and_contributing_name_exist():
    makefile = (ROOT / "Makefile").read_text()
    for page in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"^make (\w+)", (ROOT / page).read_text(), re.M):
            assert re.search(rf"^{target}:", makefile, re.M), f"{page} names make {target}"
