"""Focal loss: examples that are already right count less."""

from __future__ import annotations

from torch import Tensor, expm1, log_softmax

from ...contracts import At, Strength, technique, tunable


@technique
class FocalLoss:
    """loss = -sum_c target_c * (1 - p_c)^gamma * log p_c,  p = softmax(outputs)

    With soft targets every class carries its own factor. Without class weights: they are a technique apart.

    Use it where easy examples drown the rare hard ones, as in detection or with many more rows of one class; its
    probabilities come out too timid, so calibrate them before you read them.

    Lin et al., Focal Loss for Dense Object Detection, 2017, equation 4, arXiv:1708.02002.
    """

    needs = ("classes",)
    gamma: Strength = tunable(2.0, off=0.0, low=0.0, high=5.0, meaning="how much less sure examples count")

    def criterion(self, outputs: Tensor, targets: Tensor, at: At) -> Tensor:
        log_p = log_softmax(outputs, -1)
        # At p = 1 a power below one has no derivative; the clamp gives it the derivative zero.
        doubt = (-expm1(log_p)).clamp(min=1e-7)
        return -(targets * doubt**self.gamma * log_p).sum(-1)
