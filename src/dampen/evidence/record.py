"""One recipe against the baseline, as numbers and words that fit in strict JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

JSONValue = str | float | int | None

TEXTS = ("recipe", "baseline", "metric", "new_kind", "protocol")
MAY_BE_MISSING = ("new_low", "new_high", "new_kind", "score_sd", "cost")
INFINITIES = {"inf": math.inf, "-inf": -math.inf}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the seeds say about one recipe. The verdict is not stored: `verdict(evidence)` reads it from here.

    Differences are recipe minus baseline on the same seed, in the metric's own units, turned so that
    positive = better; `score` and `baseline_score` are plain means of the metric.
    """

    recipe: str
    baseline: str
    metric: str
    effect: float  # mean difference over the seeds
    low: float  # 95 % interval of the effect, simultaneous over all recipes of the table
    high: float
    p: float  # corrected for the number of recipes
    new_low: float | None  # interval for new data of this kind
    new_high: float | None
    new_kind: str | None  # "nadeau-bengio" or "bootstrap over test rows"
    detectable: float  # smallest true effect that would have been noticed four times in five
    score: float
    score_sd: float | None  # over the seeds; one seed has none
    baseline_score: float
    seeds: int
    cost: float | None  # training time, baseline = 1
    protocol: str  # "resampled", "fixed test" or "confirmed"

    def turned(self, recipe: str) -> Evidence:
        """Seen from the other side: what the baseline, now called `recipe`, is worth against this recipe."""
        return replace(
            self,
            recipe=recipe,
            baseline=self.recipe,
            effect=0.0 - self.effect,  # no -0
            low=0.0 - self.high,
            high=0.0 - self.low,
            new_low=None if self.new_high is None else 0.0 - self.new_high,
            new_high=None if self.new_low is None else 0.0 - self.new_low,
            score=self.baseline_score,
            baseline_score=self.score,
            score_sd=None,
            cost=None,
        )

    def to_record(self) -> dict[str, JSONValue]:
        """Strict JSON values: infinity is "inf" or "-inf", a missing number is None."""
        return {field.name: _to_json(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_record(cls, record: Mapping[str, JSONValue]) -> Evidence:
        """The inverse of `to_record`."""
        names = {field.name for field in fields(cls)}
        missing, unknown = sorted(names - set(record)), sorted(set(record) - names)
        if missing or unknown:
            raise ValueError(
                f"Evidence.from_record needs the fields of to_record: missing {missing}, unknown {unknown}; "
                "write the record with the same version of dampen."
            )
        return cls(**{name: _from_json(name, value) for name, value in record.items()})


def _to_json(value: JSONValue) -> JSONValue:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def _from_json(name: str, value: JSONValue) -> Any:
    if value is None and name in MAY_BE_MISSING:
        return None
    if name in TEXTS and isinstance(value, str):
        return value
    if isinstance(value, str) and value in INFINITIES:
        return INFINITIES[value]
    if name not in TEXTS and isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if name == "seeds" else float(value)
    kind = "text" if name in TEXTS else 'a number, "inf" or "-inf"'
    raise ValueError(f"Evidence.{name} must be {kind}; got {value!r}; write the record with to_record().")
