"""The metrics of overfitting in a training loop of one's own: one call an epoch.

monitor = dampen.Monitor(model, metric="accuracy")
for epoch in range(20):
    ...                                                         # train, then measure both parts
    monitor.epoch(train_loss, val_loss, train_metric=train_accuracy, val_metric=val_accuracy)
print(dampen.diagnose(monitor.history))
"""

from __future__ import annotations

import itertools
import numbers
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DampenError
from ..history import History
from ..models.kinds import EMBEDDINGS, NORMS
from ..training.layers import (
    RECTIFIERS,
    AliveUnits,
    dead_fraction,
    histograms,
    layer_measures,
    ratio,
    remember,
    zeros_fraction,
)
from ..training.metrics import calibration


class Monitor:
    """Watches a model that somebody else trains. `history` is what it has seen, for `diagnose` and the figures.

    model: the module in training. metric: what train_metric and val_metric will be, "" where there is none;
    higher_is_better: of it. clean: whether the training loss is measured at the epoch's end in evaluation mode, as the
    validation loss is, or is the mean over the epoch's steps. sample: some rows of inputs, as the model takes them:
    with them, hidden units that are zero for every row are counted; units are the second axis of what a ReLU puts out,
    so leave it away where that is time.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        metric: str = "",
        higher_is_better: bool = True,
        clean: bool = False,
        sample: Tensor | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise DampenError(f"Monitor takes the module in training; got {type(model).__name__}.")
        self.history = History(metric=metric, higher_is_better=higher_is_better, clean=clean)
        self._model, self._sample = model, sample
        self._before = self._parameters()

    @torch.no_grad()
    def epoch(
        self,
        train_loss: float,
        val_loss: float,
        *,
        train_metric: float | None = None,
        val_metric: float | None = None,
        lr: float | None = None,
    ) -> dict[str, float]:
        """Remember this epoch: losses and whatever else is known, norms, the way the weights have gone, exact zeros,
        dead units. Returns the record. Call it before gradients are set to zero to have their norm, too."""
        params = self._parameters()
        weights = self._weights(params)
        measures = layer_measures(weights, params, self._before)
        given = {"train_loss": train_loss, "val_loss": val_loss, "train_metric": train_metric, "val_metric": val_metric}
        known = {name: value for name, value in {**given, "lr": lr}.items() if value is not None or "loss" in name}
        record = {name: _number(name, value) for name, value in known.items()}
        rows, before = (torch.cat([t.flatten(1) for t in all_.values()], 1) for all_ in (params, self._before))
        found = {
            "weight_norm": rows.norm(dim=1),
            "weight_norm_l1": rows.norm(p=1, dim=1),
            "update_ratio": ratio(rows, before),
            **({"zeros_fraction": zeros_fraction(measures, weights)} if weights else {}),
            **self._gradients(),
            **self._dead_units(),
        }
        record |= {name: column.item() for name, column in found.items()}
        remember([self.history.layers], measures)
        self.history.epochs.append(record)
        self._remember_weights(weights)
        self._before = params
        return record

    def finish(self, probabilities: Tensor | None = None, targets: Tensor | None = None, part: str = "val") -> History:
        """The training is over. probabilities (N, C), after the softmax, and class numbers (N,) of rows that it was not
        trained on: with them, calibration and the confidence on mistakes are in the history. Returns it."""
        self.history.outcome = "finished"
        if probabilities is not None and targets is not None:
            if probabilities.dim() != 2 or targets.shape != probabilities.shape[:1] or targets.is_floating_point():
                raise DampenError(
                    "Monitor.finish takes probabilities (rows, classes) and as many class numbers; "
                    f"got {tuple(probabilities.shape)} and {tuple(targets.shape)}."
                )
            one_hot = nn.functional.one_hot(targets.long(), probabilities.shape[1])
            (found,) = calibration(probabilities.detach()[None], one_hot[None])
            self.history.final = {"part": part, **found}
        return self.history

    # -------------------------------------------------------------- looking

    def _parameters(self) -> dict[str, Tensor]:
        """Copies (1, ...) of everything that is trained, in single precision."""
        return {
            name: p.detach().float().clone().reshape(1, *(p.shape or (1,)))
            for name, p in self._model.named_parameters()
        }

    def _weights(self, params: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weights of layers and tables of embeddings: no biases, no norms."""
        norms = {f"{path}." for path, module in self._model.named_modules() if isinstance(module, NORMS)}
        tables = {f"{path}.weight" for path, module in self._model.named_modules() if isinstance(module, EMBEDDINGS)}
        return {
            name: tensor
            for name, tensor in params.items()
            if name in tables or (tensor.dim() > 2 and not any(name.startswith(path) for path in norms))
        }

    def _gradients(self) -> dict[str, Tensor]:
        grads = [p.grad.flatten() for p in self._model.parameters() if p.grad is not None]
        return {"gradient_norm": torch.cat(grads).norm()} if grads else {}

    def _dead_units(self) -> dict[str, Tensor]:
        if self._sample is None:
            return {}
        sites = [path for path, module in self._model.named_modules() if isinstance(module, RECTIFIERS)]
        watch, calls = AliveUnits(sites, {}), itertools.count()
        modes = [(module, module.training) for module in self._model.modules()]
        handles = [
            self._model.get_submodule(path).register_forward_hook(
                lambda _module, args, output, path=path: watch.edits[path][0](output, args, f"{path}#{next(calls)}")
            )
            for path in sites
        ]
        try:
            self._model.eval()(self._sample)
        finally:
            for handle in handles:
                handle.remove()
            for module, training in modes:
                module.training = training
        return {"dead_fraction": dead_fraction({p: units[None] for p, units in watch.alive.items()})} if sites else {}

    def _remember_weights(self, weights: dict[str, Tensor]) -> None:
        """Histograms of the first epoch, of the newest, and of one near the middle."""
        epochs = len(self.history.epochs)
        newest = {"epoch": epochs, "layers": histograms(weights)[0] if weights else {}}
        kept = self.history.weights[:-1] if len(self.history.weights) > 2 else self.history.weights
        if len(kept) == 2 and 2 * kept[1]["epoch"] < epochs:  # what was the middle is no more
            kept = [kept[0], self.history.weights[-1]]
        self.history.weights = [*kept, newest]


def _number(name: str, value: Any) -> float:
    number = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
    if isinstance(number, bool) or not isinstance(number, numbers.Real):
        raise DampenError(f"Monitor.epoch needs {name} as a number; got {value!r}.")
    return float(number)
