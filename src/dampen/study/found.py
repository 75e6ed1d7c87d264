"""The answer of `search` as plain records, and in words."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DampenError
from ..evidence import Evidence, sentence, verdict
from ..evidence.verdict import FEWEST_SEEDS, verdict_in_table
from ..history import History
from ..presets import BASELINE, DEFAULT
from ..recipe import Recipe, from_dict
from ..records import read, strict
from ..settings import Settings
from ..words import counted
from .comparison import WIDTH, WITHOUT, gain, number, p_in_words

if TYPE_CHECKING:
    from ..training.fitted import Fitted

VERSION = 1
LEADERS = 5
"""So many of the best configurations are shown."""
MOST_SHARES, LEAST_SHARE = 5, 0.05
"""What the ranking hung on is told of so many, and of who explains so much of it."""
FIRST = 26
"""Width of a table's first column: longer than any technique's name."""


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search found.

    study: its name. winner: the name of the recipe that the validation parts of the fresh seeds chose: "found 1", ...,
    or default or baseline. recipes: of everybody who was confirmed, by name. evidence: the winner against baseline
    and default, on the test part. ablation: the winner without each ingredient, against the winner. scores: per
    recipe, {"validation": [one per seed], "metric": [on the test part], "loss": [...]}. leaders: the best
    configurations of the search, with validation scores. importance: share of the ranking that a switch or the learning
    rate explains, and a strength among those that have it. curve: test scores at shares of the training rows, where
    asked for. trials: every configuration that was tried, {"trial", "score" (None where it was cut or diverged),
    "epochs" trained, "values": switches and strengths}. examples: as of a comparison, of the winner. protocol: data,
    model, settings, budget, how often the test part was opened. trained: the network to hand over; not part of the
    record.
    """

    study: str
    winner: str
    recipes: Mapping[str, dict[str, Any]]
    evidence: tuple[Evidence, ...]
    ablation: tuple[Evidence, ...]
    scores: Mapping[str, Mapping[str, list[float]]]
    histories: Mapping[str, list[History]]
    leaders: tuple[Mapping[str, Any], ...]
    importance: Mapping[str, float]
    curve: tuple[Mapping[str, Any], ...]
    protocol: Mapping[str, Any]
    versions: Mapping[str, str]
    trials: tuple[Mapping[str, Any], ...] = ()
    examples: Mapping[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    trained: Fitted | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def recipe(self) -> Recipe:
        """What was found."""
        return from_dict(self.recipes[self.winner])

    @property
    def worth(self) -> tuple[Evidence, ...]:
        """What each ingredient of the winner is worth to it, most first: the ablation turned round."""
        turned = (e.turned(e.recipe.removeprefix(WITHOUT)) for e in self.ablation)
        return tuple(sorted(turned, key=lambda e: -e.effect))

    @property
    def settings(self) -> Settings:
        """What `fit` takes besides data and recipe to train the network that is handed over again: alone, the same
        numbers up to rounding."""
        return dataclasses.replace(self._trained().settings, outer=self.protocol["outer"])

    @property
    def model(self) -> Any:
        """The trained network: the user's own module, in evaluation mode, with his own keys."""
        return self._trained().model()

    def _trained(self) -> Fitted:
        if self.trained is None:
            raise DampenError("The network must be in memory; this result was read from a file. See `load_model`.")
        return self.trained

    def to_record(self) -> dict[str, Any]:
        """Strict JSON values."""
        return {
            "kind": "dampen search",
            "version": VERSION,
            "study": self.study,
            "winner": self.winner,
            "conclusion": self.conclusion,
            "recipes": strict(self.recipes),
            "evidence": [{**e.to_record(), "verdict": verdict(e)} for e in self.evidence],
            "ablation": [{**e.to_record(), "verdict": verdict(e)} for e in self.ablation],
            "scores": strict(self.scores),
            "histories": {name: [h.to_record() for h in all_] for name, all_ in self.histories.items()},
            "leaders": strict(self.leaders),
            "importance": strict(self.importance),
            "curve": strict(self.curve),
            "protocol": strict(self.protocol),
            "versions": dict(self.versions),
            "trials": strict(self.trials),
            "examples": strict(self.examples),
        }

    @staticmethod
    def from_record(record: Mapping[str, Any]) -> SearchResult:
        if record.get("kind") != "dampen search":
            raise DampenError("A search result must come from `dampen search`; got another kind of record.")
        known = {f.name for f in dataclasses.fields(SearchResult)} - {"trained", "trials", "examples"}
        missing = sorted(known - record.keys())
        if missing:
            raise DampenError(f"A search result must have {missing[0]!r}; the record has not. Search again.")

        def evidence(key: str) -> tuple[Evidence, ...]:
            return tuple(Evidence.from_record({k: v for k, v in e.items() if k != "verdict"}) for e in record[key])

        return SearchResult(
            evidence=evidence("evidence"),
            ablation=evidence("ablation"),
            histories={n: [History.from_record(h) for h in all_] for n, all_ in record["histories"].items()},
            leaders=tuple(read(record["leaders"])),
            curve=tuple(read(record["curve"])),
            trials=tuple(record.get("trials", ())),
            examples=read(record.get("examples", {})),
            **{n: read(record[n]) for n in ("recipes", "scores", "importance", "protocol")},
            **{n: record[n] for n in ("study", "winner", "versions")},
        )

    def save(self, path: str | Path) -> None:
        """Write strict JSON."""
        text = json.dumps(self.to_record(), allow_nan=False, indent=1)
        Path(path).write_text(text + "\n", encoding="utf-8")

    # -------------------------------------------------------------- in words

    @property
    def conclusion(self) -> str:
        """Plain sentences: what to use, whether it is a gain, over what."""
        configurations = self.protocol["configurations"]
        if self.winner in (BASELINE, DEFAULT):
            start = f"Under fresh seeds none of the {configurations} configurations searched did better than"
            plain = "the baseline, which has no regularization at all" if self.winner == BASELINE else "the default"
            told = [f"{start} {plain}: use that."]
        else:
            told = [f"Of {configurations} configurations searched, {self.winner} is best under fresh seeds."]
        if self.protocol["seeds_confirmed"] < FEWEST_SEEDS:
            few = f"With {counted(self.protocol['seeds_confirmed'], 'fresh seed')} nothing can be said of its gain"
            return f"{told[0]} {few}; six are the fewest that can tell."
        told += [f"Over the {e.baseline}: {sentence(e)}" for e in self.evidence]
        return " ".join(told)

    def __str__(self) -> str:
        parts = [self._leaders(), self._importance(), self._confirmed(), self._ablation(), self._curve()]
        wrapped = textwrap.wrap(self.conclusion, WIDTH)
        if self.protocol.get("duplicates"):
            wrapped += textwrap.wrap(f"Note: {self.protocol['duplicates']}", WIDTH)
        return "\n".join(["\n\n".join("\n".join(part) for part in parts if part), "", *wrapped])

    def _leaders(self) -> list[str]:
        lines = [f"best of the search (validation {self._metric}, one seed)"]
        for rank, leader in enumerate(self.leaders[:LEADERS], 1):
            head = f"{rank:>3}  {number(leader['score'], self.protocol['metric']):>8} "
            lines += textwrap.wrap(leader["recipe"], WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
        return lines

    def _importance(self) -> list[str]:
        """What the ranking hung on, in words."""
        known = {name.replace("optimizer.lr", "learning rate"): share for name, share in self.importance.items()}
        told = {
            "What the ranking hung on: ": {name: share for name, share in known.items() if "." not in name},
            "Among those that have it: ": {name: share for name, share in known.items() if "." in name},
        }
        lines = []
        for head, shares in told.items():
            most = sorted(((share, name) for name, share in shares.items() if share >= LEAST_SHARE), reverse=True)
            words = [f"{name} {share:.0%}".replace("%", " %") for share, name in most[:MOST_SHARES]]
            lines += textwrap.wrap(head + ", ".join(words), WIDTH, subsequent_indent="    ") if words else []
        return lines

    def _confirmed(self) -> list[str]:
        seeds = self.protocol["seeds_confirmed"]
        metric = self.protocol["metric"]
        head = (
            f"{'confirmed, ' + counted(seeds, 'fresh seed'):<{FIRST}} {'validation':>10} {'test':>8}  over the baseline"
        )
        lines = [head, "-" * len(head)]
        against = {e.recipe: e for e in self.evidence if e.baseline == BASELINE}
        for name, scores in self.scores.items():
            if name.startswith(WITHOUT):
                continue
            shown = f"{name} (the winner)" if name == self.winner else name
            means = [sum(scores[part]) / len(scores[part]) for part in ("validation", "metric")]
            cells = f"{number(means[0], metric):>10} {number(means[1], metric):>8}"
            judged = f"  {gain(against[name])}" if name in against else ""
            lines.append(f"{shown:<{FIRST}} {cells}{judged}")
        for name in self.scores:
            if name not in (BASELINE, DEFAULT) and not name.startswith(WITHOUT):
                told = f"{name}: {from_dict(self.recipes[name])}"
                lines += textwrap.wrap(told, WIDTH, subsequent_indent=" " * 4)
        return lines

    def _ablation(self) -> list[str]:
        if not self.ablation:
            return []
        head = f"{'what each is worth':<{FIRST}} {'gain [95 %]':<29} {'p':>5} verdict"
        lines = [head, "-" * len(head)]
        for e in self.worth:
            lines.append(f"{e.recipe:<{FIRST}} {gain(e):<29} {p_in_words(e.p):>5} {verdict_in_table(e)}")
        return lines

    def _curve(self) -> list[str]:
        if not self.protocol["more_data"]:
            return []
        metric = self.protocol["metric"]
        lines = [f"{'training rows':>13} {'test ' + self._metric:>16}"] if self.curve else []
        lines += [f"{c['rows']:>13} {number(sum(c['scores']) / len(c['scores']), metric):>16}" for c in self.curve]
        return [*lines, *textwrap.wrap(self.protocol["more_data"], WIDTH)]

    @property
    def _metric(self) -> str:
        return str(self.protocol["metric"]).replace("_", " ")
