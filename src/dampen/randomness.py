"""Keyed draws: every random number is a function of (member seed, step, site) and of nothing else.

A site is a stable 63-bit hash of names (the technique's in the recipe, the path in the user's model), so a
member draws the same numbers alone, in any pack, and whatever other techniques the recipe holds.

Generator on the CPU: numpy's SFC64 with the state (seed, step, site, 1) and twelve warm-up words dropped,
which is SFC64's own seeding with three words. On other devices: Philox-4x32-10 (Salmon et al. 2011) with the
key (seed, step) and the counter (element, site). Results are reproducible per kind of device.

The draws are operators with vmap rules of their own: `words` (*B, 2) holds seed and step, B being any batch
shape; the result is (*B, *shape). They have no derivative.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import philox

WARM_UP_WORDS = 12


class Key(NamedTuple):
    """Names a stream of random numbers. words (2,) int64, always on the CPU: member seed and step. numbers: the
    same as plain numbers where they are known, which is where members loop on the CPU: draws then go past torch's
    dispatcher (20 microseconds each)."""

    words: Tensor
    device: torch.device
    site: int = 0
    numbers: tuple[int, int] | None = None

    def __truediv__(self, name: str | int) -> Key:
        """The key of a place inside this one: a technique, a path, the number of a pass."""
        return self._replace(site=site_of(self.site, str(name)))


@functools.lru_cache(maxsize=65536)
def site_of(parent: int, name: str) -> int:
    """A stable hash in [0, 2^63) of a name below a parent site (Python's own `hash` differs per process)."""
    digest = hashlib.blake2b(f"{parent}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def make_key(seed: int, step: int, device: torch.device | str = "cpu") -> Key:
    return key_of(torch.tensor([seed, step], dtype=torch.int64), torch.device(device))


def key_of(words: Tensor, device: torch.device, known: bool = True) -> Key:
    """The key of (2,) words; `known` where they are a plain tensor, not one that a vmap has batched."""
    numbers = tuple(words.tolist()) if known and device.type == "cpu" else None
    return Key(words, device, numbers=numbers)  # type: ignore[arg-type]


# ------------------------------------------------------------------ what techniques call


def bits(key: Key, shape: Sequence[int]) -> Tensor:
    """16 random bits per element, int16."""
    return torch.ops.dampen.bits(key.words, key.site, shape, key.device)


def keep(key: Key, rate: Any, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Dropout's scaled mask: 0 with probability `rate`, else 1 / (1 - rate); all zeros at rate 1."""
    if key.numbers is not None:
        number = rate.item() if isinstance(rate, Tensor) else float(rate)
        return _keep_one(key.numbers, key.site, number, shape, dtype)
    return torch.ops.dampen.keep(key.words, key.site, _scalar(rate, key), shape, dtype, key.device)


def uniform(key: Key, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Uniform numbers in [0, 1); rounding to a shorter type must not reach 1."""
    drawn = torch.ops.dampen.uniform(key.words, key.site, shape, dtype, key.device)
    exact = key.device.type == "cpu" and dtype not in _HALF
    return drawn if exact else drawn.clamp(max=1 - torch.finfo(dtype).eps / 2)


def normal(key: Key, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Standard normal numbers. In float32 and shorter types on the CPU they are 65,536 equally likely quantiles of the
    normal law, scaled so that their variance is exactly 1; the largest is 4.325. Elsewhere they are continuous."""
    return torch.ops.dampen.normal(key.words, key.site, shape, dtype, key.device)


def beta(key: Key, alpha: Any, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Beta(alpha, alpha) numbers; 1 where alpha is 0 (the limit that leaves a mixture unmixed)."""
    return torch.ops.dampen.beta(key.words, key.site, _scalar(alpha, key), shape, dtype, key.device)


def permutation(key: Key, length: int) -> Tensor:
    """A random order of 0 .. length - 1, int64."""
    return torch.ops.dampen.permutation(key.words, key.site, length, key.device)


def seed_torch(seed: int) -> None:
    """`torch.manual_seed`, where there is no accelerator for the CPU alone: torch would keep the call, with its
    traceback, for each kind that might still come (0.2 ms, more from deep inside, and the memory)."""
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def _scalar(value: Any, key: Key) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    return torch.tensor(float(value), dtype=torch.float64, device=key.device)


# ------------------------------------------------------------------ streams on the CPU


class _Local(threading.local):
    """One generator per thread: setting its state and drawing from it must not be interleaved. `state` is the memory of
    the generator: its four words, and the half word that its 32-bit draws keep (numpy's own setter takes a
    microsecond, and a pack sets it for every member and site)."""

    def __init__(self) -> None:
        self.source = np.random.SFC64()
        self.generator = np.random.Generator(self.source)
        self.raw = self.source.random_raw
        memory = (ctypes.c_uint64 * 5).from_address(self.source.ctypes.state_address)
        self.state = np.frombuffer(memoryview(memory).cast("B"), np.uint64)


_local = _Local()


def stream(seed: int, step: int, site: int) -> np.random.Generator:
    """The generator at the start of the stream (seed, step, site). Use it before asking for another."""
    local = _local
    local.state[:] = (seed, step, site, 1, 0)
    local.raw(WARM_UP_WORDS)
    return local.generator


def _streams(words: Tensor, site: int) -> Iterator[tuple[int, np.random.Generator]]:
    for member, (seed, step) in enumerate(words.reshape(-1, 2).tolist()):
        yield member, stream(seed, step, site)


def _raw(words: Sequence[Sequence[int]], site: int, count: int, kind: Any) -> Any:
    """The first `count` random whole numbers, of all values of their type, of every stream: (len(words), count)."""
    whole = -(-count * kind.itemsize // 8)
    state, raw, dropped = _local.state, _local.raw, WARM_UP_WORDS
    rows = np.empty((len(words), whole), np.uint64)
    for row, (seed, step) in enumerate(words):
        state[:] = (seed, step, site, 1, 0)
        rows[row] = raw(dropped + whole)[dropped:]
    return rows.view(kind)[:, :count]


def _empty(words: Tensor, shape: Sequence[int], dtype: torch.dtype) -> tuple[Tensor, Any]:
    """A CPU tensor (*B, *shape) and a numpy view of it with the batch shape folded into one axis."""
    out = torch.empty((*words.shape[:-1], *shape), dtype=dtype)
    flat = out.view(words.numel() // 2, math.prod(shape))
    return out, (flat.view(torch.int16) if dtype in _HALF else flat).numpy()


_HALF = (torch.bfloat16, torch.float16)


@functools.lru_cache(maxsize=4096)
def _mask_numbers(rate: float, dtype: torch.dtype) -> tuple[Any, Any]:
    """The smallest random number that is kept, and what it becomes: 1 / (1 - rate), for half types its bit pattern;
    nothing is kept at a rate that rounds to 1. A rate in whole 256ths needs a byte per element, others take 16 bits."""
    silenced = round(rate * 65536)
    becomes = _as_numpy(0.0 if silenced >= 65536 else 1 / max(1 - rate, 2.0**-16), dtype)
    least = np.uint8(min(silenced // 256, 255)) if silenced % 256 == 0 else np.int16(silenced - 32768)
    return least, becomes


def _as_numpy(number: float, dtype: torch.dtype) -> Any:
    """The number in that type, of half types its bit pattern. Without torch, whose tensors show no memory inside a
    derivative of an objective's own (`torch.func.vjp`)."""
    if dtype == torch.float64:
        return np.float64(number)
    single = np.float32(number)
    if dtype == torch.float16:
        with np.errstate(over="ignore"):  # the largest scale is infinite in it
            return single.astype(np.float16).view(np.int16)
    if dtype == torch.bfloat16:
        bits = int(single.view(np.uint32))
        return np.uint16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).view(np.int16)  # to the nearest, ties to even
    return single


def _bits_cpu(words: Tensor, site: int, shape: Sequence[int]) -> Tensor:
    rows = _raw(words.reshape(-1, 2).tolist(), site, math.prod(shape), np.dtype(np.int16))
    return torch.from_numpy(rows).view((*words.shape[:-1], *shape))


def _keep_cpu(words: Tensor, site: int, rate: Tensor, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    if words.dim() == 1:
        seed, step = words.tolist()
        return _keep_one((seed, step), site, rate.item(), shape, dtype)
    out, flat = _empty(words, shape, dtype)
    rates = philox.per_stream(rate, words).reshape(-1).tolist()
    least, becomes = zip(*(_mask_numbers(r, dtype) for r in rates), strict=True)
    seeds = words.reshape(-1, 2).tolist()
    for kind in {number.dtype for number in least}:
        rows = [row for row, number in enumerate(least) if number.dtype == kind]
        numbers, scales = np.array(least)[rows].astype(kind), np.array(becomes)[rows]
        mask = _raw([seeds[row] for row in rows], site, flat.shape[1], kind) >= numbers[:, None]
        if len(rows) == len(flat):
            np.multiply(mask.view(np.int8), scales[:, None], out=flat)
        else:
            flat[rows] = mask.view(np.int8) * scales[:, None]
    return out


def _keep_one(numbers: tuple[int, int], site: int, rate: float, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """`_keep_cpu` for one stream whose words are plain numbers: 0 / 1 times the scale; times its bit pattern for half
    types, which numpy does not know. In numpy's memory, for the reason in `_as_numpy`."""
    least, becomes = _mask_numbers(rate, dtype)
    mask = _raw([numbers], site, math.prod(shape), least.dtype)[0] >= least
    kept = torch.from_numpy(mask.view(np.int8) * becomes).view(shape)
    return kept.view(dtype) if dtype in _HALF else kept


def _uniform_cpu(words: Tensor, site: int, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """The leading 53 or 24 bits of a whole number as a fraction; half types are rounded from float32."""
    whole, wide, digits = (np.uint64, np.float64, 53) if dtype == torch.float64 else (np.uint32, np.float32, 24)
    kind = np.dtype(whole)
    rows = _raw(words.reshape(-1, 2).tolist(), site, math.prod(shape), kind)
    leading = (rows >> whole(8 * kind.itemsize - digits)).astype(wide)
    leading *= wide(2.0**-digits)
    return torch.from_numpy(leading).to(dtype).view((*words.shape[:-1], *shape))


def _normal_cpu(words: Tensor, site: int, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    if dtype == torch.float64:
        out, flat = _empty(words, shape, dtype)
        for member, generator in _streams(words, site):
            generator.standard_normal(out=flat[member])
        return out
    places = _bits_cpu(words, site, shape).view(torch.uint16).to(torch.int32)
    table = _normal_quantiles(dtype)
    plain = table.view(torch.int16) if dtype in _HALF else table  # looked up a quarter faster
    return plain.index_select(0, places.view(-1)).view(dtype).view(places.shape)


@functools.cache
def _normal_quantiles(dtype: torch.dtype) -> Tensor:
    """The normal quantiles of the middles of 65,536 equal shares, scaled to variance 1: looking numbers up by 16 random
    bits is five times as fast as the ziggurat."""
    quantiles = torch.special.ndtri((torch.arange(65536, dtype=torch.float64) + 0.5) / 65536)
    return (quantiles / quantiles.square().mean().sqrt()).to(dtype)


def _beta_cpu(words: Tensor, site: int, alpha: Tensor, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Drawn in float64, kept in float32 or float64; half types are rounded from float32."""
    out, flat = _empty(words, shape, torch.float64 if dtype == torch.float64 else torch.float32)
    alphas = philox.per_stream(alpha, words).reshape(-1).tolist()
    for member, generator in _streams(words, site):
        a = alphas[member]
        flat[member] = generator.beta(a, a, flat.shape[1]) if a > 0 else 1.0
    return out.to(dtype)


def _permutation_cpu(words: Tensor, site: int, length: int) -> Tensor:
    out, flat = _empty(words, (length,), torch.int64)
    for member, generator in _streams(words, site):
        flat[member] = generator.permutation(length)
    return out


# ------------------------------------------------------------------ the operators


def _bits(words: Tensor, site: int, shape: Sequence[int], device: Any) -> Tensor:
    if device.type == "cpu":
        return _bits_cpu(words, site, shape)
    raw = philox.words32(words, site, math.prod(shape), device)
    return (raw >> 16).sub(32768).to(torch.int16).view((*words.shape[:-1], *shape))


def _keep(words: Tensor, site: int, rate: Tensor, shape: Sequence[int], dtype: Any, device: Any) -> Tensor:
    if device.type == "cpu":
        return _keep_cpu(words, site, rate, shape, dtype)
    return philox.keep(words, site, rate, shape, dtype, device)


def _uniform(words: Tensor, site: int, shape: Sequence[int], dtype: Any, device: Any) -> Tensor:
    if device.type == "cpu":
        return _uniform_cpu(words, site, shape, dtype)
    return philox.uniform(words, site, shape, dtype, device)


def _normal(words: Tensor, site: int, shape: Sequence[int], dtype: Any, device: Any) -> Tensor:
    if device.type == "cpu":
        return _normal_cpu(words, site, shape, dtype)
    return philox.normal(words, site, shape, dtype, device)


def _beta(words: Tensor, site: int, alpha: Tensor, shape: Sequence[int], dtype: Any, device: Any) -> Tensor:
    # A handful of numbers a step: drawn on the CPU on every kind of device.
    return _beta_cpu(words, site, alpha.cpu(), shape, dtype).to(device, non_blocking=True)


def _permutation(words: Tensor, site: int, length: int, device: Any) -> Tensor:
    return _permutation_cpu(words, site, length).to(device, non_blocking=True)


_SCHEMAS: dict[str, tuple[str, Callable[..., Tensor]]] = {
    "bits": ("(Tensor words, int site, int[] shape, Device device)", _bits),
    "keep": ("(Tensor words, int site, Tensor rate, int[] shape, ScalarType dtype, Device device)", _keep),
    "uniform": ("(Tensor words, int site, int[] shape, ScalarType dtype, Device device)", _uniform),
    "normal": ("(Tensor words, int site, int[] shape, ScalarType dtype, Device device)", _normal),
    "beta": ("(Tensor words, int site, Tensor alpha, int[] shape, ScalarType dtype, Device device)", _beta),
    "permutation": ("(Tensor words, int site, int length, Device device)", _permutation),
}


def _vmap_rule(operator: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, int]]:
    """Batched words and scalars go back into the same operator with one more leading axis: an outer vmap
    that still batches them meets this rule again, so nested vmaps work."""

    def rule(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:
        batched = []
        for arg, dim in zip(args, in_dims, strict=True):
            if isinstance(arg, Tensor):
                arg = arg.movedim(dim, 0) if dim is not None else arg.expand(info.batch_size, *arg.shape)
            batched.append(arg)
        return operator(*batched), 0

    return rule


def _shape_of(name: str, words: Tensor, args: tuple[Any, ...]) -> tuple[Sequence[int], Any]:
    if name == "permutation":
        return (args[1],), torch.int64
    if name == "bits":
        return args[1], torch.int16
    return (args[-3], args[-2])


def _fake(name: str) -> Callable[..., Tensor]:
    def fake(words: Tensor, *args: Any) -> Tensor:
        shape, dtype = _shape_of(name, words, args)
        return torch.empty((*words.shape[:-1], *shape), dtype=dtype, device=args[-1])

    return fake


# `Library` rather than `custom_op`: the first call of the latter imports dynamo, 1.3 seconds.
_library = torch.library.Library("dampen", "FRAGMENT")
for _name, (_schema, _kernel) in _SCHEMAS.items():
    _library.define(f"{_name}{_schema} -> Tensor")
    _library.impl(_name, _kernel, "CompositeExplicitAutograd")
    torch.library.register_fake(f"dampen::{_name}", _fake(_name), lib=_library)
    torch.library.register_vmap(f"dampen::{_name}", _vmap_rule(getattr(torch.ops.dampen, _name)), lib=_library)

KERNELS: dict[Any, Callable[..., Tensor]] = {
    getattr(torch.ops.dampen, name).default: kernel for name, (_, kernel) in _SCHEMAS.items()
}
"""What each operator runs, for whoever calls it past the dispatcher."""
