"""The tables of a report: captions, heads and cells as texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ..cards import card
from ..evidence.verdict import SHARES, verdict_in_table
from ..presets import BASELINE
from ..study.answers import Answer
from ..study.comparison import COLUMNS, WITHOUT, Comparison, gain, number, p_in_words
from ..study.found import SearchResult
from ..techniques import CATALOGUE
from .plain import seeds_of
from .words import METRICS, names_of, recipe_in_words

MOST_LEADERS = 20
UNITS = {metric: f"{metric.replace('_', ' ')} in %" for metric in SHARES}
OF_RESULTS = (
    "gain: how much better than the baseline, over paired seeds, with a 95 % interval that holds for all rows at once. "
    "p: how often luck alone would do as much, corrected for the number of rows. on new data: the same interval for "
    "new data of this kind. cost: training time, baseline = 1. verdict: real gain or harmful where p is at most 0.05."
)
OF_ABLATION = "gain: how much better the winner is with it than without it. p and verdict: as above."


def table(
    name: str,
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[Any]],
    note: str = "",
    right: Sequence[int] = (),
) -> dict[str, Any]:
    """rows: cells in the order of heads, the first one names the row. right: which columns are numbers."""
    cells = [[str(cell) for cell in row] for row in rows]
    return {"name": name, "caption": caption, "heads": list(heads), "right": list(right), "rows": cells, "note": note}


def result_tables(answer: Answer) -> list[dict[str, Any]]:
    if isinstance(answer, Comparison):
        return [_results(answer)]
    return [made for made in (_confirmed(answer), _ablation(answer)) if made["rows"]]


def _unit(metric: str) -> str:
    return UNITS.get(metric, metric.replace("_", " "))


def _results(answer: Comparison) -> dict[str, Any]:
    metric = answer.protocol["metric"]
    heads = {**COLUMNS, "note": "note"}
    rows = answer.rows()
    shown = [name for name in heads if any(row[name] for row in rows)]
    cells = [[row[name] for name in shown] for row in rows]
    numeric = [shown.index(name) for name in ("score", "gain", "p", "new", "cost") if name in shown]
    caption = f"Every recipe against the baseline, test {_unit(metric)}, {seeds_of(answer)} seeds, best first"
    return table("results", caption, [heads[name] for name in shown], cells, OF_RESULTS, numeric)


def _confirmed(answer: SearchResult) -> dict[str, Any]:
    metric = answer.protocol["metric"]
    against = {(e.recipe, e.baseline): e for e in answer.evidence}
    rows = []
    for name, scores in answer.scores.items():
        if name.startswith(WITHOUT):
            continue
        means = [number(fmean(scores[part]), metric) for part in ("validation", "metric")]
        e = against.get((name, BASELINE))
        judged = [gain(e), p_in_words(e.p), verdict_in_table(e)] if e else ["", "", ""]
        told = f"{name} (the winner)" if name == answer.winner else name
        rows.append([told, recipe_in_words(answer.recipes[name]), *means, *judged])
    caption = f"Confirmed with {seeds_of(answer)} fresh seeds, {_unit(metric)}; the validation part chose the winner"
    heads = ("recipe", "consists of", "validation", "test", "gain over the baseline [95 %]", "p", "verdict")
    note = (
        "gain: how much better than the baseline, over paired seeds, on the test part. p: how often luck alone would "
        "do as much. verdict: real gain or harmful where p is at most 0.05. Only the winner is judged."
    )
    return table("confirmed", caption, heads, rows, note, (2, 3, 4, 5))


def _ablation(answer: SearchResult) -> dict[str, Any]:
    rows = [[e.recipe, gain(e), p_in_words(e.p), verdict_in_table(e)] for e in answer.worth]
    caption = f"What each ingredient of {answer.winner} is worth"
    return table("ablation", caption, ("ingredient", "gain [95 %]", "p", "verdict"), rows, OF_ABLATION, (1, 2))


def search_tables(answer: SearchResult) -> list[dict[str, Any]]:
    """What was seen on the way: leaders, importance, data curve."""
    metric = answer.protocol["metric"]
    leaders = [
        [rank, number(leader["score"], metric), leader["recipe"]]
        for rank, leader in enumerate(answer.leaders[:MOST_LEADERS], 1)
    ]
    shares = [
        [name.replace("optimizer.lr", "learning rate"), f"{100 * share:.0f} %", "those that have it" if "." in name
         and name != "optimizer.lr" else "all configurations"]
        for name, share in sorted(answer.importance.items(), key=lambda pair: -pair[1])
        if share >= 0.005
    ]  # fmt: skip
    curve = [[f"{point['rows']:,}", number(fmean(point["scores"]), metric)] for point in answer.curve]
    made = [
        table("leaders", f"Best of the search: {_unit(metric)} on validation, one seed", ("rank", "score", "recipe"),
              leaders, "Whoever leads a search owes some of it to luck: fresh seeds decide.", (0, 1)),
        table("importance", "What the ranking hung on", ("choice or strength", "share explained", "among"), shares,
              "Share of a configuration's rank that it explains (functional ANOVA).", (1,)),
        table("curve", "Would more data help?", ("training rows", f"test {_unit(metric)}"), curve,
              answer.protocol.get("more_data", ""), (0, 1)),
    ]  # fmt: skip
    return [one for one in made if one["rows"]]


def score_table(answer: Answer) -> dict[str, Any]:
    """Every test score that a mean stands for; in one cell, because there may be any number of seeds."""
    metric = answer.protocol["metric"]
    rows = [
        [name, number(fmean(scores["metric"]), metric), ", ".join(number(v, metric) for v in scores["metric"])]
        for name, scores in answer.scores.items()
    ]
    caption = f"Test score with every seed, {_unit(metric)}"
    note = f"The score is {METRICS.get(metric, metric)}."
    return table("scores", caption, ("recipe", "mean", "in the order of the seeds"), rows, note, (1,))


def technique_table(answer: Answer) -> dict[str, Any]:
    used = dict.fromkeys(name for recipe in answer.recipes.values() for name in names_of(recipe))
    cards = [card(technique) for technique in CATALOGUE if technique.__name__ in used]
    rows = [[one["name"], one["summary"], one["source"]] for one in cards]
    return table("techniques", "What each technique does", ("technique", "what it does", "where it is from"), rows)


# ------------------------------------------------------------------ how it was done


LABELS = {
    "data": "data",
    "fingerprint": "fingerprint of the data",
    "kind": "test part",
    "rows": "rows",
    "model": "network",
    "epochs": "epochs",
    "batch_size": "rows in a batch",
    "metric": "score",
    "seeds": "seeds",
    "seeds_confirmed": "fresh seeds",
    "tune_lr": "learning rate chosen per recipe",
    "tests_opened": "times the test part was opened",
    "seconds": "seconds",
    "machine": "machine",
    "configurations": "configurations searched",
    "epochs_trained": "epochs trained",
    "outer": "fifth of the rows that tested",
    "seed": "seed of the search",
}
ELSEWHERE = ("notes", "duplicates", "overlap", "packing", "more_data", "baseline")
"""What the protocol holds and another part of the page tells."""


def protocol_table(answer: Answer) -> dict[str, Any]:
    rows = []
    for name, value in answer.protocol.items():
        if name in ELSEWHERE or value in ("", None, [], {}):
            continue
        rows.append([LABELS.get(name, name.replace("_", " ")), _in_words(value)])
    rows += [[f"version of {name}", v] for name, v in answer.versions.items()]
    return table("protocol", "How it was done", ("what", "how"), rows)


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_in_words(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_in_words, value))
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def plan_table(answer: Answer) -> dict[str, Any]:
    """Who trained with whom."""
    heads = ("trainings", "of", "techniques on the device", "how")
    if isinstance(answer, SearchResult):
        packing = answer.protocol.get("packing") or {}
        packs = [(name, packing[name]) for name in ("lone", "packed") if isinstance(packing.get(name), Mapping)]
        rows = [[len(p["members"]), f"a {name} training", ", ".join(p["techniques"]), _how(p)] for name, p in packs]
    else:
        packs = [("", pack) for pack in answer.plan.get("packs", [])]
        owners = _owners(answer, sum(len(pack["members"]) for _, pack in packs))
        rows = [
            [len(p["members"]), ", ".join(dict.fromkeys(owners[i] for i in p["members"])) if owners else "",
             ", ".join(p["techniques"]), _how(p)]
            for _, p in packs
        ]  # fmt: skip
    return table("plan", "Who trained with whom", heads, rows, "", (0,))


def _owners(answer: Comparison, members: int) -> list[str]:
    """The recipe of every member; none where the plan holds more than what was kept."""
    seeds = seeds_of(answer)
    owners = [name for name in answer.recipes for _ in range(seeds)]
    return owners if len(owners) == members else []


def _how(pack: Mapping[str, Any]) -> str:
    threads = pack.get("threads") or "all"
    layout = ", channels last" if pack.get("channels_last") else ""
    return f"{pack['lift']}, {pack['precision']}, {threads} threads{layout}"
