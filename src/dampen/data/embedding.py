"""Rows through an encoder that learns nothing: computed once, kept on disk under a name made of what went in."""

from __future__ import annotations

import contextlib
import hashlib
import numbers
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import DampenError, first_line
from ..modules import in_evaluation
from ..words import counted
from ..writing import whole

BATCH_SIZE = 256
PROBE_ROWS = 8
"""So many rows the encoder is asked for before a file is believed: what a function does is in no file's name."""
TOLERANCE = 0.03
"""How far these rows may be away, as a share of their length: bf16 in place of float32 takes MiniLM 0.010 away, single
texts in place of batches 0.006 in bf16; other weights about the length itself."""
MADE_BY = b"dampen embeddings 1"

Rows = list[str] | Tensor
Watch = Callable[[int, int], None]


def embed(
    encoder: Callable[..., Any],
    rows: Any,
    *,
    cache: str | Path | None = None,
    batch_size: int = BATCH_SIZE,
    watch: Watch | None = None,
) -> Tensor:
    """What an encoder makes of rows, (R, D) float32 on the CPU: inputs for a head that trains alone.

    encoder: an `nn.Module`, or any function; it gets a batch, a list of N texts or a tensor (N, ...), and returns a
    tensor or array (N, D) of floats. Nothing of it trains: no gradients, a module in evaluation mode meanwhile and
    then as it was. A tensor is moved to where a module's weights are; a function gets it as it came. rows: texts, or
    an array or tensor (R, ...). batch_size: rows per call, in their order; the last call may have fewer.

    cache: a folder, made where it is missing, for one .npy file per encoder and rows. Its name is a hash of the rows
    and of a module's class, structure and weights. Of a function the rows alone count, so give every function a
    folder of its own. Where the file is there, the encoder is asked for the first 8 rows only, and what it says must
    be what the file holds.
    watch: called after every batch with (rows done, rows in all).

    Raises `DampenError` where rows are none or of another kind, where an encoder returns another number of rows,
    another width than before, whole numbers, NaN or infinity, and where a file cannot be read or is another encoder's.
    """
    if not callable(encoder):
        raise DampenError(f"encoder must be an nn.Module or a function; got {type(encoder).__name__}.")
    every, size, module = _taken(rows), _size(batch_size), _module_of(encoder)
    folder = None if cache is None else _folder(cache)
    with torch.no_grad(), contextlib.nullcontext() if module is None else in_evaluation(module):
        if folder is None:
            return _computed(encoder, every, size, watch)
        path = folder / f"{_fingerprint(every, module)}.npy"
        if path.exists():
            kept = _read(path, len(every))
            first = every[:PROBE_ROWS]
            _check_same(path, kept[:PROBE_ROWS], _embedded(encoder, first, 0))
            return kept
        found = _computed(encoder, every, size, watch)
        _write(path, found)
        return found


# ------------------------------------------------------------------ what comes in


def _taken(rows: Any) -> Rows:
    """A list of texts, or a tensor (R, ...) that shares the array's memory where it can; at least one row."""
    if isinstance(rows, str):
        raise DampenError("rows must be a list of texts, or an array or tensor (rows, ...); got one text. List it.")
    taken: Rows = _texts(list(rows)) if isinstance(rows, list | tuple) else _tensor(rows)
    if not len(taken):
        raise DampenError("rows must be at least one; got none.")
    return taken


def _texts(rows: list[Any]) -> list[str]:
    odd = next((number for number, row in enumerate(rows) if not isinstance(row, str)), None)
    if odd is not None:
        raise DampenError(
            f"A list of rows must be of texts alone; got {type(rows[odd]).__name__} at place {odd}. "
            "Drop it or put a text there; numbers come as an array or a tensor."
        )
    return [str(row) for row in rows]


def _tensor(rows: Any) -> Rows:
    """A tensor, or what numpy makes one array of; columns of texts (pandas, Polars) become a list."""
    if not isinstance(rows, Tensor):
        array = np.asarray(rows)
        if array.ndim == 1 and array.dtype.kind in "UOT":
            return _texts(array.tolist())
        if array.dtype.kind not in "biufc":
            raise DampenError(
                "rows must be a list of texts, or an array or tensor (rows, ...) of numbers; "
                f"got {type(rows).__name__} of shape {array.shape}, type {array.dtype}."
            )
        native = array.astype(array.dtype.newbyteorder("="), order="C", copy=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a file mapped for reading: nobody writes to it
            rows = torch.from_numpy(native)
    if not rows.dim():
        raise DampenError("rows must be an array or tensor (rows, ...); got a single number.")
    return rows.detach()


def _size(batch_size: Any) -> int:
    if isinstance(batch_size, bool) or not isinstance(batch_size, numbers.Integral) or batch_size < 1:
        raise DampenError(f"batch_size must be a whole number, at least 1; got {batch_size!r}.")
    return int(batch_size)


def _module_of(encoder: Any) -> nn.Module | None:
    """The module whose weights decide: the encoder, or the one whose method it is, such as `model.encode`."""
    owner = encoder if isinstance(encoder, nn.Module) else getattr(encoder, "__self__", None)
    return owner if isinstance(owner, nn.Module) else None


# ------------------------------------------------------------------ what comes out


def _computed(encoder: Callable[..., Any], rows: Rows, size: int, watch: Watch | None) -> Tensor:
    found: Tensor | None = None
    for start in range(0, len(rows), size):
        part = _embedded(encoder, rows[start : start + size], start)
        if found is None:
            found = part.new_empty((len(rows), part.shape[1]))
        if part.shape[1] != found.shape[1]:
            raise DampenError(
                f"The encoder must return as many columns for every batch; got {found.shape[1]} and, from row {start} "
                f"on, {part.shape[1]}. Pool over what varies with the batch."
            )
        found[start : start + len(part)] = part
        if watch is not None:
            watch(start + len(part), len(rows))
    assert found is not None
    return found


def _embedded(encoder: Callable[..., Any], batch: Rows, start: int) -> Tensor:
    """One call, (N, D) float32 on the CPU. start: the number of the batch's first row, for messages."""
    weight = next(encoder.parameters(), None) if isinstance(encoder, nn.Module) else None
    answer = encoder(batch.to(weight.device) if weight is not None and isinstance(batch, Tensor) else batch)
    told = answer.cpu() if isinstance(answer, Tensor) else _as_array(answer)
    if told is None or told.ndim != 2 or len(told) != len(batch) or not told.shape[1]:
        got = type(answer).__name__ if told is None else f"shape {tuple(told.shape)}"
        raise DampenError(
            f"The encoder must return a tensor or array (rows, width) with a row for each it gets; got {got} for "
            f"{counted(len(batch))}. Pool over other axes, and return nothing beside."
        )
    floats = told.is_floating_point() if isinstance(told, Tensor) else told.dtype.kind == "f"
    if not floats:
        raise DampenError(
            f"The encoder must return floats; got {told.dtype}. Take what it makes before it decides on classes or ids."
        )
    found = torch.as_tensor(told).float()
    bad = (~found.isfinite()).any(1).nonzero().flatten()
    if len(bad):
        raise DampenError(
            f"The encoder must return finite numbers; got NaN or infinity for {counted(len(bad))}, the first of them "
            f"row {start + int(bad[0])}. Look at what stands there, or leave such rows out."
        )
    return found


def _as_array(answer: Any) -> np.ndarray | None:
    """None where it is nothing that numpy makes an array of."""
    try:
        array = np.asarray(answer)
    except (ValueError, TypeError, RuntimeError):  # rows of different lengths; tensors on another device
        return None
    return None if array.dtype == object else array


# ------------------------------------------------------------------ on disk


def _folder(cache: Any) -> Path:
    if not isinstance(cache, str | Path):
        raise DampenError(f"cache must be the path of a folder; got {type(cache).__name__}.")
    try:
        Path(cache).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DampenError(
            f"cache must be a folder, or a place for one; got {str(cache)!r}: {first_line(error)}. Name another."
        ) from None
    return Path(cache)


def _fingerprint(rows: Rows, module: nn.Module | None) -> str:
    """A hash of the rows, and of a module's class, structure and weights."""
    digest = hashlib.blake2b(MADE_BY, digest_size=16)

    def add(what: str, tensor: Tensor) -> None:
        digest.update(f"{what} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)

    if isinstance(rows, Tensor):
        add("rows", rows)
    else:
        for text in rows:  # each with its length: a border that moves between two texts makes other rows
            encoded = text.encode("utf-8", "surrogatepass")
            digest.update(f"text {len(encoded)}\n".encode() + encoded)
    if module is not None:
        digest.update(f"{type(module).__module__}.{type(module).__qualname__} {module!r}\n".encode())
        for name, value in module.state_dict().items():
            if isinstance(value, Tensor):  # what a module keeps beside may be anything
                add(name, value)
    return digest.hexdigest()


def _read(path: Path, num_rows: int) -> Tensor:
    """The file is mapped before it is copied: what it says of its size must be so."""
    again = "Delete it, and it is computed again."
    try:
        mapped = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # numpy raises whatever it stumbles over in a broken head
        told = first_line(error).rstrip(".")
        raise DampenError(f"The embeddings {str(path)!r} must be a whole .npy file; {told}. {again}") from None
    if mapped.dtype != np.float32 or mapped.ndim != 2 or len(mapped) != num_rows or not np.isfinite(mapped).all():
        raise DampenError(
            f"The embeddings {str(path)!r} must be {num_rows} rows of finite float32; got shape {mapped.shape}, type "
            f"{mapped.dtype}. {again}"
        )
    return torch.from_numpy(np.array(mapped, order="C"))


def _check_same(path: Path, kept: Tensor, now: Tensor) -> None:
    """Refuse a file that another encoder, or an earlier state of this one, has left."""
    away = "Name another folder, or delete the file."
    if kept.shape != now.shape:
        raise DampenError(
            f"The embeddings {str(path)!r} must be this encoder's; they have {counted(kept.shape[1], 'column')}, it "
            f"returns {now.shape[1]}. {away}"
        )
    if (now - kept).norm() > TOLERANCE * kept.norm():
        raise DampenError(
            f"The embeddings {str(path)!r} must be this encoder's; of the first {counted(len(kept))} it now returns "
            f"values up to {(now - kept).abs().max():.3g} away, the largest of the file's is {kept.abs().max():.3g}. "
            f"{away} An encoder that draws at random, or whose rows depend on each other, must do without `cache`."
        )


def _write(path: Path, found: Tensor) -> None:
    try:
        with whole(path) as temporary:
            np.save(temporary, found.numpy(), allow_pickle=False)
    except OSError as error:
        told = first_line(error).rstrip(".")
        raise DampenError(f"The file {str(path)!r} cannot be written: {told}. Name another folder.") from None
