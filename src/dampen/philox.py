"""Keyed draws on devices other than the CPU: Philox-4x32-10 (Salmon et al. 2011), with the key
and the counter that randomness.py names.

`words` (*B, 2) holds seed and step, B being any batch shape; results are (*B, *shape), on the device.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def philox(counter: list[Tensor], key: list[Tensor]) -> list[Tensor]:
    """Philox-4x32-10: four counter words and two key words (int64 tensors that hold 32 bits each) to four
    random words. Wrapping int64 products hold the full 64 bits of a 32 x 32 product."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        first, second = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (
            ((second >> 32) & _MASK) ^ c1 ^ k0,
            second & _MASK,
            ((first >> 32) & _MASK) ^ c3 ^ k1,
            first & _MASK,
        )
        k0, k1 = (k0 + 0x9E3779B9) & _MASK, (k1 + 0xBB67AE85) & _MASK
    return [c0, c1, c2, c3]


def words32(words: Tensor, site: int, count: int, device: torch.device) -> Tensor:
    """`count` random 32-bit words per stream, (*B, count) int64."""
    blocks = torch.arange(-(-count // 4), device=device)
    seed, step = words.to(device, non_blocking=True).unsqueeze(-2).unbind(-1)
    shape = torch.broadcast_shapes(seed.shape, blocks.shape)
    # The step's low word stands in the counter: seed (64 bits) fills the key, element, step and site the rest.
    counter = [blocks, step & _MASK, torch.full_like(blocks, site & _MASK), torch.full_like(blocks, site >> 32)]
    out = philox([c.expand(shape) for c in counter], [seed & _MASK, (seed >> 32) & _MASK])
    return torch.stack(out, dim=-1).flatten(-2)[..., :count]


def uniform(words: Tensor, site: int, shape: Sequence[int], dtype: torch.dtype, device: Any) -> Tensor:
    count = math.prod(shape)
    raw = words32(words, site, 2 * count, device)
    high, low = raw[..., :count] >> 6, raw[..., count:] >> 5  # 26 + 27 = 53 random bits
    return ((high * 2.0**27 + low) * 2.0**-53).to(dtype).view(*words.shape[:-1], *shape)


def normal(words: Tensor, site: int, shape: Sequence[int], dtype: torch.dtype, device: Any) -> Tensor:
    u, v = uniform(words, site, (2, *shape), torch.float64, device).unbind(words.dim() - 1)
    return (torch.sqrt(-2 * torch.log1p(-u)) * torch.cos(2 * math.pi * v)).to(dtype)


def keep(words: Tensor, site: int, rate: Tensor, shape: Sequence[int], dtype: torch.dtype, device: Any) -> Tensor:
    words, rates = words.to(device, non_blocking=True), per_stream(rate.to(device), words)
    if device.type == "cuda" and (kernel := one_kernel(device)) is not None:
        out = torch.empty((words.numel() // 2, math.prod(shape)), dtype=dtype, device=device)
        kernel(words.reshape(-1, 2), site, rates.reshape(-1).contiguous(), out)
        return out.view(*words.shape[:-1], *shape)
    return keep_by_chain(words, site, rates, shape, dtype)


def keep_by_chain(words: Tensor, site: int, rates: Tensor, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """The definition, elementwise: words (*B, 2), rates (*B,)."""
    raw = words32(words, site, math.prod(shape), words.device).view(*words.shape[:-1], *shape)
    rates = rates.reshape(words.shape[:-1] + (1,) * len(shape))
    scale = torch.where(rates >= 1, 0.0, 1 / (1 - rates).clamp(min=2.0**-16))
    return (raw >> 16 >= torch.round(rates * 65536)).to(dtype) * scale.to(dtype)


@functools.cache
def one_kernel(device: torch.device) -> Callable[..., Tensor] | None:
    """The same in one kernel, where Triton is there and makes the same masks."""
    try:
        from .kernels import keep as kernel
    except ImportError:
        return None
    words = torch.tensor([[7, 3], [2**40 + 5, 11], [1, 2]], device=device)
    rates = torch.tensor([0.25, 0.3, 1.0], device=device)
    for dtype in (torch.float32, torch.bfloat16):
        wanted = keep_by_chain(words, 2**62 + 12345, rates, (1031,), dtype)
        if not torch.equal(kernel(words, 2**62 + 12345, rates, torch.empty_like(wanted)), wanted):
            return None
    return kernel


def per_stream(value: Tensor, words: Tensor) -> Tensor:
    """A scalar, or one value per leading batch axis of `words` (*B, 2), for every stream: (*B,)."""
    missing = words.dim() - 1 - value.dim()
    return value.reshape(value.shape + (1,) * missing).expand(words.shape[:-1])
