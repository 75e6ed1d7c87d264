"""Calibration: whether 90 % sure means right nine times in ten, and one number that mends it."""

from __future__ import annotations

import math
import numbers
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DampenError
from ..training.fitted import Fitted
from ..training.metrics import calibration_bins, log_loss, right
from .passes import check_fitted, outputs_of

LOWEST, HIGHEST = 0.01, 100.0
"""Temperatures are looked for between these."""


def temperature(fitted: Fitted) -> float:
    """T <- argmin over T of the log loss of softmax(outputs / T) on the validation part

    One number: above 1 the network was too sure of itself, below 1 not sure enough. Which class is largest does not
    change. The log loss is convex in 1 / T, so the one minimum is found. Where no row of the part is classified
    wrongly there is none (the surer, the better, without end), and the network is left as it is: T = 1.

    Use it after any training whose probabilities somebody relies on; it costs one prediction of the validation part.
    Where that part also chose the weights (EarlyStopping), T comes out a little too low.

    Raises `DampenError` for numbers as targets, and without a validation part.
    Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2, arXiv:1706.04599.
    """
    problem = check_fitted("temperature", fitted).problem
    if problem.data.task != "classes":
        raise DampenError(
            f"temperature needs classes as targets; this network predicts {problem.data.task}. Leave it out."
        )
    rows = problem.split(fitted.member.seed).validation
    if not len(rows):
        raise DampenError("temperature must have a validation part to be fitted on; these data leave it no row.")
    return best_temperature(*outputs_of(fitted, rows))


def best_temperature(outputs: Tensor, targets: Tensor) -> float:
    """The temperature for outputs (N, C) before the softmax and targets (N, C), one-hot."""
    from scipy.optimize import minimize_scalar

    if not outputs.isfinite().all():
        raise DampenError("temperature must have finite outputs; got NaN or infinity: this training diverged.")
    if bool(right(outputs, targets).all()):
        return 1.0

    def loss(log_temperature: float) -> float:
        return log_loss(outputs / math.exp(log_temperature), targets).item()

    found = minimize_scalar(
        loss, bounds=(math.log(LOWEST), math.log(HIGHEST)), method="bounded", options={"xatol": 1e-7}
    )
    return math.exp(found.x) if found.fun < loss(0.0) else 1.0  # outputs that are all alike prefer none


class Calibrated(nn.Module):
    """outputs <- model(inputs) / temperature

    A trained network whose softmax tells how often it is right: `Calibrated(fitted.model(), temperature(fitted))`.
    The temperature is a buffer: it is saved with the weights and moves with them.
    """

    def __init__(self, model: nn.Module, temperature: float) -> None:
        super().__init__()
        number = isinstance(temperature, numbers.Real) and not isinstance(temperature, bool)
        if not number or not 0 < float(temperature) < math.inf:
            raise DampenError(f"A temperature must be a finite number above 0; got {temperature!r}.")
        self.model = model
        self.register_buffer("temperature", torch.tensor(float(temperature)))
        self.train(model.training)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.model(inputs) / self.temperature


def expected_calibration_error(probabilities: Any, labels: Any, num_bins: int = 15) -> float:
    """sum_b |B_b| / N * |share right in B_b - mean confidence in B_b|

    B_b holds the rows whose largest probability is in ((b - 1) / num_bins, b / num_bins]. An average over the rows'
    confidence: 0.03 means that the network is 3 points too sure, or not sure enough. Few rows make it too large.

    probabilities (N, C), after the softmax; labels (N,), numbers of the classes.
    Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3, arXiv:1706.04599.
    """
    shares, classes = torch.as_tensor(probabilities).double(), torch.as_tensor(labels)
    if isinstance(num_bins, bool) or not isinstance(num_bins, numbers.Integral) or num_bins < 1:
        raise DampenError(f"num_bins must be a whole number, at least 1; got {num_bins!r}.")
    if shares.dim() != 2 or classes.shape != shares.shape[:1] or not len(classes) or classes.is_floating_point():
        raise DampenError(
            "expected_calibration_error takes probabilities (rows, classes) and as many class numbers; "
            f"got {tuple(shares.shape)} and {tuple(classes.shape)}."
        )
    if not bool(((shares >= 0).all(-1) & ((shares.sum(-1) - 1).abs() < 1e-3)).all()):
        raise DampenError("Probabilities must be at least 0 and sum to 1 in every row; these do not. Take the softmax.")
    if not bool(((classes >= 0) & (classes < shares.shape[1])).all()):
        low, high = classes.min().item(), classes.max().item()
        raise DampenError(f"Class numbers must be from 0 to {shares.shape[1] - 1}; got {low} to {high}.")
    targets = torch.nn.functional.one_hot(classes.to(shares.device), shares.shape[1])
    bins = calibration_bins(shares[None], targets[None], num_bins)
    return ((bins["right"] - bins["confidence"]).abs().sum() / len(shares)).item()
