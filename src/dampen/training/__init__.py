"""Training: the step, its two lifts, packs, plans, and the loop over epochs."""

from __future__ import annotations

from .fit import fit, fit_pack
from .fitted import Fitted
from .plan import PackPlan, Plan, make_plan
from .problem import Member, Problem

__all__ = ["Fitted", "Member", "PackPlan", "Plan", "Problem", "fit", "fit_pack", "make_plan"]
