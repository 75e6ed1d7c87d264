"""A trained network with all that is needed to use it: how rows are encoded, what its outputs are called."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..data.dataset import Dataset
from ..data.signature import Signature, encoded
from ..data.unlabelled import of_dataset, open_rows
from ..errors import DampenError
from ..recipe import Recipe
from ..settings import Settings
from ..training.run import EVALUATION_NUMBERS


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedModel:
    """module: the network, in evaluation mode, with its own keys; takes encoded rows (N, ...) and gives outputs before
    the softmax (of labels: the sigmoid), the temperature not applied. signature: what goes in and comes out. recipe,
    settings: how it was trained. scores: on its validation and test part, {"metric": ..., "loss": ...}; the metric is
    `settings.metric`. temperature: what outputs are divided by before the softmax, or None."""

    module: nn.Module
    signature: Signature
    recipe: Recipe
    settings: Settings
    scores: Mapping[str, Mapping[str, float]]
    temperature: float | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of classes or labels in the order of the outputs; () where numbers are predicted."""
        return self.signature.classes

    def predict(self, inputs: Any) -> np.ndarray:
        """The class of each row (N,), as text; whether it has each label (N, L), True or False; or its number (N,),
        (N, M) where M of them are predicted.

        inputs: rows as they were trained on, (N, ...); a path, a built-in name, a `Dataset`; of a table also a Polars
        frame with its columns, of texts a list of them. Raises `DampenError` where the rows are none of this network.
        """
        outputs = self.outputs(self.encode(inputs))
        if self.signature.task == "labels":
            return (outputs > 0).numpy()
        if self.classes:
            return np.array(self.classes)[outputs.argmax(-1).numpy()]
        return (outputs[:, 0] if outputs.shape[1] == 1 else outputs).numpy()

    def predict_proba(self, inputs: Any) -> np.ndarray:
        """The probability of each class, (N, C): softmax(outputs / temperature); of each label, (N, L)."""
        if not self.classes:
            raise DampenError("predict_proba needs classes as targets; this network predicts numbers. Use predict.")
        return self.probabilities(self.outputs(self.encode(inputs))).numpy()

    def encode(self, inputs: Any) -> Tensor:
        """Rows as the module takes them."""
        if isinstance(inputs, str | Path):
            return open_rows(inputs, self.signature).inputs
        if isinstance(inputs, Dataset):
            return of_dataset(self.signature, inputs)
        return encoded(self.signature, inputs)

    @torch.no_grad()
    def outputs(self, rows: Tensor) -> Tensor:
        """What the module makes of encoded rows, chunk after chunk: (N, C) before the softmax, or (N, M)."""
        size = max(1, EVALUATION_NUMBERS // max(1, rows[0].numel()))
        device = next(self.module.parameters()).device
        kind = torch.int64 if self.signature.num_tokens else torch.float32
        return torch.cat([self.module(part.to(device, kind)).cpu() for part in rows.split(size)])

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Of outputs (N, C) before the softmax, (N, L) before the sigmoid."""
        if self.signature.task == "labels":
            return outputs.sigmoid()
        return (outputs if self.temperature is None else outputs / self.temperature).softmax(-1)
