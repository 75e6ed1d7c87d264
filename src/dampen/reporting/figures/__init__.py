"""Figures of trainings, comparisons and searches: one function each, facts in, a Matplotlib `Figure` out.

The facts are plain dicts that strict JSON holds, computed apart, as in
`figures.loss_curves(figures.training_facts(histories))`.
"""

from __future__ import annotations

from ..facts_of_boundary import boundary_facts
from ..facts_of_studies import comparison_facts, search_facts
from ..facts_of_training import training_facts
from .calibration import reliability
from .comparison import cost_against_gain, forest
from .inputs import augmented_inputs, decision_boundary
from .saving import as_svg
from .search import ablation_bars, parallel_coordinates
from .training import loss_curves, norm_evolution, overfitting_score, overview
from .weights import sparsity, weight_distributions

__all__ = [
    "ablation_bars",
    "as_svg",
    "augmented_inputs",
    "boundary_facts",
    "comparison_facts",
    "cost_against_gain",
    "decision_boundary",
    "forest",
    "loss_curves",
    "norm_evolution",
    "overfitting_score",
    "overview",
    "parallel_coordinates",
    "reliability",
    "search_facts",
    "sparsity",
    "training_facts",
    "weight_distributions",
]
