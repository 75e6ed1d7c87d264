"""Prediction time: a trained network on disk and in use, how sure it is, and several networks or views as one."""

from __future__ import annotations

from .augmentation import augmented
from .calibration import Calibrated, expected_calibration_error, temperature
from .ensemble import GreedyEnsemble, greedy_ensemble
from .export import export_model
from .mc_dropout import mc_dropout
from .model_file import load_model, save_model
from .passes import ClassPrediction, NumberPrediction
from .trained import TrainedModel

__all__ = [
    "Calibrated",
    "ClassPrediction",
    "GreedyEnsemble",
    "NumberPrediction",
    "TrainedModel",
    "augmented",
    "expected_calibration_error",
    "export_model",
    "greedy_ensemble",
    "load_model",
    "mc_dropout",
    "save_model",
    "temperature",
]
