"""Ghost batch normalisation: batch norm over small parts of a large batch."""

from __future__ import annotations

from torch import nn

from ...contracts import At, structural, technique
from ...errors import DampenError
from ...modules import GhostNorm, add_norms


@technique
class GhostBatchNorm:
    """z <- gain * (z - mean_chunk(z)) / sqrt(var_chunk(z) + eps) + shift        between a layer and its activation

    A chunk is the next ghost_size rows of the batch. The running statistics, which predict, move once a batch:
    running <- (1 - momentum) * running + momentum * mean of the chunks' statistics (a chunk's variance unbiased). The
    paper moves them chunk after chunk, by powers of 1 - momentum; doing so with the momentum divided by the number of
    chunks is ours, up to its square. The bias of the layer before goes: its true gradient is zero.

    Use it with batches of hundreds of rows: it keeps the noise of small-batch statistics, which regularizes, at the
    speed of large batches. With a single chunk it is BatchNorm.

    Hoffer, Hubara and Soudry, Train longer, generalize better, 2017, section 4, algorithm 1, arXiv:1705.08741.
    """

    needs = ("hidden", "batches")
    ghost_size: int = structural(16, low=2, meaning="rows that are standardised together")
    momentum: float = structural(0.1, low=0.0, high=1.0, meaning="weight of the newest batch in the running statistics")
    eps: float = structural(1e-5, low=0.0, meaning="added to the variance")

    def check(self, at: At) -> None:
        if at.batch_size % self.ghost_size:
            raise DampenError(
                f"GhostBatchNorm.ghost_size must divide the batch; got {self.ghost_size} for batches of "
                f"{at.batch_size} rows. Choose another ghost_size or batch_size."
            )

    def rebuild(self, model: nn.Module, at: At) -> nn.Module:
        return add_norms(model, at.layout, self._norm, keeps_bias=False)

    def _norm(self, shape: tuple[int, ...]) -> nn.Module:
        return GhostNorm(shape[0], self.ghost_size, self.eps, self.momentum)
