"""What comes out of training one member."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from ..contracts import Tensors
from ..history import History
from ..models.ensemble import Ensemble
from ..settings import Settings
from .plan import PackPlan
from .problem import Member, Problem, prepare


@dataclasses.dataclass(eq=False)
class Fitted:
    """A member that has been trained: the weights that serve, its history, its scores on validation and test
    part ({"metric": ..., "loss": ...}), what each test row adds to the metric (their mean is the score), the pack
    that it trained in, and the weights that techniques asked to keep beside (`Decision(keep="also")`), parameters and
    buffers by name: where there are any, they serve, together, and the scores are theirs."""

    member: Member
    params: Tensors
    buffers: Tensors
    history: History
    validation: dict[str, float]
    test: dict[str, float]
    test_rows: Tensor
    problem: Problem
    plan: PackPlan
    also: list[Tensors] = dataclasses.field(default_factory=list)

    def model(self) -> nn.Module:
        """The trained network, in evaluation mode: takes raw rows, has the user's own keys. Several networks whose
        probabilities are averaged (`models/ensemble.py`) where weights were kept beside."""
        if not self.also:
            return self._network({**self.params, **self.buffers}).eval()
        return Ensemble([self._network(kept) for kept in self.also], self.problem.data.task).eval()

    @property
    def settings(self) -> Settings:
        """What `fit` takes to repeat this training, alone and with this recipe: the same numbers up to rounding, the
        same bits where it was alone."""
        problem = self.problem
        return Settings(
            model=problem.model,
            epochs=problem.epochs,
            batch_size=problem.batch_size,
            seed=self.member.seed,
            metric=problem.metric.name,
            precision=self.plan.precision,
            plan={"channels_last": self.plan.channels_last, "threads": self.plan.threads},
        )

    def _network(self, tensors: Tensors) -> nn.Module:
        facts = self.problem.facts(self.member.seed)
        model = prepare(self.problem, self.member.recipe, self.member.seed, facts).model
        with torch.no_grad():  # by name, not by state dict: tied tensors and buffers that are not saved count too
            for name, parameter in model.named_parameters():
                parameter.copy_(tensors[name])
            for name, buffer in model.named_buffers():
                buffer.copy_(tensors[name])
        return model
