"""Keyed dropout masks on a GPU as one kernel. Needs Triton, which comes with torch's builds for CUDA; randomness.py
uses it where it is there and its first masks equal those of the elementwise chain, which is the definition."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 256
"""Philox blocks, of four elements each, that one program makes."""


@triton.jit(do_not_specialize=["site_low", "site_high", "count"])
def _keep_kernel(words, rates, out, site_low, site_high, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    stream = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    seed, step = tl.load(words + 2 * stream), tl.load(words + 2 * stream + 1)
    rate = tl.load(rates + stream)
    zeros = tl.zeros_like(block).to(tl.uint32)
    step_low = zeros + (step & 0xFFFFFFFF).to(tl.uint32)
    site = zeros + site_low.to(tl.uint32), zeros + site_high.to(tl.uint32)
    drawn = tl.philox(seed, block.to(tl.uint32), step_low, site[0], site[1], 10)
    exact = rate * 65536.0
    up = tl.floor(exact + 0.5)
    silenced = up - tl.where((up - exact == 0.5) & (up % 2 == 1), 1, 0)  # half to even, as torch rounds
    scale = tl.where(rate >= 1.0, 0.0, 1.0 / tl.maximum(1.0 - rate, 1.52587890625e-05))
    for part in tl.static_range(4):
        element = 4 * block + part
        kept = tl.where((drawn[part] >> 16).to(tl.int64) >= silenced.to(tl.int64), scale, 0.0)
        tl.store(out + stream * count + element, kept.to(out.dtype.element_ty), mask=element < count)


def keep(words: Tensor, site: int, rates: Tensor, out: Tensor) -> Tensor:
    """Fill out (B, count) with scaled masks: words (B, 2) seeds and steps, rates (B,), all on one device."""
    streams, count = out.shape
    grid = (streams, triton.cdiv(triton.cdiv(count, 4), BLOCK))
    _keep_kernel[grid](words, rates, out, site & 0xFFFFFFFF, site >> 32, count, BLOCK=BLOCK)
    return out
