"""Batches of rows on the device: taken from tensors that live there, or, where these do not fit or are on disk,
gathered on the host by a thread that works ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

RESIDENT_SHARE = 0.5
"""Inputs live on the device where they take at most this share of its free memory."""
AHEAD = 3
"""Batches that are gathered before they are asked for."""


class Feed:
    """inputs (R, ...), as they are kept (uint8 images and token ids stay so), and targets (R, C); batches come in
    `dtype` on `device`, token ids (int64) as such. on_disk: whether reading a row of `inputs` means reading a file."""

    def __init__(
        self, inputs: Tensor, targets: Tensor, dtype: torch.dtype, device: torch.device, on_disk: bool = False
    ) -> None:
        self.inputs_dtype = torch.int64 if inputs.dtype == torch.int64 else dtype
        self.device = device
        kept = inputs if inputs.dtype == torch.uint8 or on_disk else inputs.to(self.inputs_dtype)
        self.streams = on_disk or not _fits(kept, device)
        self.inputs = kept if self.streams else kept.to(device)
        self.targets = targets.to(device, dtype)

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and targets of rows (K, N)."""
        return self._inputs(rows), self.targets.index_select(0, rows.flatten()).unflatten(0, rows.shape)

    def batches(self, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The same for each step of order (K, steps, N)."""
        steps = order.unbind(1)
        if not self.streams:
            yield from map(self.take, steps)
            return
        with ThreadPoolExecutor(1, "dampen feed") as pool:
            waiting = deque(pool.submit(self.take, rows) for rows in steps[:AHEAD])
            for number in range(len(steps)):
                waiting.extend(pool.submit(self.take, rows) for rows in steps[number + AHEAD : number + AHEAD + 1])
                yield waiting.popleft().result()

    def _inputs(self, rows: Tensor) -> Tensor:
        taken = self.inputs.index_select(0, rows.flatten().to(self.inputs.device))
        if self.streams and self.device.type == "cuda":
            taken = taken.pin_memory()
        return taken.to(self.device, non_blocking=True).to(self.inputs_dtype).unflatten(0, rows.shape)


def _fits(inputs: Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return inputs.nbytes <= RESIDENT_SHARE * free
