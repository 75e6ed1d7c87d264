"""A network's weights in one safetensors file; of tensors with many zeros only the others are written.

Such a tensor is a bit mask, `mask/NAME`, and the values where it is set, `values/NAME`; its shape stands in the header.
Any other is `dense/NAME`. Loading gives the same bits and never unpickles.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..contracts import Tensors
from ..errors import DampenError, first_line
from ..models.adopt import wear
from ..models.scaling import FIXED
from ..writing import whole
from .fitted import Fitted

VERSION = "1"
KIND, SHAPES = "dampen weights", "shapes"
"""Entries of the header: the version of this form, and the shapes of what is written sparsely."""
LARGEST_HEADER = 2**25
MOST_ENTRIES = 10_000
"""Tensors in a file; each has four keys in the header. Beyond, the file is no network of ours, and is not parsed."""
PICKLES = (b"PK\x03\x04", b"\x80")
"""How files of torch.save begin; as the length of a header either is far too long."""
TYPES = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "BOOL": torch.bool},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8},
}


def save_weights(model: nn.Module | Fitted, path: str | Path) -> None:
    """Write the weights and buffers of a network, or of what `fit` returned, to one file."""
    network = model.model() if isinstance(model, Fitted) else model
    if not isinstance(network, nn.Module):
        raise DampenError(f"save_weights must get an nn.Module or what `fit` returned; got {type(model).__name__}.")
    write(path, network, {})


def write(path: str | Path, network: nn.Module, metadata: Mapping[str, str]) -> None:
    """The weights and buffers of a network, with more entries in the header. A file that is there stays as it is
    until the new one is whole."""
    tensors: Tensors = {}
    shapes: dict[str, list[int]] = {}
    for name, tensor in network.state_dict().items():
        parts = _parts(name, tensor.detach().cpu().contiguous())
        tensors |= parts
        if f"mask/{name}" in parts:
            shapes[name] = list(tensor.shape)
    path = Path(path)
    try:
        with whole(path) as temporary:
            save_file(tensors, temporary, metadata={KIND: VERSION, SHAPES: json.dumps(shapes), **metadata})
    except (OSError, SafetensorError) as error:
        told = first_line(error)
        raise DampenError(f"The file {str(path)!r} cannot be written: {told}. Choose another path.") from None


def load_weights(model: nn.Module, path: str | Path) -> nn.Module:
    """Put what `save_weights` wrote into a network of the same make, and return it. A fresh one, as its factory makes
    it, takes the fixed first and last step over as well: inputs are standardised in it from then on."""
    if not isinstance(model, nn.Module):
        raise DampenError(f"load_weights must get an nn.Module to fill; got {type(model).__name__}.")
    own = model.state_dict()
    tensors = opened(path).tensors()
    modules = dict(model.named_modules())  # the steps may be a child's, as in an ensemble or in what is calibrated
    fixed = {n: t for n, t in tensors.items() if n not in own and _last(n) in FIXED and _owner(n) in modules}
    if told := difference({**own, **fixed}, tensors):
        raise DampenError(f"The network must be the one that {str(path)!r} is of; {told}. Build it likewise.")
    for owner in dict.fromkeys(map(_owner, fixed)):
        wear(modules[owner], {_last(n): t for n, t in fixed.items() if _owner(n) == owner})
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
    return model


def _owner(name: str) -> str:
    return name.rpartition(".")[0]


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _parts(name: str, tensor: Tensor) -> Tensors:
    """A tensor as it is written, whichever way is shorter. A zero with a sign is no zero: it would lose its bit."""
    bits = tensor.flatten().view(torch.uint8).view(-1, tensor.element_size())
    nonzero = (bits != 0).any(1)
    size, kept = tensor.nbytes, int(nonzero.sum())
    if math.ceil(len(nonzero) / 8) + kept * tensor.element_size() >= size:
        return {f"dense/{name}": tensor.clone()}
    mask = torch.from_numpy(np.packbits(nonzero.numpy()))
    return {f"mask/{name}": mask, f"values/{name}": tensor.flatten()[nonzero]}


class Stored(NamedTuple):
    """What the header of a file says. metadata: its entries. outlines: its tensors by name, as types and shapes alone
    (on torch's meta device). parts: under which keys they stand. file: open, for the tensors themselves."""

    metadata: dict[str, str]
    outlines: Tensors
    parts: dict[str, tuple[str, ...]]
    file: Any
    path: str
    writer: str

    def tensors(self) -> Tensors:
        """What the file holds, read into memory."""
        return {name: self._tensor(name) for name in self.parts}

    def _tensor(self, name: str) -> Tensor:
        read = [self.file.get_tensor(key) for key in self.parts[name]]
        if len(read) == 1:
            return read[0]
        values, mask = read
        whole = _whole(values, mask, self.outlines[name].shape)
        if whole is None:
            raise _unreadable(self.path, self.writer, f"the mask of {name!r} does not fit its values")
        return whole


def opened(path: str | Path, writer: str = "save_weights") -> Stored:
    """A file of `write`, its header checked; no tensor is read yet, and nothing is ever unpickled. writer: whose file
    it should be, for the messages."""
    if not Path(path).is_file():
        raise DampenError(f"There must be a file of `{writer}` at {str(path)!r}; there is none. Check the path.")
    try:
        _check_header(Path(path), writer)
        file = safe_open(path, framework="pt")
        metadata = file.metadata() or {}
        if metadata.get(KIND) != VERSION:
            raise DampenError(f"The file {str(path)!r} must be one of `{writer}`; it is another's. Check the path.")
        parts, shapes = _parts_of(file.keys()), _shapes_of(metadata.get(SHAPES, ""))
        outlines = {name: _outline(file, keys, shapes.get(name)) for name, keys in parts.items()}
    except DampenError:
        raise
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise _unreadable(path, writer, first_line(error)) from None
    return Stored(metadata, outlines, parts, file, str(path), writer)


def _unreadable(path: str | Path, writer: str, why: str) -> DampenError:
    return DampenError(f"The file {str(path)!r} must be one of `{writer}`; it cannot be read: {why}. Save it anew.")


def _check_header(path: Path, writer: str) -> None:
    """Refuse, before anything is parsed, what is no such file, is cut short, or has a header made to be too long."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if length > size - 8 and start.startswith(PICKLES):
            raise _unreadable(path, writer, "it is a pickle, as torch.save writes it, and could run code")
        if len(start) < 8 or length > size - 8:
            raise _unreadable(path, writer, f"it has {size:,} bytes, is cut short or of another kind")
        if length > LARGEST_HEADER:
            raise _unreadable(path, writer, f"its header has {length:,} bytes; at most {LARGEST_HEADER:,} are read")
        keys = len(re.findall(rb'(?<!\\)"\s*:', file.read(length)))  # those inside our own entries are escaped
    if keys > 4 * MOST_ENTRIES:
        raise _unreadable(path, writer, f"its header has {keys:,} keys; at most {4 * MOST_ENTRIES:,} are read")


def _parts_of(keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For each tensor its keys: dense/NAME, or values/NAME and mask/NAME."""
    there = set(keys)
    names = dict.fromkeys(key.partition("/")[2] for key in keys)
    parts: dict[str, tuple[str, ...]] = {
        n: (f"dense/{n}",) if f"dense/{n}" in there else (f"values/{n}", f"mask/{n}") for n in names
    }
    if {key for of_one in parts.values() for key in of_one} != there:
        raise ValueError("its tensors are not named as dampen names them")
    return parts


def _shapes_of(text: str) -> dict[str, list[int]]:
    shapes = json.loads(text)
    sides = [side for shape in shapes.values() for side in shape] if _holds_lists(shapes) else [None]
    if not all(type(side) is int and side >= 0 for side in sides):
        raise ValueError("its shapes are none")
    return shapes


def _holds_lists(shapes: Any) -> bool:
    return isinstance(shapes, dict) and all(isinstance(shape, list) for shape in shapes.values())


def _outline(file: Any, keys: tuple[str, ...], shape: list[int] | None) -> Tensor:
    """Type and shape of one tensor, from the header alone; of a sparse one the mask must have a bit for each number."""
    views = [file.get_slice(key) for key in keys]
    own = [int(side) for side in views[0].get_shape()]
    if len(views) == 2:
        mask, numbers = views[1], math.prod([] if shape is None else shape)
        fits = mask.get_dtype() == "U8" and list(mask.get_shape()) == [-(-numbers // 8)]
        if shape is None or not fits or len(own) != 1 or own[0] > numbers:
            raise ValueError(f"the mask {keys[1]!r} does not fit its shape")
        own = shape
    return torch.empty(own, dtype=TYPES[views[0].get_dtype()], device="meta")


def _whole(values: Tensor, mask: Tensor, shape: Sequence[int]) -> Tensor | None:
    """None where the mask has more or fewer places than there are values."""
    nonzero = torch.from_numpy(np.unpackbits(mask.numpy(), count=math.prod(shape)).astype(bool))
    if int(nonzero.sum()) != len(values):
        return None
    tensor = torch.zeros(len(nonzero), dtype=values.dtype)
    tensor[nonzero] = values
    return tensor.view(tuple(shape))


def difference(own: Tensors, stored: Tensors) -> str:
    """The first thing in which a network and a file differ, in words; "" where they have the same tensors."""
    told = ((name, _difference(own.get(name), stored.get(name))) for name in (*own, *stored))
    return next((f"{name!r} {words}" for name, words in told if words), "")


def _difference(own: Tensor | None, stored: Tensor | None) -> str:
    if own is None or stored is None:
        return "is in the file only" if own is None else "is not in the file"
    kinds: list[tuple[str, Any, Any]] = [
        ("shape", tuple(own.shape), tuple(stored.shape)),
        ("type", own.dtype, stored.dtype),
    ]
    return next((f"has {kind} {mine} and in the file {theirs}" for kind, mine, theirs in kinds if mine != theirs), "")
