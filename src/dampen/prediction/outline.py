"""A network put together from its description as shapes alone: no data, no memory for its numbers.

It is made on torch's meta device, where tensors have a type and a shape and nothing else, by the code that makes it
for training: a description of unknown origin can ask for any size, and is compared with the file before it gets it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..contracts import Tensors
from ..data.facts import Facts
from ..data.signature import Signature
from ..errors import DampenError, first_line
from ..models.scaling import QUANTILES_OF
from ..recipe import Recipe
from ..settings import Settings
from ..training.problem import assembled

CALLS_AT_FIRST, CALLS_A_TENSOR = 2000, 100
"""Calls of torch that putting together, and a probing pass for each technique, may take; ours take fifty a tensor."""
META = torch.device("meta")


def outline(recipe: Recipe, settings: Settings, signature: Signature, stored: Tensors) -> nn.Module:
    """The network on the meta device, rebuilt by the recipe's techniques. stored: outlines of the tensors that it
    should have; raises `DampenError` where a network of far more would come of the description."""
    facts = _facts(signature, stored)
    kind = torch.int64 if signature.num_tokens else torch.float32
    patience = _Patience(CALLS_AT_FIRST + CALLS_A_TENSOR * len(stored) * (1 + len(recipe.techniques)))
    try:
        with torch.no_grad(), META, patience:  # gradients last: switching them back is a call that patience counts
            example = torch.zeros((2, *signature.input_shape), dtype=kind)
            return assembled(settings.model, example, recipe, settings.seed, facts, settings.epochs).model
    except DampenError:
        raise
    except Exception as error:  # sizes beyond all bounds end in whatever they overflow
        raise DampenError(f"Its network cannot be put together; {first_line(error)}.") from None


class _Patience(TorchFunctionMode):
    """Ends what calls torch more often than so: a million layers would take hours even without numbers."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.left = calls

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.left -= 1
        if self.left < 0:
            raise DampenError("Its network must be of the size of its tensors; it is far larger.")
        return func(*args, **(kwargs or {}))


def _facts(signature: Signature, stored: Tensors) -> Facts:
    """The facts of a training part as shapes: what models and the fixed first and last step ask for."""
    shape, schema, outputs = signature.input_shape, signature.schema, signature.num_outputs
    of_inputs = () if signature.num_tokens else shape if len(shape) == 1 else (shape[0], *(1 for _ in shape[1:]))
    mean, targets = _numbers(*of_inputs), _numbers(outputs)
    known = _numbers(signature.num_tokens) if signature.num_tokens else None
    if schema is not None and len(schema.features) > len(schema.numbers):
        known = mean
    quantiles = None
    if schema is not None and schema.scale in QUANTILES_OF and schema.numbers:
        of_file = stored.get(QUANTILES_OF[schema.scale], mean)  # how many there are, the training part's rows decided
        quantiles = _numbers(len(schema.numbers), of_file.shape[-1])
    return Facts(
        task=signature.task,
        num_rows=2,
        num_outputs=outputs,
        input_shape=shape,
        **dict.fromkeys(("mean", "std", "low", "high"), mean),
        **dict.fromkeys(("prior", "target_mean", "target_std"), targets),
        fill=mean if schema is not None and schema.indicators else None,
        known=known,
        quantiles=quantiles,
        schema=schema,
        num_tokens=signature.num_tokens,
        parts=lambda: iter([_numbers(2, *shape)]),
    )


def _numbers(*shape: int) -> Tensor:
    return torch.zeros(shape, device=META)
