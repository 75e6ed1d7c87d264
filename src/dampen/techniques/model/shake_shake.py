"""Shake-Shake: two residual branches are mixed at random, in the backward pass otherwise than in the forward pass."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...contracts import At, Draws, structural, technique
from ...errors import DampenError
from ...randomness import Key, uniform
from ...tensors import shaken


@technique
class ShakeShake:
    """skip + branch_1 + branch_2  <-  skip + 2 * (alpha * branch_1 + (1 - alpha) * branch_2),  alpha ~ U(0, 1)

    The gradient gets beta ~ U(0, 1) in place of alpha; both per example ("Shake-Shake-Image", the paper's best). The
    paper's blocks are means of their branches, ours sums: hence the 2, and prediction is the plain pass.

    Use it with networks whose blocks have two branches, such as ResidualCNN(num_branches=2), best behind norms, in
    long trainings with a learning rate that falls to nothing.

    Gastaldi, Shake-Shake Regularization, 2017, equation 2 and section 2.1, arXiv:1705.07485.
    """

    sites: Any = structural("joins", meaning="where: joins, or paths of joins in the model")

    def check(self, at: At) -> None:
        for path in at.layout.site_paths(self.sites):
            if at.layout.joined.get(path) != 2:
                raise DampenError(
                    f"ShakeShake must stand where two residual branches join; {path} joins "
                    f"{at.layout.joined.get(path, 'none')}. Name other joins with `sites`, or leave ShakeShake out."
                )

    def draw(self, thing: Tensor, key: Key, at: At) -> Draws:
        alpha, beta = uniform(key, (2, len(thing), *[1] * (thing.dim() - 1)), thing.dtype).unbind()
        return {"forward": 2 * alpha - 1, "backward": 2 * beta - 1}

    def activation(self, x: Tensor, draws: Draws, at: At) -> Tensor:
        assert at.site is not None
        _, first, second = at.site.inputs
        return x + shaken(first - second, draws["forward"], draws["backward"])
