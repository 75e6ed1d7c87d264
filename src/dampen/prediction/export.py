"""A trained network for programs that know nothing of dampen: ONNX, or torch.export."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data.signature import Signature
from ..errors import DampenError, first_line
from ..training.fitted import Fitted
from ..writing import whole
from .trained import TrainedModel

SUFFIXES = (".onnx", ".pt2")
NEEDED = ("onnx", "onnxscript")
ROWS = 3
"""Of the example; any number but 1, which the exporters take for fixed."""


def export_model(model: Fitted | TrainedModel, path: str | Path) -> None:
    """Write a network as .onnx (ONNX; needs the packages onnx and onnxscript) or .pt2 (`torch.export.load`).

    It takes what the module takes: encoded rows (N, ...), float32 or token ids, any N; the fixed first step that
    standardises them is in it. It gives what the module gives: outputs before the softmax, the temperature not
    applied. Raises `DampenError` for other suffixes, and for networks that the exporter cannot follow.
    """
    signature, module = _taken(model)
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise DampenError(f"A model must be exported to {' or '.join(SUFFIXES)}; got {path.name!r}.")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if path.suffix.lower() == ".onnx" and missing:
        raise DampenError(
            f"Export to ONNX needs {' and '.join(NEEDED)}; {' and '.join(missing)} must be installed first: "
            f"pip install {' '.join(missing)}."
        )
    if not path.parent.is_dir():
        raise DampenError(f"The file {str(path)!r} cannot be written: there is no folder {str(path.parent)!r}.")
    kind = torch.int64 if signature.num_tokens else torch.float32
    example = torch.zeros((ROWS, *signature.input_shape), dtype=kind)
    try:
        with whole(path) as temporary, _quietly():
            _written(_Whole(module).eval(), example, temporary)
    except OSError as error:
        raise DampenError(f"The file {str(path)!r} cannot be written: {first_line(error)}.") from None
    except Exception as error:  # the exporters raise whatever they stumble over
        told = first_line(error).rstrip(".")
        raise DampenError(
            f"This network cannot be exported to {path.suffix}; {type(error).__name__}: {told}. "
            "Use save_model or save_weights."
        ) from error


def _taken(model: Any) -> tuple[Signature, nn.Module]:
    if isinstance(model, Fitted):
        return Signature.of(model.problem.data), model.model().cpu()
    if isinstance(model, TrainedModel):
        return model.signature, model.module
    raise DampenError(f"export_model takes what `fit` or `load_model` returned; got {type(model).__name__}.")


class _Whole(nn.Module):
    """The network as a child, so that hooks of its root are seen."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: Tensor) -> Tensor:
        return self.network(rows)


def _written(network: nn.Module, example: Tensor, path: Path) -> None:
    program = torch.export.export(
        network, (example,), dynamic_shapes={"rows": {0: torch.export.Dim.DYNAMIC}}, strict=False
    )
    if path.suffix.lower() == ".pt2":
        torch.export.save(program, path)
        return
    made: Any = torch.onnx.export(program, dynamo=True, input_names=["rows"], output_names=["outputs"], verbose=False)
    made.save(path, external_data=False)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what the exporters say of themselves: warnings of their own code, prints, records of their loggers."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
